"""Distillation: a trained flow-guided generator whose pictures another one learns from.

Source: Furlanello et al., arXiv 1805.04770, for a teacher of the same size.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch.nn.functional import interpolate

from faceanime.core.errors import ConfigError
from faceanime.generator.flow_guided import FlowGuided
from faceanime.generator.generator_file import load_generator
from faceanime.generator.windows import WindowPart
from faceanime.train.generator.pairs import RenderedPairs
from faceanime.train.generator.window_errors import repaired, tensors_of
from faceanime.train.generator.window_samples import Batch


class Teacher:
    """A frozen flow-guided generator, which may have windows of other sizes than the student."""

    def __init__(self, path: Path, device: torch.device) -> None:
        """The weights may be of any face model, since networks see pictures. Raises WeightsError, ConfigError."""
        network, _ = load_generator(path, None)
        if not isinstance(network, FlowGuided):
            raise ConfigError(f"teacher: {path} holds {network.network}, expected {FlowGuided.network}")
        self._network, self._device = network.requires_grad_(False).to(device), device
        self._views: tuple[RenderedPairs, RenderedPairs] | None = None

    def view(self, pairs: RenderedPairs) -> RenderedPairs:
        """The pairs as the teacher sees them."""
        if self._views is None or self._views[0] is not pairs:
            options = replace(pairs.options, sizes=self._network.config.windows, registration=False)
            self._views = pairs, pairs.seen_as(options)
        return self._views[1]

    def add_pictures(self, batches: dict[WindowPart, Batch], seen: dict[WindowPart, Batch]) -> None:
        """Add its pictures, "taught", to a student's batches; `seen` holds the same windows in the teacher's size."""
        for part, batch in batches.items():
            # a gate may be open in windows of one size alone
            if part in seen and len(seen[part]["gate"]) == len(batch["gate"]):
                batch["taught"] = self._picture(part, seen[part], batch)

    def _picture(self, part: WindowPart, seen: Batch, batch: Batch) -> Float32[np.ndarray, "B S S 3"]:
        """The canvas of a student's windows with the teacher's change."""
        given, side = tensors_of(seen, self._device), batch["gate"].shape[1]
        with torch.no_grad():
            change = repaired(self._network, part, given).image - given["canvas"]
        smaller = interpolate(change, size=(side, side), mode="area")
        return np.asarray(batch["canvas"] + smaller.permute(0, 2, 3, 1).cpu().numpy(), np.float32)
