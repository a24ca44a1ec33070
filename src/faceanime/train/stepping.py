"""What the steps of all generators' trainings share: the learning rate's pace, and how precisely they multiply."""

from __future__ import annotations

import math
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
"""auto: bfloat16 where the processor multiplies it; one that only emulates it is several times slower with it."""

_LEAST_PACE = 0.05


def pace(step: int, steps: int, warm_up: int) -> float:
    """The share of the learning rate at a step: it rises over `warm_up` steps and falls as a cosine to a twentieth."""
    rise = min(1.0, (step + 1) / max(warm_up, 1))
    fall = 0.5 * (1.0 + math.cos(math.pi * min(step / steps, 1.0)))
    return rise * (_LEAST_PACE + (1.0 - _LEAST_PACE) * fall)


def multiplies_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Whether bfloat16 is used."""
    if precision == "auto":
        return device.type == "cuda" or bool(torch.cpu._is_avx512_bf16_supported())
    return precision == "bfloat16"
