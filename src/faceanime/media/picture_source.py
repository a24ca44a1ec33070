"""Pictures as callers have them: a file's name, an array, or one of Pillow's images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from faceanime.core.errors import MediaError, ShapeError
from faceanime.media.image import check_image, from_pillow, is_image_file, read_image
from faceanime.media.video import is_video
from faceanime.structures.frames import Pixels

PictureSource: TypeAlias = str | Path | np.ndarray | Image.Image
"""A picture: the path of a file; an array (H,W,3) of sRGB, (H,W,4) with alpha, or (H,W) of grey, uint8; or a Pillow
image."""


def read_picture(source: PictureSource, name: str = "the picture") -> Pixels:
    """The picture as (H,W,3) uint8 sRGB, upright; see `read_image` for what is done to it.

    `name` names an array or a Pillow image in messages. Raises MediaError for a file or an image that cannot be read,
    ShapeError for an array that is no picture, and for anything else.
    """
    if isinstance(source, str | Path):
        with _videos_named(Path(source)):
            return read_image(source)
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8:
            raise ShapeError(f"{name} is an array of {source.dtype}, expected uint8 from 0 to 255")
        if source.ndim not in (2, 3) or source.shape[2:] not in ((), (3,), (4,)) or not source.size:
            raise ShapeError(
                f"{name} is an array of shape {source.shape}, expected (height, width, 3), (height, width, 4) "
                "or (height, width)"
            )
        if source.shape[2:] == (3,):
            return np.ascontiguousarray(source)
        source = Image.fromarray(source)
    if not isinstance(source, Image.Image):
        raise ShapeError(
            f"{name} is of type {type(source).__name__}, expected a path, an array or a Pillow image"
        )
    return from_pillow(source, name)


def check_picture(path: Path) -> None:
    """Raise MediaError, as `read_picture` would, for a file that does not begin as a picture."""
    with _videos_named(path):
        check_image(path)


@contextmanager
def _videos_named(path: Path) -> Iterator[None]:
    """Say of a file that cannot be read as a picture that it is a video, if it is one."""
    try:
        yield
    except MediaError:
        if is_video(path) and not is_image_file(path):
            raise MediaError(
                f"cannot read {path}: it is a video, expected a picture; save a frame of it as .png"
            ) from None
        raise


def name_of(source: PictureSource, otherwise: str = "the picture") -> str:
    """The name of a picture in messages: the path of a file, else `otherwise`."""
    return str(source) if isinstance(source, str | Path) else otherwise
