"""The training of the flow-guided generator's networks, with their critics and a teacher (`flow_losses.py`)."""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from faceanime.generator.blocks import to_pixels
from faceanime.generator.discriminator import PatchCritic
from faceanime.generator.flow_guided import QUALITY, FlowGuided
from faceanime.generator.windows import PART_OF, WindowPart
from faceanime.media.contact_sheet import contact_sheet
from faceanime.structures.frames import Pixels
from faceanime.train.generator.flow_losses import JUDGED, Judgement, paired_windows, picture_terms, weighted
from faceanime.train.generator.flow_training import FlowTraining
from faceanime.train.generator.generator_trainer import GeneratorTrainer, GeneratorTraining
from faceanime.train.generator.pairs import RenderedPairs
from faceanime.train.generator.teacher import Teacher
from faceanime.train.generator.window_errors import BatchTensors, add_errors, repaired, scores, tensors_of
from faceanime.train.generator.window_samples import Batch, WindowSample, batched, draw_batches, open_windows
from faceanime.train.processes import ALONE, Processes
from faceanime.train.trainer import Numbers, adam

_BETAS, _CRITIC_BETAS = (0.9, 0.99), (0.5, 0.99)
"""Adam's betas of networks and critics; chosen by eye."""
_LARGEST_GRADIENT = 1.0
"""Norm to which each network's gradient is clipped."""
_LOSSES = ("picture", "synthesis", "laplacian", "detail", "mask", "critic", "believed", "matched")
_SHEET_COLUMNS, _TILE_PX = 8, 192
"""Pictures in a row of a contact sheet, and their side; chosen by eye."""


