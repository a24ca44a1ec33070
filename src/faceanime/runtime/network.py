"""The seam for inference engines: a network is named arrays in, named arrays out.

Renderers know networks by this protocol alone, so that a network may run in torch, ONNX Runtime or any other engine.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Network(Protocol):
    """A trained network; may be called from several threads at once."""

    def __call__(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Run it on float32 arrays, batch first; return its float32 outputs by name."""
