"""Portraits drawn from the model alone: skin, white eyes with dark irises, before a striped wall."""

import cv2
import numpy as np

from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from faceanime.render.masks import soft_polygon
from faceanime.structures.coefficients import FaceCoefficients
from heads import face_of, landmarks_of, pose_of

HEIGHT, WIDTH = 360, 400
SKIN, WHITE, IRIS = (205, 160, 140), (240, 240, 240), (30, 25, 20)


def drawn_face(model: MorphableModel) -> FaceCoefficients:
    """The face of `draw_portrait`."""
    return face_of(model, pose_of(4, -2, 3, scale=100, at=(200, 170)))


def eye_outline(points: np.ndarray, eye: int) -> np.ndarray:
    return np.asarray(points[MEDIAPIPE.eyes[eye].opening, :2])


def head_matte(model: MorphableModel) -> np.ndarray:
    """The drawn head: its oval, a little larger, and the neck."""
    points = landmarks_of(drawn_face(model), model)[:, :2]
    oval = points[MEDIAPIPE.oval]
    center = oval.mean(axis=0)
    head = soft_polygon((center + 1.25 * (oval - center)).astype(np.float32), HEIGHT, WIDTH, 1.0)
    head[int(oval[:, 1].max()) :, 150:250] = 1.0
    return head


def draw_portrait(model: MorphableModel) -> np.ndarray:
    points = landmarks_of(drawn_face(model), model)[:, :2]
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    wall = 110 + 60 * np.sin(x / 9.0) + 30 * np.cos(y / 13.0)
    picture = np.stack([wall, wall, 0.7 * wall + 40], axis=-1)
    layers = [(head_matte(model), SKIN)]
    for eye, iris in enumerate(eye.iris for eye in MEDIAPIPE.eyes):
        opening = soft_polygon(eye_outline(points, eye).astype(np.float32), HEIGHT, WIDTH, 0.0)
        center, rim = points[iris[0]], points[iris[1:]]
        radius = np.linalg.norm(rim - center, axis=1).mean()
        disc = np.clip(radius + 0.5 - np.hypot(x + 0.5 - center[0], y + 0.5 - center[1]), 0, 1)
        layers += [(opening, WHITE), (opening * disc, IRIS)]
    for alpha, color in layers:
        picture += alpha[..., None] * (np.array(color) - picture)
    return cv2.GaussianBlur(picture.clip(0, 255).astype(np.uint8), (0, 0), 0.6)
