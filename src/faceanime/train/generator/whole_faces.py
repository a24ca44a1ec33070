"""Whole faces of rendered pairs as the flow-guided generator leaves them, for what only a whole face tells: identity.

All open windows of a pair are repaired and their changes added to the geometric renderer's face, as `Window.paste`
does, but differentiably and in the px of the face recogniser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from faceanime.face.identity import DLIB_SIZE_PX, dlib_alignment
from faceanime.generator.windows import PART_OF, Window, WindowPart
from faceanime.geometry.similarity import compose_affine, invert_affine, warp_image
from faceanime.structures.frames import Pixels
from faceanime.train.generator.recogniser import moved
from faceanime.train.generator.window_samples import Batch, Pair, Pairs, WindowSample, batched


@dataclass(frozen=True, eq=False)
class WholeFaces:
    """B faces as the recogniser sees them, what the renderer drew and the truth, in [-1, 1]; and their open windows.

    `windows`: of each part, a batch, whose face each of its windows is of, and the similarities that bring them there.
    """

    canvas: Float32[np.ndarray, "B S S 3"]
    truth: Float32[np.ndarray, "B S S 3"]
    windows: dict[WindowPart, tuple[Batch, list[int], Float32[np.ndarray, "N 2 3"]]]


def whole_faces(pairs: Pairs, drawn: Sequence[Pair]) -> WholeFaces:
    """The faces of pairs, as they were filmed."""
    pictures: list[list[Pixels]] = []
    found: dict[WindowPart, list[tuple[WindowSample, int, np.ndarray]]] = {}
    for index, pair in enumerate(drawn):
        shown = pairs.shown(pair)
        to_aligned = dlib_alignment(shown.after[: pairs.model.landmark_count, :2])
        pictures.append(
            [
                warp_image(picture, to_aligned, DLIB_SIZE_PX, DLIB_SIZE_PX, border=(0, 0, 0))
                for picture in (shown.canvas, shown.truth)
            ]
        )
        for name, sample in pairs.windows(pair):
            there = compose_affine(to_aligned, _picture_from(sample.window))
            found.setdefault(PART_OF[name], []).append((sample, index, there))
    canvas, truth = np.moveaxis(np.array(pictures, np.float32), 1, 0) / np.float32(127.5) - np.float32(1.0)
    windows = {
        part: (
            batched([sample for sample, _, _ in group]),
            [index for _, index, _ in group],
            np.stack([there for _, _, there in group]).astype(np.float32),
        )
        for part, group in found.items()
    }
    return WholeFaces(canvas, truth, windows)


def _picture_from(window: Window) -> Float[np.ndarray, "2 3"]:
    """From what a window shows, px, to the picture it is a window of."""
    back = invert_affine(window.window_from_picture)
    if not window.mirrored:
        return back
    return compose_affine(back, np.array([[-1.0, 0.0, window.size_px], [0.0, 1.0, 0.0]]))


def repaired_faces(
    faces: WholeFaces, change: Callable[[WindowPart, Batch], Float[Tensor, "N 3 H W"]], device: torch.device
) -> Float[Tensor, "B 3 S S"]:
    """The faces with the changes that `change` makes to the windows of each part."""
    made = torch.from_numpy(faces.canvas).to(device).permute(0, 3, 1, 2).contiguous()
    for part, (batch, owners, there) in faces.windows.items():
        seen = moved(change(part, batch), torch.from_numpy(there).to(device), made.shape[-1])
        made = made.index_add(0, torch.tensor(owners, device=device), seen.to(made.dtype))
    return made
