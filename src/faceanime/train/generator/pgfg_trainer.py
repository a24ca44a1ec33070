"""The training of the paper's generator and its critic (arXiv 2105.14678, sec. III-C).

The losses and their weights are the paper's (`losses.paper_generator_losses`), Adam's betas its release's. The paper
leaves open, and we chose: one critic step for each generator step, learning rates and their fall, averaged weights, the
lights, cameras and backgrounds of `AugmentConfig`, and dlib's face recognizer for the identity loss, which sees the
aligned face and not the whole picture.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pixel_unshuffle
from torch.optim import Optimizer

from faceanime.core.errors import check_range
from faceanime.generator.blocks import GeneratedFace, to_pixels
from faceanime.generator.discriminator import Critic, CriticConfig
from faceanime.generator.pgfg import HEAT_MAPS, PAPER_FULL, PAPER_SMALL, Pgfg, PgfgConfig
from faceanime.media.contact_sheet import contact_sheet
from faceanime.prior.sparse_texture import TextureConfig
from faceanime.structures.frames import Pixels
from faceanime.train.generator.augment import Appearance, AugmentConfig
from faceanime.train.generator.face_batches import FaceSample, batched_faces, face_sample
from faceanime.train.generator.generator_trainer import GeneratorTrainer, GeneratorTraining
from faceanime.train.generator.pairs import PairOptions, RenderedPairs
from faceanime.train.generator.recogniser import DlibRecogniser, aligned
from faceanime.train.generator.rendered_pairs import PairsConfig
from faceanime.train.generator.window_errors import BatchTensors, tensors_of
from faceanime.train.generator.window_samples import Batch
from faceanime.train.losses import (
    Embedding,
    PaperWeights,
    paper_generator_losses,
    wasserstein_critic_loss,
)
from faceanime.train.precision import Precision
from faceanime.train.processes import ALONE, Processes
from faceanime.train.trainer import Numbers, adam

_BETAS = (0.0, 0.9)
"""Adam's betas as released, and as in arXiv 1704.00028 for Wasserstein critics."""
_SHEET_COLUMNS, _TILE_PX = 8, 192
"""Pictures in a row of a contact sheet, and their side; chosen by eye."""


