"""One step after the other: what the networks of the flow-guided generator learn, and how.

Each network learns from the windows whose gates are open. First it learns pictures (L1 by region, a Laplacian
pyramid; of light, L1 alone); then, from `adversarial_from` on, a patch critic looks at the middle of mouths and eyes,
its gradient kept in proportion to that of the picture losses, as Esser et al., arXiv 2012.09841, eq. 7, do, and another
at what a face's gate lets through. Flicker, landmarks and identity have losses of their own, each with a weight in
`GeneratorConfig`; 0 leaves it out.
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import ClassVar, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.optim import Optimizer

from faceanime.core.errors import ConfigError
from faceanime.generator.blocks import pixels_of
from faceanime.generator.conditions import EYE, INSIDE, SKIN
from faceanime.generator.discriminator import PatchCritic
from faceanime.generator.flow_guided import FlowGuided
from faceanime.generator.generator_file import load_generator
from faceanime.generator.windows import PART_OF, WindowPart
from faceanime.media.contact_sheet import contact_sheet
from faceanime.structures.frames import Pixels
from faceanime.train.generator.config import GeneratorConfig
from faceanime.train.generator.landmark_reader import LandmarkReader
from faceanime.train.generator.trainer import Trainer, adam
from faceanime.train.generator.vgg_loss import Vgg19, perceptual_l1
from faceanime.train.generator.whole_faces import WholeFaces, repaired_faces, whole_faces
from faceanime.train.generator.window_errors import Numbers, Tensors, add_errors, repaired, scores, tensors_of
from faceanime.train.generator.window_samples import Batch, Pairs, WindowSample, batched, draw_batches
from faceanime.train.losses import (
    adversarial_loss,
    detail_l1,
    feature_matching,
    hinge_critic_loss,
    identity_loss,
    landmark_l1,
    laplacian_l1,
    mask_sparsity,
    temporal_l1,
    weighted_l1,
)
from faceanime.train.processes import ALONE, Processes

Drawn: TypeAlias = tuple[dict[WindowPart, Batch], WholeFaces | None]
View: TypeAlias = tuple[EllipsisType, slice, slice]


_JUDGED: dict[WindowPart, float] = {"mouth": 0.625, "eye": 0.75, "face": 1.0}
"""Share of a window's side, around its middle, that a critic sees; of a face only what its gate lets through."""
_FEATURES: tuple[WindowPart, ...] = ("mouth", "eye")
"""Whose landmarks are read, and whose pictures are compared by VGG-19."""
_MOMENTS, _CRITIC_MOMENTS, _READER_MOMENTS = (0.9, 0.99), (0.5, 0.99), (0.9, 0.999)


_LOSSES = (
    *("picture", "synthesis", "laplacian", "detail", "mask", "critic", "believed", "matched"),
    *("temporal", "landmarks", "reader", "perceptual"),
)
"""Of each part's windows."""


