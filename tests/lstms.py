"""Small LSTM predictors that learn, in some seconds, motions in a plane of all numbers of a state."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from faceanime.core.progress import SilentProgress
from faceanime.dynamics.lstm_predictor import LstmConfig
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, HeadPose
from faceanime.train.dynamics.training import DynamicsConfig, train_dynamics
from faceanime.train.loop import Run

TURNS_PER_S = 0.7


def in_plane(model: MorphableModel, places: np.ndarray) -> Dynamics:
    """The motion of a face and head whose T `places` (T,2) lie in a plane: two numbers say all of it."""
    directions = np.random.default_rng(7).normal(size=(2, model.expression_count + 6))
    numbers = np.asarray(places, np.float64) @ directions
    return Dynamics(
        identity=np.zeros(model.identity_count),
        expression=0.7 * numbers[:, 6:],
        pose=HeadPose(
            rotation_from_angles(*(0.15 * numbers[:, :3].T)),
            80.0 * np.exp(0.05 * numbers[:, 3]),
            128.0 + 5.0 * numbers[:, 4:6],
        ),
        frame_rate=Fraction(25),
        valid=np.ones(len(numbers), bool),
        picture_side_px=256,
        model_id=model.id,
    )


def circling(model: MorphableModel, phase: float, frames: int = 60) -> Dynamics:
    """Round and round: one frame tells all that follow."""
    angle = phase + 2.0 * np.pi * TURNS_PER_S * np.arange(frames) / 25.0
    return in_plane(model, np.stack([np.cos(angle), np.sin(angle)], axis=1))


def wandering(model: MorphableModel, seed: int, frames: int = 60) -> Dynamics:
    """Straight on from one place to the next: a target alone tells what follows."""
    places, when = np.random.default_rng(seed).uniform(-1.2, 1.2, (4, 2)), np.linspace(0, frames - 1, 4)
    return in_plane(model, np.stack([np.interp(np.arange(frames), when, each) for each in places.T], axis=1))


def trained_lstm(motions: Sequence[Dynamics], model: MorphableModel, folder: Path, steps: int = 150) -> Path:
    """The weights of a small LSTM that has learned from motions, the last of which validates it."""
    config = DynamicsConfig(
        kind="lstm", lstm=LstmConfig(width=32), steps=steps, batch=16, learning_rate=1e-2, warm_up=5, ema=0.8,
        vertex_weight=0.0, observed=3, future=12, slowest=1.0, validate_every=steps,
    )  # fmt: skip
    return train_dynamics(config, motions[:-1], motions[-1:], model, Run(folder), SilentProgress())
