"""Where layers meet, edges are soft; where nothing moves, the portrait's own pixels stay."""

import numpy as np
import pytest

from faceanime.geometry.flow import identity_flow, sample
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.model import MorphableModel
from faceanime.render.config import GeometricConfig
from faceanime.render.geometric import PortraitLayers
from faceanime.render.head.blending import blend_cheek, blend_plate, soften_folds
from faceanime.render.head.sheet import WarpSheet
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from heads import fitted
from heads_drawn import HEIGHT, WIDTH, drawn_face

LEVELS = np.uint8([40, 200])
FOLD = 0.03
UNIT_PX = 5.0 / FOLD
"""Places in the portrait more than `FOLD` model units apart lie on two sides of a fold: here, 5 px."""


def folded(height: int = 9, width: int = 12, jump_px: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    """A picture in two halves whose places in the portrait are `jump_px` apart, and its flow."""
    flow = identity_flow(height, width)
    flow[:, width // 2 :, 0] += np.float32(jump_px)
    canvas = np.repeat(LEVELS[(np.arange(width) >= width // 2).astype(int)][None], height, axis=0)
    return np.repeat(canvas[..., None], 3, axis=2), flow


@pytest.mark.parametrize("upright", [True, False])
def test_a_fold_is_a_slope_instead_of_a_step(upright: bool) -> None:
    """A z-buffer decides for whole pixels: an edge that is not softened is a staircase."""
    canvas, flow = folded()
    if not upright:
        canvas, flow = np.ascontiguousarray(canvas.swapaxes(0, 1)), flow.swapaxes(0, 1)[..., ::-1].copy()
    soften_folds(canvas, flow, UNIT_PX, np.zeros(flow.shape[:2], np.float32))
    line = (canvas[4, :, 0] if upright else canvas[:, 4, 0]).astype(int)
    steps = np.diff(line)
    assert (steps >= 0).all(), "it rises from one side to the other, without ringing"
    assert steps.max() < 0.8 * np.ptp(LEVELS)
    at_edge = [len(line) // 2 - 1, len(line) // 2]
    assert line[at_edge].mean() == pytest.approx(LEVELS.mean(), abs=1.0), "neither side grows"
    others = np.delete(line, at_edge)
    np.testing.assert_array_equal(others, np.repeat(LEVELS, len(others) // 2))


def test_what_moves_smoothly_keeps_its_detail() -> None:
    """A picture's own edge is no fold: its two sides are neighbors in the portrait too."""
    canvas, _ = folded()
    kept, flow = canvas.copy(), identity_flow(*canvas.shape[:2]) * np.float32(1.4)
    soften_folds(canvas, flow, UNIT_PX, np.zeros(flow.shape[:2], np.float32))
    np.testing.assert_array_equal(canvas, kept)


def test_an_edge_of_filled_skin_is_softened_as_a_fold_is() -> None:
    canvas, _ = folded()
    flow, cheek = identity_flow(*canvas.shape[:2]), np.zeros(canvas.shape[:2], np.float32)
    cheek[:, canvas.shape[1] // 2 :] = 1.0
    soften_folds(canvas, flow, UNIT_PX, cheek)
    assert np.diff(canvas[4, :, 0].astype(int)).max() < 0.8 * np.ptp(LEVELS)


def test_the_renderer_softens_where_the_face_occludes_itself(model: MorphableModel) -> None:
    """In a turned head; the portrait is a ramp, so that a jump of places is one of brightness."""
    ramp = np.linspace(0, 255, WIDTH)[None, :, None]
    picture = np.broadcast_to(ramp, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    face = fitted(drawn_face(model), model)
    source = face.coefficients
    turn = rotation_from_angles(np.radians(38.0), 0.0, 0.0)
    pose = HeadPose(turn @ source.pose.rotation, source.pose.scale, source.pose.translation_px)
    target = FaceCoefficients(source.identity, source.expression, pose)
    layers = PortraitLayers(picture, face, None, model, GeometricConfig())
    field = WarpSheet(face, model, WIDTH, HEIGHT, None, GeometricConfig().warp).field(target)
    hard = sample(np.ascontiguousarray(picture[field.box.slices]), field.flow, "cubic")
    fold_px = FOLD * float(source.pose.scale)
    places = np.abs(np.diff(field.flow, axis=1) - np.float32([1.0, 0.0])).sum(axis=-1)
    steps = np.abs(np.diff(hard[..., 0].astype(int), axis=1))
    fold = (places > fold_px) & (steps > 8)
    fold[[0, -1]], fold[:, [0, -1]] = False, False  # the picture's border stays as it is
    assert fold.sum() > 50
    soft = np.abs(np.diff(layers.render(target)[..., 0].astype(int), axis=1))
    assert np.median(soft[fold] / steps[fold]) < 0.85


def layers_of(height: int = 6, width: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A dark canvas, a bright layer, and a flow that moves its right half by 4 px."""
    flow = identity_flow(height, width)
    flow[:, width // 2 :, 1] += np.float32(4.0)
    return np.full((height, width, 3), 40, np.uint8), np.full((height, width, 3), 200, np.uint8), flow


def test_the_plate_shows_where_the_person_has_moved_away_alone() -> None:
    """At rest the portrait's own pixels stay, however open the matte is."""
    canvas, plate, flow = layers_of()
    matte, no_cheek = np.zeros(canvas.shape[:2], np.float32), np.zeros(canvas.shape[:2], np.float32)
    matte[3:] = 1.0
    blend_plate(canvas, matte, no_cheek, plate, flow)
    assert (canvas[:, :4] == 40).all()
    assert (canvas[:3, 4:] == 200).all()
    assert (canvas[3:, 4:] == 40).all()


def test_filled_skin_hides_the_plate() -> None:
    canvas, plate, flow = layers_of()
    blend_plate(
        canvas, np.zeros(canvas.shape[:2], np.float32), np.ones(canvas.shape[:2], np.float32), plate, flow
    )
    assert (canvas == 40).all()


def test_skin_is_filled_where_a_moving_face_reads_what_is_not_the_persons() -> None:
    ring = 9
    canvas, skin, flow = layers_of()
    part, weight = np.zeros(canvas.shape[:2], np.int32), np.zeros(canvas.shape[:2], np.float32)
    part[0] = ring
    assert blend_cheek(canvas, weight, np.zeros_like(weight), skin, flow, part, ring)
    assert (canvas[1:, 4:] == 200).all()
    assert (canvas[0] == 40).all()
    assert (canvas[:, :4] == 40).all()
    np.testing.assert_array_equal(weight == 1.0, canvas[..., 0] == 200)