class GeneratorTrainer(Trainer[FlowGuided]):
    """The flow-guided networks, their critics and readers."""

    loss_names: ClassVar[tuple[str, ...]] = (
        "identity",
        *(f"{part}/{loss}" for part in ("mouth", "eye", "face") for loss in _LOSSES),
        "light/picture",
        "light/temporal",
    )

    def __init__(self, config: GeneratorConfig, processes: Processes = ALONE) -> None:
        torch.manual_seed(config.seed)
        network = FlowGuided(config.network)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # unknown to torch's stubs
        super().__init__(config, processes, network, config.identity > 0)
        self.critics = nn.ModuleDict({part: PatchCritic(config.critic) for part in _JUDGED}).to(self._device)
        self._optimiser = adam(self.network, config.learning_rate, _MOMENTS)
        self._critic_optimiser = adam(self.critics, config.critic_learning_rate, _CRITIC_MOMENTS)
        self.readers: nn.ModuleDict | None = None
        if config.landmarks:
            self.readers = nn.ModuleDict({part: LandmarkReader(part) for part in _FEATURES}).to(self._device)
            self._reader_optimiser = adam(self.readers, config.learning_rate, _READER_MOMENTS)
        self._vgg19 = Vgg19(config.vgg19).to(self._device) if config.perceptual and config.vgg19 else None
        self._teacher = None if config.teacher is None else _teacher(config.teacher).to(self._device)
        self._seen_by_teacher: tuple[Pairs, Pairs] | None = None

    def draw(self, pairs: Pairs, step: int) -> list[Drawn]:
        """What is seen in a step: windows, and whole faces for the identity loss."""
        rng = np.random.default_rng(self._processes.seeds(self.config.seed, step))
        foreign = self.config.foreign if step >= self.config.adversarial_from else 0.0
        return [self._drawn(pairs, rng, foreign) for _ in range(self.config.accumulate)]

    def _drawn(self, pairs: Pairs, rng: np.random.Generator, foreign: float) -> Drawn:
        config = self.config
        like = (config.batch, config.shares, config.augment)
        same = copy.deepcopy(rng)
        batches = draw_batches(pairs, *like, rng, config.temporal > 0, foreign)
        if self._teacher is not None:
            seen = draw_batches(self._looked_at(pairs), *like, same, config.temporal > 0, foreign)
            for part, batch in batches.items():
                # a gate may be open in windows of one size alone
                if part in seen and len(seen[part]["gate"]) == len(batch["gate"]):
                    batch["taught"] = self._shown(part, seen[part], batch)
        if not config.identity:
            return batches, None
        return batches, whole_faces(pairs, [pairs.draw(rng) for _ in range(config.identity_faces)])

    def _looked_at(self, pairs: Pairs) -> Pairs:
        """The pairs as the teacher sees them."""
        assert self._teacher is not None
        if self._seen_by_teacher is None or self._seen_by_teacher[0] is not pairs:
            self._seen_by_teacher = pairs, pairs.looked_at(self._teacher.config.windows)
        return self._seen_by_teacher[1]

    def _shown(self, part: WindowPart, seen: Batch, batch: Batch) -> Float32[np.ndarray, "B S S 3"]:
        """What the teacher makes of the windows of a `batch`, which it has `seen` in its own size."""
        assert self._teacher is not None
        given, side = tensors_of(seen, self._device), batch["gate"].shape[1]
        with torch.no_grad():
            change = repaired(self._teacher, part, given).image - given["canvas"]
        smaller = interpolate(change, size=(side, side), mode="area")
        return np.asarray(batch["canvas"] + smaller.permute(0, 2, 3, 1).cpu().numpy(), np.float32)

    def advance(self, drawn: Sequence[Drawn]) -> Numbers:
        """One step; returns the losses."""
        self._set_pace()
        self.network.train()
        for optimiser in self._optimisers().values():
            optimiser.zero_grad()
        sums: Numbers = defaultdict(float)
        windows = Counter[WindowPart]()
        for batches, _ in drawn:
            windows.update({part: len(batch["gate"]) for part, batch in batches.items()})
        for batches, faces in drawn:
            for part, batch in batches.items():
                share = len(batch["gate"]) / windows[part]
                for name, value in self._learn(part, tensors_of(batch, self._device), share).items():
                    sums[f"{part}/{name}"] += share * value
            if faces is not None:
                sums["identity"] += self._stay_alike(faces) / len(drawn)
        self._processes.average_gradients(self.network, self.critics, *filter(None, [self.readers]))
        for network in self.network.parts.values():
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        self._optimiser.step()
        if self.step >= self.config.adversarial_from:
            self._critic_optimiser.step()
        if self.readers is not None:
            self._reader_optimiser.step()
        self._finish_step()
        return sums

    def _learn(self, part: WindowPart, batch: Tensors, share: float) -> Numbers:
        """Add the gradients of one batch, a share of the step's windows, to network and critic."""
        config = self.config
        paired = _paired(batch)
        # a critic that sees drawn windows alone would learn nothing but to doubt
        judged = part in _JUDGED and self.step >= config.adversarial_from and bool(paired.any())
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._low_precision):
            face = repaired(self.network, part, batch)
        inside = config.inside_adversarial if judged else config.inside
        weight = _skin_weight(batch) if part == "light" else _region_weight(batch, inside)
        losses = {"picture": weighted_l1(face.image, batch["truth"], weight)}
        if "taught" in batch and part != "light":
            open_ones = _region_weight({**batch, "paired": torch.ones_like(batch["paired"])}, inside)
            shown = weighted_l1(face.image, batch["taught"], open_ones)
            losses["picture"] = (1.0 - config.taught) * losses["picture"] + config.taught * shown
        if part != "light":
            losses |= {
                "synthesis": config.synthesis * weighted_l1(face.out, batch["truth"], weight),
                "laplacian": config.laplacian * laplacian_l1(face.image, batch["truth"], weight),
                "mask": config.mask * mask_sparsity(face.mask),
            }
            if config.detail and judged:
                losses["detail"] = config.detail * detail_l1(face.image, batch["truth"], weight)
        if config.temporal:
            losses["temporal"] = config.temporal * temporal_l1(*_halves(face.image, batch["truth"], weight))
        if self._vgg19 is not None and part in _FEATURES and paired.any():
            apart = perceptual_l1(self._vgg19, face.image[paired], batch["truth"][paired])
            losses["perceptual"] = config.perceptual * apart
        if self.readers is not None and part in _FEATURES:
            losses |= self._read(part, face.image, batch, share)
        total = torch.stack(list(losses.values())).sum()
        if judged:
            view = _middle(face.image.shape[-1], _JUDGED[part])
            through = (batch["gate"][view] > 0) if part == "face" else 1.0
            seen = {"prior": batch["target_prior"][view], "real": through * batch["truth"][view]}
            made, critic = through * face.image[view], self.critics[part]
            losses["critic"], real = self._teach(
                critic, **seen, made=made.detach(), paired=paired, share=share
            )
            convincing = self._convince(critic, seen["prior"], made, real, paired)
            pull = torch.stack(list(convincing.values())).sum()
            total = total + config.adversarial * _balance(total, pull, face.image, view) * pull
            losses |= convincing
        (share * total).backward()  # type: ignore[no-untyped-call]
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _read(self, part: WindowPart, made: Tensor, batch: Tensors, share: float) -> Tensors:
        """The reader's own loss, whose gradients are added to it, and what it reads in drawn windows."""
        assert self.readers is not None
        reader, places, paired = self.readers[part], batch["places"], _paired(batch)
        losses: Tensors = {}
        if paired.any():
            taught = landmark_l1(reader(batch["truth"][paired]), places[paired])
            (share * taught).backward()  # type: ignore[no-untyped-call]
            losses["reader"] = taught.detach()
        if self.step >= self.config.landmarks_from:
            reader.requires_grad_(False).eval()
            losses["landmarks"] = self.config.landmarks * landmark_l1(reader(made), places)
            reader.requires_grad_(True).train()
        return losses

    def _stay_alike(self, faces: WholeFaces) -> float:
        """Add the gradients of the identity loss on whole faces to the network."""
        assert self._recogniser is not None

        def change(part: WindowPart, batch: Batch) -> Tensor:
            given = tensors_of(batch, self._device)
            return repaired(self.network, part, given).image - given["canvas"]

        self.network.eval()  # few windows: batch norm's statistics are not theirs
        made = repaired_faces(faces, change, self._device)
        self.network.train()
        real = torch.from_numpy(faces.truth).to(self._device).permute(0, 3, 1, 2)
        loss = self.config.identity * identity_loss(self._recogniser, made, real)
        (loss / self.config.accumulate).backward()
        return float(loss.detach())

    def _teach(
        self, critic: nn.Module, prior: Tensor, real: Tensor, made: Tensor, paired: Tensor, share: float
    ) -> tuple[Tensor, list[Tensor]]:
        """The critic's own loss, a share of whose gradients is added to it, and its features of what is real."""
        real_scores, real_features = critic(torch.cat([prior, real], dim=1)[paired])
        made_scores, _ = critic(torch.cat([prior, made], dim=1))
        loss = hinge_critic_loss(real_scores, made_scores)
        (share * loss).backward()  # type: ignore[no-untyped-call]
        return loss, real_features

    def _convince(
        self, critic: nn.Module, prior: Tensor, made: Tensor, real_features: list[Tensor], paired: Tensor
    ) -> Tensors:
        """What the network wants of the critic; the critic learns nothing from it."""
        critic.requires_grad_(False)
        made_scores, made_features = critic(torch.cat([prior, made], dim=1))
        critic.requires_grad_(True)
        matched = feature_matching([features[paired] for features in made_features], real_features)
        return {"believed": adversarial_loss(made_scores), "matched": self.config.matching * matched}

    def samples(self, pairs: Pairs) -> dict[WindowPart, list[WindowSample]]:
        """What is measured and looked at: the open windows of pairs spread evenly over all, always the same."""
        every = -(-sum(1 for _ in pairs.all(1)) // self.config.validation_windows)
        found: dict[WindowPart, list[WindowSample]] = {}
        for pair in pairs.all(every):
            for name, sample in pairs.windows(pair):
                found.setdefault(PART_OF[name], []).append(sample)
        return found

    def validate(self, samples: dict[WindowPart, list[WindowSample]]) -> Numbers:
        """How the averaged weights do on windows of validation people; each part's "score" is what is to become small.

        Mean absolute errors (levels of 255) by region, beside those of the geometric renderer ("canvas"), inside the
        gates; `sharp`: mean |Laplacian| there, in shares of the truth's. A score: the mean over the part's regions of
        the error in shares of the canvas', plus the share of sharpness that is missing or too much. Never the whole
        window's L1: that prefers soft skin over half a face to a mouth that is right.
        """
        sums: dict[str, float] = defaultdict(float)
        for part, windows in samples.items():
            for first in range(0, len(windows), self.config.batch):
                batch = tensors_of(batched(windows[first : first + self.config.batch]), self._device)
                with torch.no_grad():
                    image = repaired(self.average, part, batch).image.clamp(-1.0, 1.0)
                add_errors(sums, part, image, batch)
        return scores(sums)

    def look(self, samples: dict[WindowPart, list[WindowSample]], count: int = 8) -> dict[WindowPart, Pixels]:
        """Sheets of windows: truth, canvas, repaired, mask."""
        sheets: dict[WindowPart, Pixels] = {}
        for part, windows in samples.items():
            chosen = windows[:: max(len(windows) // count, 1)][:count]
            batch = tensors_of(batched(chosen), self._device)
            with torch.no_grad():
                face = repaired(self.average, part, batch)
            rows = (batch["truth"], batch["canvas"], face.image, 2.0 * face.mask.expand(-1, 3, -1, -1) - 1.0)
            tiles = [[pixels_of(picture) for picture in row] for row in rows]
            sheets[part] = contact_sheet(tiles, ("truth", "geometric", "repaired", "mask"), tile_px=192)
        return sheets

    def _modules(self) -> dict[str, nn.Module]:
        modules = {"network": self.network, "average": self.average, "critics": self.critics}
        return modules if self.readers is None else modules | {"readers": self.readers}

    def _optimisers(self) -> dict[str, Optimizer]:
        optimisers: dict[str, Optimizer] = {
            "optimiser": self._optimiser,
            "critic_optimiser": self._critic_optimiser,
        }
        return (
            optimisers if self.readers is None else optimisers | {"reader_optimiser": self._reader_optimiser}
        )


def _teacher(path: Path) -> FlowGuided:
    """Networks to learn from, of any face model: what networks see are pictures. Raises WeightsError, ConfigError."""
    network, _ = load_generator(path, None)
    if not isinstance(network, FlowGuided):
        raise ConfigError(f"teacher: {path} holds {network.network}, expected {FlowGuided.network}")
    return network.requires_grad_(False)


def _paired(batch: Tensors) -> Bool[Tensor, " B"]:
    """Which windows have a truth."""
    return batch["paired"][:, 0, 0, 0] > 0


def _region_weight(batch: Tensors, inside: float) -> Float[Tensor, "B 1 S S"]:
    """1 where the gate is open and the truth is known, `inside` in the mouth and between the lids."""
    held = batch["maps"][:, [INSIDE, EYE]].sum(dim=1, keepdim=True)
    return batch["paired"] * (batch["gate"] > 0) * (1.0 + (inside - 1.0) * held)


def _skin_weight(batch: Tensors) -> Float[Tensor, "B 1 S S"]:
    """Light is learned from skin: what lips and lids look like is told by the networks of mouth and eyes."""
    return batch["paired"] * batch["gate"] * batch["maps"][:, SKIN : SKIN + 1]


def _halves(image: Tensor, truth: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Windows and their neighbours, drawn and true, and where either may change."""
    count = len(image) // 2
    return (
        image[:count],
        image[count:],
        truth[:count],
        truth[count:],
        torch.maximum(weight[:count], weight[count:]),
    )


def _middle(side: int, share: float) -> View:
    """The middle of pictures of that side, px: a share of it."""
    margin = round((1.0 - share) / 2.0 * side)
    return ..., slice(margin, side - margin), slice(margin, side - margin)


_LARGEST_BALANCE = 1e4


def _balance(picture_loss: Tensor, critic_loss: Tensor, image: Tensor, view: View) -> Tensor:
    """How many times as long the first loss's gradient is as the second's, in the middle of the picture.

    Bounded: a critic that is content is not to be shouted down. Source: Esser et al., arXiv 2012.09841, eq. 7, and the
    bound of their release, at the last layer; ours: at the picture, where both meet.
    """
    lengths = [
        torch.autograd.grad(loss, image, retain_graph=True)[0][view].norm()
        for loss in (picture_loss, critic_loss)
    ]
    return (lengths[0] / lengths[1].clamp_min(1e-12)).clamp_max(_LARGEST_BALANCE).detach()
