"""The precision in which networks multiply while they learn."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
"""auto: bfloat16 where the processor multiplies it natively; emulated bfloat16 is several times slower than float32."""


def uses_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Whether bfloat16 is used on this device."""
    if precision == "auto":
        return device.type == "cuda" or bool(torch.cpu._is_avx512_bf16_supported())
    return precision == "bfloat16"
