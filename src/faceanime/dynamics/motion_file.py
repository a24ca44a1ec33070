"""Motion files (`*.motion.safetensors`): a dynamics sequence on disk.

A safetensors file with a JSON header (see `faceanime.core.weights`): version, frame rate, model id, licence and
provenance. It contains no time stamp: the same motion gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from faceanime.core.errors import MorphableModelError, ShapeError, WeightsError
from faceanime.core.files import as_path
from faceanime.core.weights import Tensors, load_weights, save_weights
from faceanime.dynamics.motion_path import bundled_motion_path, check_motion_path
from faceanime.morphable.model import MorphableModel
from faceanime.structures.coefficients import Dynamics, FaceCoefficients, HeadPose

MOTION_KIND = "motion"


@dataclass(frozen=True)
class MotionNote:
    """Licence and provenance of a motion, as kept in its file."""

    licence: str = "unknown"
    """Licence under which the motion may be used."""
    provenance: str = ""
    """Origin of the motion in words, such as a file's name, a seed or a script."""


def save_motion(dynamics: Dynamics, path: str | Path, note: MotionNote = MotionNote()) -> None:
    """Write a motion file, X.motion.safetensors, completely or not at all. Raises OutputError."""
    path = as_path(path, "path")
    check_motion_path(path)
    tensors: dict[str, np.ndarray] = {
        "identity": dynamics.identity,  # in full precision, so that a loaded motion draws the same pictures
        "expression": dynamics.expression,
        "rotation": np.asarray(dynamics.pose.rotation, np.float64),
        "scale": np.asarray(dynamics.pose.scale, np.float64),
        "translation_px": np.asarray(dynamics.pose.translation_px, np.float64),
        "valid": dynamics.valid.astype(np.uint8),
    }
    rest = dynamics.rest
    if rest is not None:
        tensors |= {
            "rest_expression": rest.expression,
            "rest_rotation": np.asarray(rest.pose.rotation, np.float64),
            "rest_scale": np.asarray(rest.pose.scale, np.float64),
            "rest_translation_px": np.asarray(rest.pose.translation_px, np.float64),
        }
    header = {
        "frame_rate": [dynamics.frame_rate.numerator, dynamics.frame_rate.denominator],
        "crop_size_px": dynamics.picture_side_px,
        "model_id": dynamics.model_id,
        "licence": note.licence,
        "provenance": note.provenance,
    }
    save_weights(path, tensors, kind=MOTION_KIND, header=header)


def load_motion(path: Path) -> Dynamics:
    """Read a motion file. Raises WeightsError when it is missing, damaged, or not a motion file."""
    tensors, header = load_weights(path, kind=MOTION_KIND)
    try:
        return Dynamics(
            identity=tensors["identity"],
            expression=tensors["expression"],
            pose=HeadPose(tensors["rotation"], tensors["scale"], tensors["translation_px"]),
            frame_rate=Fraction(*header["frame_rate"]),
            valid=tensors["valid"].astype(bool),
            picture_side_px=int(header["crop_size_px"]),
            model_id=str(header["model_id"]),
            rest=_rest_in(tensors),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, ShapeError) as error:
        raise WeightsError(f"{path} is damaged: {error}; reconstruct it again") from error


def _rest_in(tensors: Tensors) -> FaceCoefficients | None:
    if "rest_expression" not in tensors:
        return None
    pose = HeadPose(tensors["rest_rotation"], tensors["rest_scale"], tensors["rest_translation_px"])
    return FaceCoefficients(tensors["identity"], tensors["rest_expression"], pose)


def load_motion_of(path: Path, model: MorphableModel) -> Dynamics:
    """Read a motion file that must belong to a model. Raises WeightsError, MorphableModelError."""
    motion = load_motion(path)
    model.require(motion.model_id, str(path))
    found = len(motion.identity), motion.expression.shape[1]
    expected = model.identity_count, model.expression_count
    if found != expected:
        raise MorphableModelError(
            f"{path} has {found} identity and expression numbers, its model has {expected}; "
            "reconstruct it again from its video"
        )
    return motion


def bundled_motion(name: str) -> Dynamics:
    """Load a bundled motion. Raises ConfigError for an unknown name."""
    return load_motion(bundled_motion_path(name))