@dataclass(frozen=True)
class PgfgTraining:
    """Settings of the paper's generator's training."""

    kind: Literal["pgfg"] = "pgfg"
    """The family of generators."""
    network: PgfgConfig = PAPER_SMALL
    pairs: PairsConfig = field(default_factory=PairsConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    weights: PaperWeights = field(default_factory=PaperWeights)
    steps: int = 20_000
    """Number of training steps."""
    batch: int = 8
    """Pairs in a batch."""
    learning_rate: float = 2e-4
    """Highest learning rate of the generator."""
    critic_learning_rate: float = 2e-4
    """Highest learning rate of the critic."""
    critic_width: int = 64
    """Channels of the critic's finest features; each halving of the resolution doubles them."""
    critic_widest: int = 512
    """Upper limit on the critic's channels."""
    critic_fold: int = 1
    """Squares of `critic_fold` x `critic_fold` places of the network are one place of the critic."""
    identity_share: float = 1.0
    """Fraction of a batch that the identity loss sees, since the face recognizer is slow on a CPU."""
    warm_up: int = 100
    """Steps over which learning rates rise, before they fall as a cosine."""
    ema: float = 0.998
    """Fraction of the averaged weights that a step keeps; less in the first steps of a run with random weights."""
    loaders: int = 2
    """Threads that cut faces and draw priors."""
    precision: Precision = "auto"
    """Precision of the generator; critics, whose gradient is taken twice, and recognizers use float32."""
    seed: int = 0
    """Seed of the weights and of all batches."""
    validate_every: int = 500
    """Steps between two validations."""
    validation_faces: int = 96
    """Largest number of pairs of the validation clips that are measured."""

    def __post_init__(self) -> None:
        check_range(self, "", "critic_fold", least=1)
        check_range(self, "", "steps", "batch", "loaders", "validate_every", "validation_faces", least=1)
        check_range(self, "", "ema", least=0, below=1)
        check_range(self, "", "identity_share", above=0, most=1)

    @property
    def pair_options(self) -> PairOptions:
        """The options with which the network sees the pairs."""
        return PairOptions(texture=TextureConfig(self.network.prior.interval))


class PgfgTrainer(GeneratorTrainer[Pgfg]):
    """The paper's generator and its critic."""

    loss_names: ClassVar[tuple[str, ...]] = ("critic", "adversarial", "picture", "mask", "identity")

    def __init__(self, config: PgfgTraining, processes: Processes = ALONE) -> None:
        """Raises WeightsError where the identity loss has a weight and the extra `identity` is not installed."""
        torch.manual_seed(config.seed)
        network = config.network
        super().__init__(config, processes, Pgfg(network))
        for pgfg in (self.network, self.average):
            pgfg.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # unknown to torch's stubs
        self._recogniser = DlibRecogniser().to(self.device) if config.weights.identity else None
        folded = network.fold * config.critic_fold
        critic = CriticConfig(
            network.size_px // folded,
            self.network.prior_channels + 3 * folded**2,
            config.critic_width,
            config.critic_widest,
        )
        self.critic = Critic(critic).to(self.device)
        self._optimiser = adam(self.network, config.learning_rate, _BETAS)
        self._critic_optimiser = adam(self.critic, config.critic_learning_rate, _BETAS)

    @property
    def recogniser(self) -> str | None:
        """The face recognizer of the identity loss, or that of the weights that the run began with."""
        return super().recogniser if self._recogniser is None else self._recogniser.name

    def draw(self, data: RenderedPairs, step: int) -> Batch:
        """Draw the faces of a step."""
        rng = np.random.default_rng(self._processes.seeds(self.config.seed, step))
        return batched_faces([self._draw(data, rng) for _ in range(self.config.batch)])

    def _draw(self, pairs: RenderedPairs, rng: np.random.Generator) -> FaceSample:
        augment = self.config.augment
        pair, appearance = pairs.draw(rng), Appearance.random(augment, rng)
        background = pairs.portrait(pairs.draw(rng)) if rng.random() < augment.background else None
        return face_sample(pairs, pair, self.config.network, appearance, background)

    def advance(self, drawn: Batch) -> Numbers:
        """Take one step of the critic and of the generator, and return the losses."""
        torch.manual_seed(self.config.seed + self.step)  # for the places of the gradient penalty
        self._begin_step()
        self.network.train()
        for optimiser in self.optimisers().values():
            optimiser.zero_grad()
        losses = self._learn(tensors_of(drawn, self.device))
        self._processes.average_gradients(self.network, self.critic)
        self._critic_optimiser.step()
        self._optimiser.step()
        self._finish_step()
        return losses

    def _learn(self, batch: BatchTensors) -> Numbers:
        """Add the gradients of one batch to critic and generator."""
        prior, truth = batch["target_prior"], batch["truth"]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._low_precision):
            face = self._generate(self.network, batch)
        real, fake = (self._pair(prior, picture) for picture in (truth, face.image))
        critic_loss = wasserstein_critic_loss(self.critic, real, fake, self.config.weights.penalty)
        critic_loss.backward()  # type: ignore[no-untyped-call]
        self.critic.requires_grad_(False)
        losses = paper_generator_losses(
            face, truth, self.critic(fake), self._embedding(batch["to_aligned"]), self.config.weights
        )
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        self.critic.requires_grad_(True)
        return {"critic": float(critic_loss.detach()), **{k: float(v.detach()) for k, v in losses.items()}}

    def _pair(self, prior: Tensor, picture: Tensor) -> Tensor:
        """The pair [p_t, I] that the critic judges: its places are squares of the picture's pixels."""
        fold, critic_fold = self.config.network.fold, self.config.critic_fold
        return torch.cat(
            [avg_pool2d(prior, critic_fold), pixel_unshuffle(picture, fold * critic_fold)], dim=1
        )

    def _embedding(self, to_aligned: Tensor) -> Embedding | None:
        """The recognizer's features of the first `identity_share` of a batch of pictures."""
        recogniser = self._recogniser
        if recogniser is None:
            return None
        seen = math.ceil(self.config.identity_share * len(to_aligned))
        return lambda pictures: recogniser(aligned(pictures[:seen], to_aligned[:seen], recogniser.size_px))

    @staticmethod
    def _generate(network: Pgfg, batch: BatchTensors) -> GeneratedFace:
        face: GeneratedFace = network(batch["source"], batch["source_prior"], batch["target_prior"])
        return face

    def samples(self, data: RenderedPairs) -> list[Batch]:
        """The faces of pairs that are spread evenly over all, in batches."""
        network, size = self.config.network, self.config.batch
        faces = [face_sample(data, pair, network) for pair in data.spread(self.config.validation_faces)]
        return [batched_faces(faces[first : first + size]) for first in range(0, len(faces), size)]

    def validate(self, samples: Sequence[Batch]) -> Numbers:
        """Mean absolute errors (levels of 255) of the averaged weights and of the frozen source.

        The score is the ratio of the errors within faces; that of whole pictures would prefer a still background.
        """
        sums: Numbers = defaultdict(float)
        for batch in (tensors_of(batch, self.device) for batch in samples):
            with torch.no_grad():
                image = self._generate(self.average, batch).image
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

    def contact_sheets(self, samples: Sequence[Batch]) -> dict[str, Pixels]:
        """A sheet of faces: source, truth, generated, mask."""
        batch = tensors_of(samples[0], self.device)
        with torch.no_grad():
            face = self._generate(self.average, batch)
        masks = 2.0 * face.mask.expand(-1, 3, -1, -1) - 1.0
        rows = (batch["source"], batch["truth"], face.image, masks)
        tiles = [[to_pixels(picture) for picture in row[:_SHEET_COLUMNS]] for row in rows]
        return {"face": contact_sheet(tiles, ("source", "truth", "generated", "mask"), tile_px=_TILE_PX)}

    def modules(self) -> dict[str, nn.Module]:
        """The generator, its averaged weights and the critic."""
        return {"network": self.network, "average": self.average, "critic": self.critic}

    def optimisers(self) -> dict[str, Optimizer]:
        """The optimizers of the generator and of the critic."""
        return {"optimiser": self._optimiser, "critic_optimiser": self._critic_optimiser}


_SMALL = PgfgTraining(
    network=PAPER_SMALL,
    pairs=PairsConfig(moments=48, foreign=0, canvases=False),
    steps=16_000,
    learning_rate=4e-4,
    critic_width=8,
    critic_widest=64,
    critic_fold=2,
    identity_share=0.25,
    validate_every=250,
    validation_faces=64,
)

PGFG = GeneratorTraining(
    family=Pgfg.network,
    config=PgfgTraining,
    trainer=PgfgTrainer,
    presets={
        "paper": PgfgTraining(network=PAPER_FULL),
        "paper-small": _SMALL,
        "paper-heat-maps": replace(_SMALL, network=HEAT_MAPS),
    },
)
