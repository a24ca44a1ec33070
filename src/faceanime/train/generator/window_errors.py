"""Errors by region and sharpness of repaired windows, inside the gates alone.

The error of a whole window is no measure: it prefers soft skin over half a face to a correct mouth.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from faceanime.generator.blocks import GeneratedFace
from faceanime.generator.conditions import EYE, INSIDE, LIDS, LIPS, SKIN
from faceanime.generator.flow_guided import FlowGuided
from faceanime.generator.windows import PARTS, WindowPart
from faceanime.train.generator.window_samples import Batch
from faceanime.train.trainer import Numbers

BatchTensors: TypeAlias = dict[str, Tensor]

_CPU = torch.device("cpu")

WINDOW_REGIONS: dict[str, tuple[WindowPart, int]] = {
    "inside": ("mouth", INSIDE),
    "lips": ("mouth", LIPS),
    "lids": ("eye", LIDS),
    "eyeball": ("eye", EYE),
    "cheek": ("face", SKIN),
    "skin": ("light", SKIN),
}
"""The measured regions: the part and the channel of the maps of each."""
NETWORK_INPUTS = ("canvas", "maps", "gate", "target_prior", "source_prior")
"""The entries of a batch that a network is given, in the order of its arguments."""
_SHARP: tuple[WindowPart, ...] = ("mouth", "eye", "face")
"""The parts whose sharpness counts; light is smooth."""


def tensors_of(batch: Batch, device: torch.device = _CPU) -> BatchTensors:
    """A batch of windows or faces as tensors, channels second (channels last in memory)."""
    tensors = {name: torch.from_numpy(value).to(device) for name, value in batch.items()}
    return {name: value.permute(0, 3, 1, 2) if value.ndim == 4 else value for name, value in tensors.items()}


def repaired(network: FlowGuided, part: WindowPart, batch: BatchTensors) -> GeneratedFace:
    """Repair a batch of windows of one part; its entries are the fields of `WindowSample`, channels second."""
    face: GeneratedFace = network(part, *(batch[name] for name in NETWORK_INPUTS))
    return face


def add_errors(sums: dict[str, float], part: WindowPart, image: Tensor, batch: BatchTensors) -> None:
    """Add the errors and the sharpness of a batch to `sums`, and the number of their pixels."""
    truth, canvas, is_open = batch["truth"], batch["canvas"], batch["gate"] > 0.5
    for name, (its_part, channel) in WINDOW_REGIONS.items():
        if its_part == part:
            mask = is_open & (batch["maps"][:, channel : channel + 1] > 0.5)
            sums[f"{name}/pixels"] += float(mask.sum())
            for who, picture in (("made", image), ("canvas", canvas)):
                error = 127.5 * (picture - truth).abs().mean(dim=1, keepdim=True)
                sums[f"{name}/{who}"] += float(error[mask].sum())
    for who, picture in (("made", image), ("canvas", canvas), ("truth", truth)):
        sums[f"{part}/sharp/{who}"] += float(edge_strength(picture)[is_open].sum())


def edge_strength(picture: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 1 S S"]:
    """|Laplacian| of the grey pictures; its sum over a region measures sharpness."""
    kernel = picture.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    return conv2d(picture.mean(dim=1, keepdim=True), kernel[None, None], padding=1).abs()


def scores(sums: dict[str, float]) -> Numbers:
    """The scores and errors of the sums of `add_errors`, see `FlowTrainer.validate`."""
    numbers: Numbers = {}
    ratios: dict[WindowPart, list[float]] = {part: [] for part in PARTS}
    missing: dict[WindowPart, float] = dict.fromkeys(PARTS, 0.0)
    for name, (part, _) in WINDOW_REGIONS.items():
        pixels = sums.get(f"{name}/pixels", 0.0)
        made, canvas = (sums.get(f"{name}/{who}", 0.0) / max(pixels, 1.0) for who in ("made", "canvas"))
        numbers |= {f"{name}": made, f"{name} canvas": canvas}
        if pixels:
            ratios[part].append(made / max(canvas, 1e-6))
    for part in _SHARP:
        truth = max(sums.get(f"{part}/sharp/truth", 0.0), 1e-6)
        made, canvas = (sums.get(f"{part}/sharp/{who}", 0.0) / truth for who in ("made", "canvas"))
        numbers |= {f"{part} sharp": made, f"{part} sharp canvas": canvas}
        missing[part] = abs(1.0 - made)
    by_part = {
        f"{part} score": float(np.mean(found)) + missing[part] if found else math.inf
        for part, found in ratios.items()
    }
    return {**by_part, **numbers}
