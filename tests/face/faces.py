"""Pictures and videos made of the one public-domain face that scikit-image carries."""

from collections.abc import Iterable
from fractions import Fraction

import cv2
import numpy as np
import skimage.data

from faceanime.structures.frames import Frame

FACE_WIDTH_PX = 92


def astronaut() -> np.ndarray:
    picture: np.ndarray = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(picture)


def moved(pixels: np.ndarray, scale: float = 1.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """The same picture under p' = scale * p + (x, y), of the same size."""
    height, width = pixels.shape[:2]
    shift = [x + 0.5 * scale - 0.5, y + 0.5 * scale - 0.5]  # OpenCV counts centers at integers
    matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    return np.asarray(cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))


def with_face_of(width_px: float, side_px: int) -> np.ndarray:
    """A grey square picture with the astronaut's head in it, `width_px` wide."""
    factor = width_px / FACE_WIDTH_PX
    head = astronaut()[:300, 80:380]
    small = cv2.resize(head, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    canvas = np.full((side_px, side_px, 3), 128, np.uint8)
    canvas[side_px // 3 :, side_px // 2 :][: len(small), : small.shape[1]] = small
    return canvas


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)


def as_frames(pictures: Iterable[np.ndarray]) -> list[Frame]:
    return [Frame(pixels, Fraction(t, 25)) for t, pixels in enumerate(pictures)]
