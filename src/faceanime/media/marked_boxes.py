"""A picture with numbered boxes, of which one is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faceanime.media.contact_sheet import Picture

CHOSEN_RGB, OTHER_RGB = (40, 200, 80), (235, 235, 235)
"""Colors of the box that is chosen and of the others; chosen by eye."""
NUMBER_RGB = (20, 20, 20)
"""Color of the numbers; chosen by eye."""
_LINE, _NUMBER = 100, 16
"""Shorter side of the picture over the width of a line, and over the height of a number; chosen by eye."""


def marked_boxes(picture: Picture, boxes: Sequence[Sequence[float]], chosen: int) -> Picture:
    """A picture (H,W,3) with boxes (left, top, right, bottom; px), each with its index, the chosen one in green."""
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    side = min(picture.shape[:2])
    line, size = max(side // _LINE, 2), max(side // _NUMBER, 10)
    font = ImageFont.load_default(size)
    order = [index for index in range(len(boxes)) if index != chosen] + [chosen]  # the chosen one on top
    for index in order:
        color, width = (CHOSEN_RGB, 2 * line) if index == chosen else (OTHER_RGB, line)
        left, top, right, bottom = boxes[index]
        left, top = max(left, 0.0), max(top, 0.0)
        draw.rectangle((left, top, right, bottom), outline=color, width=width)
        number = str(index)
        draw.rectangle((left, top, left + size * (0.4 + 0.6 * len(number)), top + 1.2 * size), fill=color)
        draw.text((left + 0.25 * size, top + 1.05 * size), number, NUMBER_RGB, font, anchor="ls")
    return np.asarray(canvas)
