"""A motion whose frames have all been moved by an edit moves a portrait by that too."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from faceanime.dynamics.edit_config import EditConfig
from faceanime.dynamics.editing import mirror, motion_from_keyframes
from faceanime.dynamics.head_motion import Room
from faceanime.dynamics.motion_edit import edit_motions
from faceanime.dynamics.motion_file import load_motion, save_motion
from faceanime.dynamics.motion_path import bundled_motion_path
from faceanime.dynamics.retarget import retarget
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.geometry.rotation import angles_from_rotation
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.model import MorphableModel
from faceanime.morphable.reference_frame import reference_face
from faceanime.structures.coefficients import Dynamics, FaceCoefficients
from waves import waving

CONFIG = RetargetConfig()


@pytest.fixture(params=["talk", "filmed"])
def motion_path(request: pytest.FixtureRequest, model: MorphableModel, tmp_path: Path) -> Path:
    """A bundled motion, which begins at rest, and one of a head that moves all the time."""
    if request.param == "talk":
        return bundled_motion_path("talk")
    save_motion(waving(model, 3), tmp_path / "filmed.motion.safetensors")
    return tmp_path / "filmed.motion.safetensors"


@pytest.fixture
def portrait(model: MorphableModel) -> FaceCoefficients:
    return motion_from_keyframes({"yaw_deg": [(0, 3)]}, 0.04, Fraction(25), model)[0]


def edited(
    path: Path, model: MorphableModel, axes: dict[str, list[list[float]]], **edits: object
) -> Dynamics:
    keys, out = path.parent / "k.json", path.parent / "edited.motion.safetensors"
    keys.write_text(json.dumps(axes))
    edit_motions([path], out, EditConfig(axes=keys, **edits), model)  # type: ignore[arg-type]
    return load_motion(out)


@pytest.fixture
def own_path(motion_path: Path, tmp_path: Path) -> Path:
    (tmp_path / "own.motion.safetensors").write_bytes(motion_path.read_bytes())
    return tmp_path / "own.motion.safetensors"


def moved(portrait: FaceCoefficients, motion: Dynamics, model: MorphableModel) -> Dynamics:
    return retarget(portrait, motion, model, CONFIG, Room(), 256)


def yaw_deg(motion: Dynamics) -> np.ndarray:
    return np.degrees(angles_from_rotation(motion.pose.rotation)[:, 0])


def test_a_constant_turn_and_smile_take_effect(
    own_path: Path, portrait: FaceCoefficients, model: MorphableModel
) -> None:
    before = moved(portrait, load_motion(own_path), model)
    after = moved(portrait, edited(own_path, model, {"yaw_deg": [[0, 8]], "smile": [[0, 0.4]]}), model)
    turned = yaw_deg(after) - yaw_deg(before)
    assert np.median(turned) == pytest.approx(8, abs=1.0)  # the limit of turns is soft
    assert turned.min() > 3
    up = [
        measure_expressions("corner_up_left", model, portrait.identity, motion.expression)
        for motion in (before, after)
    ]
    assert np.median(up[1] - up[0]) == pytest.approx(0.4 * 0.07, rel=0.25)
    assert len(after) == len(before)


def test_an_edit_of_nothing_changes_nothing(
    own_path: Path, portrait: FaceCoefficients, model: MorphableModel
) -> None:
    motion = load_motion(own_path)
    before, after = (
        moved(portrait, each, model) for each in (motion, edited(own_path, model, {"yaw_deg": [[0, 0]]}))
    )
    np.testing.assert_allclose(after.expression, before.expression, atol=2e-3)
    np.testing.assert_allclose(after.pose.rotation, before.pose.rotation, atol=1e-6)


def test_a_chosen_frame_is_the_reference_all_the_same(
    own_path: Path, portrait: FaceCoefficients, model: MorphableModel
) -> None:
    motion = edited(own_path, model, {"yaw_deg": [[0, 8]]})
    config = RetargetConfig(reference=0)
    result = retarget(portrait, motion, model, config, Room(), 256)
    np.testing.assert_allclose(result.pose.rotation[0], portrait.pose.rotation, atol=1e-6)


def test_a_second_edit_keeps_the_rest(own_path: Path, model: MorphableModel) -> None:
    first = edited(own_path, model, {"yaw_deg": [[0, 8]]})
    second_path = own_path.parent / "second.motion.safetensors"
    save_motion(first, second_path)
    second = edited(second_path, model, {"yaw_deg": [[0, 4]]}, speed=2.0)
    rest = reference_face(load_motion(own_path), model)
    assert second.rest is not None
    np.testing.assert_allclose(second.rest.pose.rotation, rest.pose.rotation)
    np.testing.assert_allclose(second.rest.expression, rest.expression)


def test_the_rest_is_mirrored_with_the_motion(own_path: Path, model: MorphableModel) -> None:
    motion = edited(own_path, model, {"yaw_deg": [[0, 8]]})
    twice = mirror(mirror(motion, model), model)
    assert motion.rest is not None
    assert twice.rest is not None
    np.testing.assert_allclose(twice.rest.expression, motion.rest.expression, atol=1e-5)
    np.testing.assert_allclose(twice.rest.pose.translation_px, motion.rest.pose.translation_px, atol=1e-6)
    once = mirror(motion, model)
    assert once.rest is not None
    turn = (
        angles_from_rotation(once.rest.pose.rotation)[0] + angles_from_rotation(motion.rest.pose.rotation)[0]
    )
    assert turn == pytest.approx(0, abs=1e-6)
