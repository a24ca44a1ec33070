"""Things drawn in front of faces, and a face that is drawn altogether."""

import cv2
import numpy as np

from faceanime.morphable.mediapipe_schema import MEDIAPIPE

JAW = slice(8, 29)
"""The part of the outline from cheek to cheek, along the chin."""
BLUE, WHITE, BLACK = (120, 165, 200), (235, 235, 235), (25, 25, 28)


def masked(pixels: np.ndarray, points: np.ndarray, color: tuple[int, int, int] = BLUE) -> np.ndarray:
    """A picture (H,W,3) with a pleated cloth mask over nose, mouth and chin of the face with landmarks `points`, px."""
    beside_nose = points[MEDIAPIPE.nose_ridge[1:2], :2] + points[MEDIAPIPE.nose_ridge[2:3], :2]
    outline = np.concatenate([0.5 * beside_nose, points[MEDIAPIPE.oval[JAW], :2]]).round().astype(np.int32)
    cloth = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillPoly(cloth, [outline], 1)
    pleats = 1.0 - 0.1 * np.cos(np.arange(len(pixels)) * 40.0 / np.ptp(points[:, 1]))
    woven = np.random.default_rng(0).normal(0.0, 3.0, pixels.shape) + pleats[:, None, None] * np.array(color)
    return np.where(cloth[..., None] > 0, woven.clip(0, 255), pixels).astype(np.uint8)


def behind_hand(pixels: np.ndarray, points: np.ndarray, degrees: float) -> np.ndarray:
    """A picture (H,W,3) with a hand over the mouth: fingers of the cheeks' color, darker at their sides.

    They point `degrees` down from the picture's right.
    """
    mouth = points[MEDIAPIPE.outer_lips, :2]
    size, (x, y) = float(np.ptp(mouth[:, 0])), mouth.mean(axis=0)
    rows, columns = np.indices(pixels.shape[:2])
    along, across = (np.cos(np.radians(degrees)), np.sin(np.radians(degrees)))
    u = (along * (columns - x) + across * (rows - y)) / size
    v = (along * (rows - y) - across * (columns - x)) / size
    fingers = (np.abs(u) < 1.0) & (np.abs(v) < 0.6)
    from_middle = np.abs((v / 0.3 + 0.5) % 1.0 - 0.5) * 2.0
    cheeks = points[MEDIAPIPE.plain_skin, :2].round().astype(int)
    skin = np.median(pixels[cheeks[:, 1], cheeks[:, 0]], axis=0)
    shaded = (1.0 - 0.35 * from_middle**5)[..., None] * skin
    return np.where(fingers[..., None], shaded, pixels).astype(np.uint8)


def behind_glasses(pixels: np.ndarray, points: np.ndarray, opacity: float = 0.96) -> np.ndarray:
    """A picture (H,W,3) with dark glasses before both eyes, which let little light through."""
    glass = np.zeros(pixels.shape[:2], np.uint8)
    for eye in MEDIAPIPE.eyes:
        width = eye.width(points[:, :2])
        x, y = points[eye.opening, :2].mean(axis=0)
        axes = (round(0.95 * width), round(0.68 * width))
        cv2.ellipse(glass, (round(x), round(y + 0.1 * width)), axes, 0, 0, 360, 1, -1)
    shown = (1.0 - opacity) * pixels + opacity * np.array([24.0, 24.0, 28.0])
    return np.where(glass[..., None] > 0, shown, pixels).astype(np.uint8)


def cartoon() -> np.ndarray:
    """A drawn child with large eyes, 512 x 512 px."""
    picture = np.full((512, 512, 3), (235, 225, 200), np.uint8)

    def ellipse(
        x: int, y: int, a: int, b: int, color: tuple[int, int, int], arc: tuple[int, ...] = ()
    ) -> None:
        start, end, thickness = arc or (0, 360, -1)
        cv2.ellipse(picture, (x, y), (a, b), 0, start, end, color, thickness, cv2.LINE_AA)

    ellipse(256, 500, 120, 110, (250, 190, 30))
    ellipse(256, 400, 45, 80, (225, 165, 130))
    ellipse(256, 250, 165, 180, (60, 40, 30))
    ellipse(256, 280, 150, 165, (245, 190, 155))
    for x in (190, 322):
        ellipse(x, 330, 40, 28, (250, 165, 135))
        ellipse(x, 265, 62, 65, (80, 50, 40))
        ellipse(x, 267, 58, 60, (252, 252, 252))
        ellipse(x, 270, 34, 34, (150, 80, 30))
        ellipse(x, 270, 19, 19, (15, 10, 10))
        ellipse(x + 12, 258, 8, 8, (255, 255, 255))
        ellipse(x, 190, 62, 18, (60, 40, 30), (200, 340, 10))
    ellipse(256, 335, 16, 12, (235, 160, 125))
    ellipse(256, 345, 18, 10, (200, 120, 95), (20, 160, 3))
    ellipse(256, 375, 55, 28, (150, 60, 50), (15, 165, 6))
    return cv2.GaussianBlur(picture, (0, 0), 1.2)
