"""One step after the other: the paper's generator and its critic (arXiv 2105.14678, sec. III-C).

The losses and their weights are the paper's (`losses.paper_generator_losses`), Adam's moments its release's. What it
leaves open and we chose: one step of the critic to one of the generator, learning rates and their fall, averaged
weights, the light, cameras and backgrounds of `AugmentConfig`, dlib's face recogniser for the identity loss (on the
aligned face, not on the whole picture).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from faceanime.core.errors import ConfigError
from faceanime.generator.blocks import GeneratedFace, pixels_of
from faceanime.generator.discriminator import Critic, CriticConfig
from faceanime.generator.pgfg import PAPER_SMALL, Pgfg, PgfgConfig
from faceanime.media.contact_sheet import contact_sheet
from faceanime.structures.frames import Pixels
from faceanime.train.generator.augment import Appearance, AugmentConfig
from faceanime.train.generator.face_batches import FaceSample, batched_faces, face_sample
from faceanime.train.generator.recogniser import aligned
from faceanime.train.generator.rendered_pairs import PairsConfig
from faceanime.train.generator.trainer import Trainer, adam
from faceanime.train.generator.window_errors import Numbers, Tensors, tensors_of
from faceanime.train.generator.window_samples import Batch, Pairs
from faceanime.train.losses import (
    Embedding,
    PaperWeights,
    paper_generator_losses,
    wasserstein_critic_loss,
)
from faceanime.train.processes import ALONE, Processes
from faceanime.train.stepping import Precision


@dataclass(frozen=True)
class PgfgTraining:
    """How the paper's generator is trained."""

    kind: Literal["pgfg"] = "pgfg"
    network: PgfgConfig = PAPER_SMALL
    pairs: PairsConfig = field(default_factory=PairsConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    weights: PaperWeights = field(default_factory=PaperWeights)
    steps: int = 20_000
    batch: int = 8
    accumulate: int = 1
    """Such batches to a step."""
    learning_rate: float = 2e-4
    """It falls as a cosine, as does the critic's."""
    critic_learning_rate: float = 2e-4
    warm_up: int = 100
    """Steps over which both rise."""
    ema: float = 0.998
    """As `GeneratorConfig.ema`."""
    loaders: int = 2
    """Threads that cut faces and draw priors."""
    precision: Precision = "auto"
    """Of the generator; critics, whose gradient is taken twice, and recognisers are float32."""
    seed: int = 0
    validate_every: int = 500
    validation_faces: int = 96
    """Pairs of the validation clips that are measured, at most."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "loaders", "validate_every", "validation_faces"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1")
        if not 0.0 <= self.ema < 1.0:
            raise ConfigError(f"ema is {self.ema}, expected 0 to 1")


class PgfgTrainer(Trainer[Pgfg]):
    """The paper's generator, and its critic."""

    loss_names: ClassVar[tuple[str, ...]] = ("critic", "adversarial", "picture", "mask", "identity")

    def __init__(self, config: PgfgTraining, processes: Processes = ALONE) -> None:
        """Raises WeightsError where the identity loss has a weight and the extra `identity` is not installed."""
        torch.manual_seed(config.seed)
        network = config.network
        super().__init__(config, processes, Pgfg(network), config.weights.identity > 0)
        seen = CriticConfig(network.size_px, network.prior.channels + 3, network.width, network.widest)
        self.critic = Critic(seen).to(self._device)
        self._optimiser = adam(self.network, config.learning_rate, _MOMENTS)
        self._critic_optimiser = adam(self.critic, config.critic_learning_rate, _MOMENTS)

    def draw(self, pairs: Pairs, step: int) -> list[Batch]:
        """What is seen in a step."""
        rng, config = np.random.default_rng(self._processes.seeds(self.config.seed, step)), self.config
        return [
            batched_faces([self._drawn(pairs, rng) for _ in range(config.batch)])
            for _ in range(config.accumulate)
        ]

    def _drawn(self, pairs: Pairs, rng: np.random.Generator) -> FaceSample:
        augment = self.config.augment
        pair, look = pairs.draw(rng), Appearance.drawn(augment, rng)
        behind = pairs.portrait(pairs.draw(rng)) if rng.random() < augment.background else None
        return face_sample(pairs, pair, self.config.network, look, behind)

    def advance(self, drawn: Sequence[Batch]) -> Numbers:
        """One step of critic and generator; returns the losses."""
        torch.manual_seed(self.config.seed + self.step)  # of the gradient penalty's places
        self._set_pace()
        self.network.train()
        self._optimiser.zero_grad()
        self._critic_optimiser.zero_grad()
        sums: Numbers = defaultdict(float)
        for batch in (tensors_of(batch, self._device) for batch in drawn):
            for name, value in self._learn(batch, 1.0 / len(drawn)).items():
                sums[name] += value / len(drawn)
        self._processes.average_gradients(self.network, self.critic)
        self._critic_optimiser.step()
        self._optimiser.step()
        self._finish_step()
        return sums

    def _learn(self, batch: Tensors, share: float) -> Numbers:
        """Add the gradients of one batch to critic and generator."""
        prior, truth = batch["target_prior"], batch["truth"]
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._low_precision):
            face = self._made(self.network, batch)
        real, fake = (torch.cat([prior, picture], dim=1) for picture in (truth, face.image))
        taught = wasserstein_critic_loss(self.critic, real, fake, self.config.weights.penalty)
        (share * taught).backward()  # type: ignore[no-untyped-call]
        self.critic.requires_grad_(False)
        losses = paper_generator_losses(
            face, truth, self.critic(fake), self._embedding(batch["to_aligned"]), self.config.weights
        )
        (share * torch.stack(list(losses.values())).sum()).backward()  # type: ignore[no-untyped-call]
        self.critic.requires_grad_(True)
        return {"critic": float(taught.detach()), **{k: float(v.detach()) for k, v in losses.items()}}

    def _embedding(self, to_aligned: Tensor) -> Embedding | None:
        recogniser = self._recogniser
        if recogniser is None:
            return None
        return lambda pictures: recogniser(aligned(pictures, to_aligned, recogniser.size_px))

    @staticmethod
    def _made(network: Pgfg, batch: Tensors) -> GeneratedFace:
        made: GeneratedFace = network(batch["source"], batch["source_prior"], batch["target_prior"])
        return made

    def samples(self, pairs: Pairs) -> list[Batch]:
        """What is measured and looked at: always the same faces, spread over all pairs."""
        every = -(-sum(1 for _ in pairs.all(1)) // self.config.validation_faces)
        faces = [face_sample(pairs, pair, self.config.network) for pair in pairs.all(every)]
        size = self.config.batch
        return [batched_faces(faces[first : first + size]) for first in range(0, len(faces), size)]

    def validate(self, samples: Sequence[Batch]) -> Numbers:
        """Mean absolute error (levels of 255) within faces and of whole pictures: averaged weights, and the source.

        The score is the ratio of the first two: never the whole picture's error, which prefers a still background.
        """
        sums: Numbers = defaultdict(float)
        for batch in (tensors_of(batch, self._device) for batch in samples):
            with torch.no_grad():
                image = self._made(self.average, batch).image
            for name, picture in (("made", image), ("frozen", batch["source"])):
                error = 127.5 * (picture - batch["truth"]).abs().mean(dim=1, keepdim=True)
                sums[name] += float(error.mean(dim=(1, 2, 3)).sum())
                sums[f"{name} face"] += float((batch["face"] * error).sum())
            sums["pixels"] += float(batch["face"].sum())
            sums["count"] += len(image)
        made, frozen = (sums[f"{name} face"] / max(sums["pixels"], 1.0) for name in ("made", "frozen"))
        return {
            "face score": made / max(frozen, 1e-6),
            "face error": made,
            "frozen face": frozen,
            "picture error": sums["made"] / sums["count"],
            "frozen picture": sums["frozen"] / sums["count"],
        }

    def look(self, samples: Sequence[Batch], count: int = 8) -> dict[str, Pixels]:
        """A sheet of faces: source, truth, generated, mask."""
        batch = tensors_of(samples[0], self._device)
        with torch.no_grad():
            face = self._made(self.average, batch)
        masks = 2.0 * face.mask.expand(-1, 3, -1, -1) - 1.0
        rows = (batch["source"], batch["truth"], face.image, masks)
        tiles = [[pixels_of(picture) for picture in row[:count]] for row in rows]
        return {"face": contact_sheet(tiles, ("source", "truth", "generated", "mask"), tile_px=192)}

    def _modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "average": self.average, "critic": self.critic}

    def _optimisers(self) -> dict[str, Optimizer]:
        return {"optimiser": self._optimiser, "critic_optimiser": self._critic_optimiser}


_MOMENTS = (0.0, 0.9)
"""Of Adam, as released, and as arXiv 1704.00028 has them for Wasserstein critics."""
