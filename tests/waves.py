"""Motions made of sines."""

from fractions import Fraction

import numpy as np

from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, HeadPose


def waving(model: MorphableModel, seed: int, frames: int = 60) -> Dynamics:
    """A smooth motion of sines."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames) / 25
    waves = np.sin(
        2 * np.pi * rng.uniform(0.3, 1.5, (6 + model.expression_count, 1)) * t + rng.uniform(0, 6, 1)
    ).T
    angles = 0.2 * waves[:, :3].T
    return Dynamics(
        identity=np.zeros(model.identity_count),
        expression=waves[:, 6:],
        pose=HeadPose(
            rotation_from_angles(*angles), 80 * np.exp(0.1 * waves[:, 3]), 128 + 10 * waves[:, 4:6]
        ),
        frame_rate=Fraction(25),
        valid=np.ones(frames, bool),
        picture_side_px=256,
        model_id=model.id,
    )
