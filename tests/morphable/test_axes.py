"""Each named axis does what its name says, and little else."""

import numpy as np
import pytest

from faceanime.morphable.axes import AXES, measure_landmarks, measures_of, named_axes
from faceanime.morphable.model import MorphableModel, Part

MIRROR_X = np.array([-1.0, 1.0, 1.0])
SIDED = ("blink", "wide", "squint")


def part_of(name: str) -> str:
    if name.startswith(("lids", "lower_lid", "gaze")):
        return "eyes"
    return "brows" if "brow" in name else "mouth"


def moved_by(model: MorphableModel, name: str) -> np.ndarray:
    """Displacement of the vertices by the axis at strength 1."""
    return np.asarray(model.expression_basis @ model.axis(name))


@pytest.mark.parametrize("name", AXES)
def test_an_axis_moves_its_first_measure_by_the_stated_amount(model: MorphableModel, name: str) -> None:
    first, amount = next(iter(AXES[name].items()))
    assert measure_landmarks(first, moved_by(model, name), model.schema) == pytest.approx(amount, rel=1e-3)


@pytest.mark.parametrize("name", AXES)
def test_an_axis_moves_each_of_its_measures_its_way(model: MorphableModel, name: str) -> None:
    for other, amount in AXES[name].items():
        share = float(measure_landmarks(other, moved_by(model, name), model.schema)) / amount
        assert 0.5 < share < 1.5, other


@pytest.mark.parametrize("name", AXES)
def test_an_axis_leaves_the_other_parts_of_the_face_alone(model: MorphableModel, name: str) -> None:
    parts = {part_of(own) for own in AXES[name]}
    most = max(abs(amount) for amount in AXES[name].values())
    for other in measures_of(model.schema):
        if part_of(other) not in parts:
            assert abs(measure_landmarks(other, moved_by(model, name), model.schema)) < 0.15 * most, other


@pytest.mark.parametrize("name", SIDED)
def test_left_axes_mirror_right_ones(model: MorphableModel, name: str) -> None:
    right, left = moved_by(model, f"{name}_right"), moved_by(model, f"{name}_left")
    np.testing.assert_allclose(right[model.mirror] * MIRROR_X, left, atol=1e-4)


@pytest.mark.parametrize("name", SIDED)
def test_one_sided_axes_use_one_eye_alone(model: MorphableModel, name: str) -> None:
    assert not model.axis(f"{name}_right")[model.part != Part.RIGHT_EYE].any()
    assert abs(measure_landmarks("lids_apart_left", moved_by(model, f"{name}_right"), model.schema)) < 1e-4


def test_symmetric_axes_are_symmetric(model: MorphableModel) -> None:
    for name in ("jaw_open", "smile", "brow_raise", "pucker", "gaze_up"):
        moved = moved_by(model, name)
        np.testing.assert_allclose(moved[model.mirror] * MIRROR_X, moved, atol=0.01)


def test_a_blink_closes_the_mean_faces_lids(model: MorphableModel) -> None:
    for side, eye in zip(("right", "left"), model.schema.eyes, strict=True):
        shut = model.mean + moved_by(model, f"blink_{side}")
        for upper, lower in zip(eye.upper_middle, eye.lower_middle, strict=True):
            gap, opened = (float(shape[upper, 1] - shape[lower, 1]) for shape in (shut, model.mean))
            assert abs(gap) < 0.15 * opened


def test_the_stored_axes_are_those_of_the_basis(model: MorphableModel) -> None:
    basis = model.landmark_expression_basis.astype(np.float64)
    np.testing.assert_allclose(named_axes(basis, model.part, model.schema), model.axes, atol=1e-3)
    assert model.axis_names == tuple(AXES)
