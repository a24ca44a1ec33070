"""A face model on one picture: turned, and moved along its first directions and its named axes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.media.contact_sheet import contact_sheet
from faceanime.morphable.axes import AXES
from faceanime.morphable.model import MorphableModel
from faceanime.render.clay import shade_face
from faceanime.structures.coefficients import HeadPose
from faceanime.structures.frames import Pixels

_TILE_PX, _SCALE, _MIDDLE = 240, 0.47, (0.5, 0.42)
"""Side of a picture, px; distance of the outer eye corners and place of the model's origin in sides. Chosen by eye."""
_YAWS_DEG = (-60.0, -30.0, 0.0, 30.0, 60.0)
_DEVIATIONS = (-3.0, -1.5, 0.0, 1.5, 3.0)
_FIRST = 3
"""Number of identity and of expression directions that are shown."""
_COLUMNS = len(_YAWS_DEG)


def model_sheet(model: MorphableModel) -> Pixels:
    """The contact sheet (H,W,3) of a model."""
    nobody, neutral = np.zeros(model.identity_count), np.zeros(model.expression_count)
    rows = [[_picture(model, nobody, neutral, yaw) for yaw in _YAWS_DEG]]
    labels = [f"mean face, turned by {_numbers(_YAWS_DEG)} degrees"]
    for k in range(min(_FIRST, model.identity_count)):
        moved = np.eye(model.identity_count)[k]
        rows.append([_picture(model, a * moved, neutral) for a in _DEVIATIONS])
        labels.append(f"identity {k + 1} at {_numbers(_DEVIATIONS)} standard deviations")
    named = {name: model.axis(name) for name in model.axis_names if name not in AXES}
    if not named:
        for k in range(min(_FIRST, model.expression_count)):
            moved = np.eye(model.expression_count)[k]
            rows.append([_picture(model, nobody, a * moved) for a in _DEVIATIONS])
            labels.append(f"expression {k + 1} at {_numbers(_DEVIATIONS)} standard deviations")
    every = [(name, model.axis(name)) for name in AXES] + list(named.items())
    for first in range(0, len(every), _COLUMNS):
        part = every[first : first + _COLUMNS]
        rows.append([_picture(model, nobody, axis) for _, axis in part])
        labels.append(", ".join(name for name, _ in part))
    return contact_sheet(rows, labels, _TILE_PX)


def _picture(
    model: MorphableModel,
    identity: Float[np.ndarray, " K_id"],
    expression: Float[np.ndarray, " K_exp"],
    yaw_deg: float = 0.0,
) -> Pixels:
    pose = HeadPose(
        rotation_from_angles(np.radians(yaw_deg), 0.0, 0.0),
        np.array(_SCALE * _TILE_PX),
        np.array(_MIDDLE) * _TILE_PX,
    )
    points = project(model.vertices(identity, expression).astype(np.float64), pose)
    return shade_face(points, model, _TILE_PX, _TILE_PX)


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
