"""Laws of neck and shoulders: the body follows a head that moves as a whole, as far as the picture shows it."""

from __future__ import annotations

import numpy as np
import pytest

from faceanime.geometry.flow import identity_flow
from faceanime.geometry.similarity import apply_affine
from faceanime.morphable.model import MorphableModel
from faceanime.render.config import WarpConfig
from faceanime.render.head.body import NeckRule, body_from_portrait
from faceanime.render.head.sheet import WarpSheet
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from heads import face_of, fitted, pose_of

SCALE = 60.0
AT = (150.0, 110.0)
WIDTH, HEIGHT = 300, 280
REST = pose_of(scale=SCALE, at=AT)
COLLAR = np.array([AT[0], AT[1] + 1.9 * SCALE])
"""A place of the portrait where a collar would be, below the chin of `REST`, px."""


def moved(pose: HeadPose) -> np.ndarray:
    """How far the body at the collar moves, px."""
    return np.asarray(apply_affine(body_from_portrait(REST, pose), COLLAR) - COLLAR)


@pytest.mark.parametrize("turn", [(25, 0, 0), (0, 15, 0), (0, 0, 20), (-20, 10, -10)])
def test_a_head_that_turns_stands_on_a_still_body(turn: tuple[float, float, float]) -> None:
    """Whether it turns about its own middle, about the root of its neck, or about a point between them."""
    about_middle = pose_of(*turn, scale=SCALE, at=AT)
    root = np.array(NeckRule().root)
    flip = np.array([1.0, -1.0])
    shift = SCALE * flip * ((REST.rotation @ root) - (about_middle.rotation @ root))[:2]
    for part in (0.0, 0.5, 1.0):
        pose = HeadPose(about_middle.rotation, REST.scale, REST.translation_px + part * shift)
        np.testing.assert_allclose(moved(pose), 0.0, atol=1e-9)


@pytest.mark.parametrize("shift", [(40.0, 0.0), (-40.0, 0.0), (0.0, 40.0), (0.0, -40.0)])
def test_a_head_that_shifts_far_takes_its_body_along(shift: tuple[float, float]) -> None:
    pose = HeadPose(REST.rotation, REST.scale, REST.translation_px + shift)
    neck = np.array(shift) - moved(pose)
    assert (np.abs(neck) <= SCALE * np.array(NeckRule().reach) + 1e-9).all()
    within = 0.4 * SCALE * np.sign(shift) * NeckRule().reach
    little = HeadPose(REST.rotation, REST.scale, REST.translation_px + within)
    np.testing.assert_array_equal(moved(little), 0.0)


@pytest.mark.parametrize("growth", [0.75, 1.3])
def test_a_head_that_comes_closer_brings_its_body(growth: float) -> None:
    """The body grows with it about the neck, so that chin and collar keep their distance in sizes of the head."""
    pose = HeadPose(REST.rotation, np.asarray(SCALE * growth), REST.translation_px)
    body = body_from_portrait(REST, pose)
    assert body[0, 0] == pytest.approx(growth, rel=0.05)
    chin = np.array([AT[0], AT[1] + 1.33 * SCALE])
    chin_moved = AT + growth * (chin - AT)
    distance = (apply_affine(body, COLLAR) - chin_moved)[1] / growth
    assert distance == pytest.approx(COLLAR[1] - chin[1], rel=0.15)


def test_the_body_moves_smoothly_with_the_head() -> None:
    """No jump where the neck has given all that it can."""
    shifts = np.linspace(-60.0, 60.0, 2401)
    there = np.array(
        [moved(HeadPose(REST.rotation, REST.scale, REST.translation_px + np.array([0.0, s]))) for s in shifts]
    )
    steps = np.diff(there[:, 1])
    assert (steps >= -1e-9).all()
    assert steps.max() < 1.01 * (shifts[1] - shifts[0])
    assert np.abs(np.diff(steps)).max() < 0.01


def sheet_of(
    model: MorphableModel, width: int = WIDTH, height: int = HEIGHT
) -> tuple[WarpSheet, FaceCoefficients]:
    face = face_of(model, REST)
    return WarpSheet(fitted(face, model), model, width, height, None, WarpConfig()), face


@pytest.mark.parametrize("shift", [(0.0, -35.0), (0.0, 35.0), (30.0, 0.0), (-30.0, 0.0)])
def test_chin_and_collar_keep_their_distance(model: MorphableModel, shift: tuple[float, float]) -> None:
    sheet, face = sheet_of(model)
    pose = HeadPose(REST.rotation, REST.scale, REST.translation_px + shift)
    field = sheet.field(FaceCoefficients(face.identity, face.expression, pose))
    x, y = np.rint(COLLAR + shift).astype(int) - [field.box.left, field.box.top]
    origin = [field.box.left, field.box.top]
    read = field.flow[y, x] + origin - (np.array([x, y]) + 0.5 + origin)
    np.testing.assert_allclose(read, -np.array(shift), atol=0.12 * SCALE)


@pytest.mark.parametrize("shift", [(0.0, -40.0), (0.0, 30.0), (35.0, 0.0), (-35.0, 0.0), (30.0, -30.0)])
def test_nothing_beyond_the_pictures_edge_is_uncovered(
    model: MorphableModel, shift: tuple[float, float]
) -> None:
    """Below the face, every pixel reads the picture: clothes are stretched toward an edge, not invented."""
    sheet, face = sheet_of(model)
    pose = HeadPose(REST.rotation, REST.scale, REST.translation_px + shift)
    field = sheet.field(FaceCoefficients(face.identity, face.expression, pose))
    assert (field.box.left, field.box.right, field.box.bottom) == (0, WIDTH, HEIGHT)
    below = field.flow[round(COLLAR[1]) - field.box.top :]
    assert below[..., 0].min() > -3.0
    assert below[..., 0].max() < WIDTH + 3.0
    assert below[..., 1].max() < field.box.height + 3.0
    stretched = np.diff(below[..., 1], axis=0)
    assert stretched.min() > 0.1, "no fold and no tear"


def test_the_body_stands_still_where_the_moving_region_ends(model: MorphableModel) -> None:
    """In a large picture there is more body below: no seam."""
    sheet, face = sheet_of(model, 300, 900)
    pose = HeadPose(REST.rotation, REST.scale, REST.translation_px + np.array([10.0, 30.0]))
    field = sheet.field(FaceCoefficients(face.identity, face.expression, pose))
    assert field.box.bottom < 900
    away = field.flow - identity_flow(field.box.height, field.box.width)
    np.testing.assert_allclose(away[-1, 30:-30], 0.0, atol=0.5)
