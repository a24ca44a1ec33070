"""A closing lid shows skin; an open eye shows what the source shows."""

import numpy as np
import pytest

from faceanime.geometry.flow import sample
from faceanime.morphable.model import MorphableModel
from faceanime.render.config import WarpConfig
from faceanime.render.eyes.lids import LidLayer
from faceanime.render.head.sheet import WarpSheet
from faceanime.structures.coefficients import FaceCoefficients
from heads import axes_of, fitted
from heads_drawn import draw_portrait, drawn_face, eye_outline


@pytest.fixture(scope="module")
def picture(model: MorphableModel) -> np.ndarray:
    """The drawn portrait with lashes: dark strokes above each eye."""
    drawn = draw_portrait(model)
    points = sheet_of(drawn, model).source_landmarks
    for eye in (0, 1):
        left, top = np.floor(eye_outline(points, eye).min(axis=0)).astype(int)
        right = int(np.ceil(eye_outline(points, eye)[:, 0].max()))
        drawn[top - 2 : top + 1, left + 4 : right - 4 : 2] = 20
    return drawn


def sheet_of(picture: np.ndarray, model: MorphableModel) -> WarpSheet:
    height, width = picture.shape[:2]
    return WarpSheet(fitted(drawn_face(model), model), model, width, height, None, WarpConfig())


def painted(
    picture: np.ndarray, model: MorphableModel, amount: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The warped region before and after the layer, and where the sheet's points are in it."""
    sheet, source = sheet_of(picture, model), drawn_face(model)
    blink = axes_of(model, blink_left=amount, blink_right=amount)
    field = sheet.field(FaceCoefficients(source.identity, blink, source.pose))
    before = sample(np.ascontiguousarray(picture[field.box.slices]), field.flow, "cubic")
    after = before.copy()
    LidLayer(picture, sheet.source_landmarks, model.schema).paint(after, field)
    return before, after, field.landmarks[:, :2] - [field.box.left, field.box.top]


@pytest.mark.parametrize("amount", [0.0, 0.1, -0.3])
def test_an_open_eye_is_left_alone(picture: np.ndarray, model: MorphableModel, amount: float) -> None:
    before, after, _ = painted(picture, model, amount)
    np.testing.assert_array_equal(before, after)


def test_a_shut_lid_is_lighter_than_stretched_lashes(picture: np.ndarray, model: MorphableModel) -> None:
    before, after, points = painted(picture, model, 1.0)
    for eye in (0, 1):
        left, top = np.floor(eye_outline(points, eye).min(axis=0)).astype(int)
        right, bottom = np.ceil(eye_outline(points, eye).max(axis=0)).astype(int)
        lid = slice(top - 8, bottom - 1), slice(left + 3, right - 3)
        assert (after[lid].max(axis=-1) < 90).sum() < 0.5 * (before[lid].max(axis=-1) < 90).sum()


def test_nothing_is_painted_away_from_the_eyes(picture: np.ndarray, model: MorphableModel) -> None:
    before, after, points = painted(picture, model, 1.0)
    changed = np.argwhere((before != after).any(axis=-1))[:, ::-1]
    assert len(changed) > 50
    for place in changed[::7]:
        outlines = np.concatenate([eye_outline(points, 0), eye_outline(points, 1)])
        assert np.linalg.norm(outlines - place, axis=1).min() < 16


def test_closing_is_continuous(picture: np.ndarray, model: MorphableModel) -> None:
    steps = [painted(picture, model, amount)[1].astype(int) for amount in np.linspace(0.2, 0.8, 13)]
    jumps = [np.abs(b - a).mean() for a, b in zip(steps, steps[1:], strict=False)]
    assert max(jumps) < 4 * np.median(jumps)


def test_an_eye_beyond_the_picture_is_skipped(picture: np.ndarray, model: MorphableModel) -> None:
    sheet = sheet_of(picture, model)
    layer = LidLayer(
        picture[:, :200], sheet.source_landmarks, model.schema
    )  # the head's own left eye is cut off
    field = sheet.field(
        FaceCoefficients(
            drawn_face(model).identity,
            axes_of(model, blink_left=1.0, blink_right=1.0),
            drawn_face(model).pose,
        )
    )
    canvas = np.zeros((field.box.height, field.box.width, 3), np.uint8)
    layer.paint(canvas, field)
    assert canvas.any()