class FlowTrainer(GeneratorTrainer[FlowGuided]):
    """The flow-guided networks and their critics."""

    loss_names: ClassVar[tuple[str, ...]] = (
        *(f"{part}/{loss}" for part in JUDGED for loss in _LOSSES),
        "light/picture",
    )

    def __init__(self, config: FlowTraining, processes: Processes = ALONE) -> None:
        """Raises WeightsError, ConfigError for a teacher that cannot be used."""
        torch.manual_seed(config.seed)
        network = FlowGuided(config.network)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # unknown to torch's stubs
        super().__init__(config, processes, network)
        self.critics = nn.ModuleDict({part: PatchCritic(config.critic) for part in JUDGED}).to(self.device)
        self._optimiser = adam(self.network, config.learning_rate, _BETAS)
        self._critic_optimiser = adam(self.critics, config.critic_learning_rate, _CRITIC_BETAS)
        self._teacher = None if config.teacher is None else Teacher(config.teacher, self.device)

    def draw(self, data: RenderedPairs, step: int) -> dict[WindowPart, Batch]:
        """Draw the windows of a step, by part, with the teacher's pictures if there is one."""
        config = self.config
        rng = np.random.default_rng(self._processes.seeds(config.seed, step))
        foreign = config.foreign if step >= config.adversarial_from else 0.0
        same = copy.deepcopy(rng)  # so that the teacher sees the same windows
        batches = draw_batches(data, config.batch, config.shares, config.augment, rng, foreign)
        if self._teacher is not None:
            view = self._teacher.view(data)
            seen = draw_batches(view, config.batch, config.shares, config.augment, same, foreign)
            self._teacher.add_pictures(batches, seen)
        return batches

    def advance(self, drawn: dict[WindowPart, Batch]) -> Numbers:
        """Take one step and return the losses of each part, "PART/LOSS"."""
        self._begin_step()
        self.network.train()
        for optimiser in self.optimisers().values():
            optimiser.zero_grad()
        losses: Numbers = {}
        for part, batch in drawn.items():
            for name, value in self._learn(part, tensors_of(batch, self.device)).items():
                losses[f"{part}/{name}"] = value
        self._processes.average_gradients(self.network, self.critics)
        for network in self.network.parts.values():
            nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        self._optimiser.step()
        if self.step >= self.config.adversarial_from:
            self._critic_optimiser.step()
        self._finish_step()
        return losses

    def _learn(self, part: WindowPart, batch: BatchTensors) -> Numbers:
        """Add the gradients of one part's batch to its network and its critic; return the losses."""
        # a critic that saw generated windows alone would learn to reject everything
        judged = (
            part in JUDGED and self.step >= self.config.adversarial_from and bool(paired_windows(batch).any())
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._low_precision):
            face = repaired(self.network, part, batch)
        losses = weighted(picture_terms(self.config, part, face, batch, judged))
        total = torch.stack(list(losses.values())).sum()
        if judged:
            judgement = Judgement(self.critics[part], part, face.image, batch)
            losses["critic"], against_critic = self._judge(judgement)
            pull = torch.stack(list(against_critic.values())).sum()
            total = total + self.config.adversarial * judgement.balance(total, pull) * pull
            losses |= against_critic
        total.backward()  # type: ignore[no-untyped-call]
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _judge(self, judgement: Judgement) -> tuple[Tensor, BatchTensors]:
        """Add the critic's gradients to it; return its loss, and the generator's losses against it."""
        loss = judgement.critic_loss()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss, judgement.generator_losses(self.config.matching)

    def samples(self, data: RenderedPairs) -> dict[WindowPart, list[WindowSample]]:
        """The open windows of pairs that are spread evenly over all, by part."""
        found: dict[WindowPart, list[WindowSample]] = {}
        for pair in data.spread(self.config.validation_windows):
            for name, sample in open_windows(data, pair):
                found.setdefault(PART_OF[name], []).append(sample)
        return found

    def validate(self, samples: dict[WindowPart, list[WindowSample]]) -> Numbers:
        """Measure the averaged weights: "PART score" for each network (lower is better), and errors by region.

        Errors are mean absolute ones inside the gates, in levels of 255, beside those of the geometric renderer
        ("canvas"); `sharp` is the mean |Laplacian| there relative to the truth's. A score is the mean over the part's
        regions of the error relative to the canvas', plus the sharpness that is missing or too much. The error of the
        whole window is no measure: it prefers soft skin over half a face to a correct mouth.
        """
        sums: dict[str, float] = defaultdict(float)
        for part, windows in samples.items():
            for first in range(0, len(windows), self.config.batch):
                batch = tensors_of(batched(windows[first : first + self.config.batch]), self.device)
                with torch.no_grad():
                    image = repaired(self.average, part, batch).image.clamp(-1.0, 1.0)
                add_errors(sums, part, image, batch)
        return scores(sums)

    def contact_sheets(self, samples: dict[WindowPart, list[WindowSample]]) -> dict[str, Pixels]:
        """A sheet of windows for each part: truth, canvas, repaired, mask."""
        sheets: dict[str, Pixels] = {}
        for part, windows in samples.items():
            chosen = windows[:: max(len(windows) // _SHEET_COLUMNS, 1)][:_SHEET_COLUMNS]
            batch = tensors_of(batched(chosen), self.device)
            with torch.no_grad():
                face = repaired(self.average, part, batch)
            rows = (batch["truth"], batch["canvas"], face.image, 2.0 * face.mask.expand(-1, 3, -1, -1) - 1.0)
            tiles = [[to_pixels(picture) for picture in row] for row in rows]
            sheets[part] = contact_sheet(tiles, ("truth", "geometric", "repaired", "mask"), tile_px=_TILE_PX)
        return sheets

    def modules(self) -> dict[str, nn.Module]:
        """The networks, their averaged weights and the critics."""
        return {"network": self.network, "average": self.average, "critics": self.critics}

    def optimisers(self) -> dict[str, Optimizer]:
        """The optimizers of the networks and of the critics."""
        return {"optimiser": self._optimiser, "critic_optimiser": self._critic_optimiser}


FLOW = GeneratorTraining(
    family=FlowGuided.network,
    config=FlowTraining,
    trainer=FlowTrainer,
    presets={"flow-fast": FlowTraining(), "flow-quality": FlowTraining(network=QUALITY)},
)
