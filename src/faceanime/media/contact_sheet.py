"""Pictures side by side: the frame of a comparison video, or a labeled contact sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from faceanime.core.errors import ShapeError

Picture = UInt8[np.ndarray, "_ _ 3"]
"""Pixels whose height and width are not bound to those of other arguments."""

WHITE = 255
"""Level of the paper."""
INK = (60, 60, 60)
"""RGB of the captions; chosen by eye."""


@dataclass(frozen=True)
class SheetLayout:
    """Proportions of rows and captions; chosen by eye.

    Each pair is a divisor of the tile's height, and the least length in px.
    """

    spacing: tuple[int, int] = (128, 2)
    """Width of the white between the pictures of a row."""
    margin: tuple[int, int] = (16, 4)
    """Margin around a caption."""
    font: tuple[int, int] = (14, 10)
    """Size of a caption's font."""
    baseline: float = 1.55
    """Place of a caption's baseline below the top of its strip, in font sizes; the strip is two high."""

    @staticmethod
    def px(size: tuple[int, int], tile_px: int) -> int:
        """One of the proportions at tiles of `tile_px`."""
        divisor, least_px = size
        return max(tile_px // divisor, least_px)


LAYOUT = SheetLayout()


def tile_row(pictures: Sequence[Picture], height_px: int) -> Picture:
    """Pictures (H,W,3) in a row, each scaled to `height_px`, with thin white lines between them.

    The width is even, as video encoders need it, and depends on the pictures' shapes only. Raises ShapeError
    without any picture.
    """
    if not pictures:
        raise ShapeError("no picture to tile")
    line = _white(height_px, LAYOUT.px(LAYOUT.spacing, height_px))
    parts = [_scaled(pictures[0], height_px)]
    for picture in pictures[1:]:
        parts += [line, _scaled(picture, height_px)]
    odd = sum(part.shape[1] for part in parts) % 2
    return np.concatenate([*parts, _white(height_px, odd)], axis=1)


def contact_sheet(rows: Sequence[Sequence[Picture]], labels: Sequence[str], tile_px: int = 256) -> Picture:
    """A grid of pictures (H,W,3), each row under its label, all tiles `tile_px` high, on white.

    Columns line up; a tile narrower than its column is centered in it. The sheet is as wide as its longest label.

    Raises ShapeError for no rows, an empty row, or not one label a row.
    """
    if not rows or len(rows) != len(labels):
        raise ShapeError(f"a contact sheet of {len(rows)} rows has {len(labels)} labels")
    margin = LAYOUT.px(LAYOUT.margin, tile_px)
    tiles = [[_scaled(picture, tile_px) for picture in row] for row in rows]
    widths = [max(t.shape[1] for t in column if t is not None) for column in zip_longest(*tiles)]
    strips = []
    for row, label in zip(tiles, labels, strict=True):
        strip = tile_row([_centered(tile, width) for tile, width in zip(row, widths, strict=False)], tile_px)
        strips += [_caption(label, strip.shape[1], tile_px), strip]
    widest = max(strip.shape[1] for strip in strips)
    padded = [np.pad(s, ((0, 0), (0, widest - s.shape[1]), (0, 0)), constant_values=WHITE) for s in strips]
    edges = (
        (margin // 2, margin),
        (margin, margin),
        (0, 0),
    )  # half above: the first caption has space of its own
    return np.pad(np.concatenate(padded), edges, constant_values=WHITE)


def _white(height: int, width: int) -> Picture:
    return np.full((height, width, 3), WHITE, np.uint8)


def _centered(tile: Picture, width: int) -> Picture:
    missing = width - tile.shape[1]
    sides = ((0, 0), (missing // 2, missing - missing // 2), (0, 0))
    return np.pad(tile, sides, constant_values=WHITE)


def _scaled(picture: Picture, height_px: int) -> Picture:
    height, width = picture.shape[:2]
    if height == height_px:
        return picture
    size = (max(round(width * height_px / height), 1), height_px)
    method = cv2.INTER_AREA if height_px < height else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def _caption(label: str, width: int, tile_px: int) -> Picture:
    """A label on white, `width` wide or, if the label is longer, as wide as that."""
    size = LAYOUT.px(LAYOUT.font, tile_px)
    font = ImageFont.load_default(size)
    canvas = Image.fromarray(_white(2 * size, max(width, math.ceil(font.getlength(label)))))
    ImageDraw.Draw(canvas).text((0, LAYOUT.baseline * size), label, INK, font, anchor="ls")
    return np.asarray(canvas)
