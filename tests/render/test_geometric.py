"""The renderer gives the source back at rest, and moves the person alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from faceanime.geometry.camera import project
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel
from faceanime.render.config import GeometricConfig
from faceanime.render.geometric import PortraitLayers
from faceanime.render.head.matte import PersonMattes, trusted_mattes
from faceanime.render.head.sheet import source_shape
from faceanime.render.masks import soft_polygon
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from heads import axes_of, fitted
from heads_drawn import HEIGHT, WIDTH, draw_portrait, drawn_face, head_matte


@pytest.fixture(scope="module")
def picture(model: MorphableModel) -> np.ndarray:
    return draw_portrait(model)


@pytest.fixture(scope="module")
def renderer(picture: np.ndarray, model: MorphableModel) -> PortraitLayers:
    return renderer_of(picture, model, head_matte(model))


def trusted(matte: np.ndarray, points: np.ndarray) -> PersonMattes:
    mattes = trusted_mattes(matte, points[MEDIAPIPE.oval, :2])
    assert mattes is not None
    return mattes


def renderer_of(
    picture: np.ndarray,
    model: MorphableModel,
    matte: np.ndarray | None,
    still_background: bool = True,
) -> PortraitLayers:
    config = GeometricConfig(still_background=still_background)
    return PortraitLayers(picture, fitted(drawn_face(model), model), matte, model, config)


def moved(
    model: MorphableModel, yaw_deg: float = 0.0, shift: tuple[float, float] = (0.0, 0.0), **axes: float
) -> FaceCoefficients:
    source = drawn_face(model)
    rotation = rotation_from_angles(np.radians(yaw_deg), 0.0, 0.0) @ source.pose.rotation
    pose = HeadPose(rotation, source.pose.scale, source.pose.translation_px + np.array(shift))
    return FaceCoefficients(source.identity, axes_of(model, **axes), pose)


def targets(model: MorphableModel) -> list[FaceCoefficients]:
    return [
        moved(model),
        moved(model, 12, jaw_open=0.5),
        moved(model, -15, blink_left=1.0, blink_right=1.0),
        moved(model, 5, (6, -4), smile=1.0, gaze_left=0.6),
        moved(model, 20, jaw_open=0.9, brow_raise=1.0),
        moved(model, 0, (-8, 3), pucker=0.5),
    ]


@pytest.mark.parametrize("with_matte", [False, True])
def test_at_rest_the_source_comes_back(picture: np.ndarray, model: MorphableModel, with_matte: bool) -> None:
    renderer = renderer_of(picture, model, head_matte(model) if with_matte else None)
    np.testing.assert_array_equal(renderer.render(drawn_face(model)), picture[renderer.region.slices])


def test_faces_move(renderer: PortraitLayers, picture: np.ndarray, model: MorphableModel) -> None:
    still = picture[renderer.region.slices].astype(int)
    for target in targets(model)[1:]:
        assert (np.abs(renderer.render(target).astype(int) - still).max(axis=-1) > 20).sum() > 30


def test_the_background_stands_still(
    renderer: PortraitLayers, picture: np.ndarray, model: MorphableModel
) -> None:
    matte = head_matte(model)
    away = cv2.distanceTransform((matte < 0.01).astype(np.uint8), cv2.DIST_L2, 3) > 30
    away = away[renderer.region.slices]
    assert away.sum() > 5000
    still = picture[renderer.region.slices].astype(int)
    carried = renderer_of(picture, model, None)
    for target in (moved(model, 20), moved(model, -15), moved(model, 0, (8, -5))):
        held = np.abs(renderer.render(target).astype(int) - still)[away]
        assert held.mean() < 0.5
        assert np.percentile(held, 99) <= 12
        assert np.abs(carried.render(target).astype(int) - still)[away].mean() > 2 * held.mean()


@pytest.mark.parametrize(("gap_share", "carried"), [(0.08, True), (0.6, False)])
def test_a_collar_that_was_taken_for_background_is_the_persons(
    model: MorphableModel, gap_share: float, carried: bool
) -> None:
    """A narrow gap in the matte beside the neck is the person's, a wide one is what is behind."""
    points = project(source_shape(fitted(drawn_face(model), model), model), drawn_face(model).pose)
    oval = points[MEDIAPIPE.oval]
    size, chin = np.ptp(oval[:, 1]), int(oval[:, 1].max())
    wide = max(round(gap_share * size), 3)
    matte = head_matte(model)
    matte[chin:] = 1.0
    matte[chin + 10 :, 270 : 270 + wide] = 0.0
    mattes = trusted(matte, points)
    middle = mattes.visible[chin + 20 : -5, 270 + wide // 2]
    assert (middle > 0.9).all() if carried else (middle < 0.1).all()
    assert (mattes.moving[chin:] == 1.0).all()


def test_a_solid_body_does_not_grow(model: MorphableModel) -> None:
    points = project(source_shape(fitted(drawn_face(model), model), model), drawn_face(model).pose)
    matte = head_matte(model)
    person = trusted(matte, points).visible
    below = slice(int(points[MEDIAPIPE.oval, 1].max()) + 60, None)
    np.testing.assert_allclose(person[below], matte[below], atol=0.02)


def test_the_background_may_move_along(picture: np.ndarray, model: MorphableModel) -> None:
    carried = renderer_of(picture, model, head_matte(model), still_background=False)
    without = renderer_of(picture, model, None)
    np.testing.assert_array_equal(carried.render(targets(model)[1]), without.render(targets(model)[1]))


def test_a_matte_that_misses_the_face_is_ignored(picture: np.ndarray, model: MorphableModel) -> None:
    elsewhere = np.zeros((HEIGHT, WIDTH), np.float32)
    elsewhere[:60, :60] = 1.0
    missed, without = renderer_of(picture, model, elsewhere), renderer_of(picture, model, None)
    for target in targets(model):
        np.testing.assert_array_equal(missed.render(target), without.render(target))


def test_each_picture_depends_on_its_target_alone(renderer: PortraitLayers, model: MorphableModel) -> None:
    faces = targets(model)
    once = [renderer.render(face) for face in faces]
    order = np.random.default_rng(0).permutation(3 * len(faces)) % len(faces)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(renderer.render, [faces[i] for i in order]))
    for i, picture in zip(order, again, strict=True):
        np.testing.assert_array_equal(picture, once[i])


def test_the_source_is_left_as_it_is(picture: np.ndarray, model: MorphableModel) -> None:
    before, matte = picture.copy(), head_matte(model)
    renderer = renderer_of(picture, model, matte)
    renderer.render(targets(model)[4])
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(matte, head_matte(model))


def test_a_cheek_beyond_the_persons_edge_shows_skin(picture: np.ndarray, model: MorphableModel) -> None:
    """Landmarks of a cheek seen edge-on reach into the background, here green: that must not come to view."""
    outline = project(source_shape(fitted(drawn_face(model), model), model), drawn_face(model).pose)
    outline = outline[MEDIAPIPE.oval, :2]
    center = outline.mean(axis=0)
    inner = center + 0.94 * (outline - center)
    rim = soft_polygon(outline.astype(np.float32), HEIGHT, WIDTH, 0.0) > 0.5
    rim &= soft_polygon(inner.astype(np.float32), HEIGHT, WIDTH, 0.0) < 0.5
    rim[:, : int(center[0])] = False
    edge_on, matte = picture.copy(), head_matte(model)
    edge_on[rim], matte[rim] = (0, 255, 0), 0.0

    def green(renderer: PortraitLayers) -> int:
        drawn = renderer.render(moved(model, -20)).astype(int)
        return int((drawn[..., 1] - np.maximum(drawn[..., 0], drawn[..., 2]) > 100).sum())

    assert green(renderer_of(edge_on, model, matte)) < 0.2 * green(renderer_of(edge_on, model, None))


def test_a_strand_before_a_plain_wall_goes_with_the_head(model: MorphableModel) -> None:
    """The matte does not show it; it leaves nothing where it was."""
    matte = head_matte(model)
    picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    picture[matte > 0.5] = (60, 50, 40)
    strand = np.zeros((HEIGHT, WIDTH), np.uint8)
    rows, columns = np.nonzero(matte > 0.5)
    top = int(rows.min())
    x = int(columns[rows == top].mean())
    for canvas, value in ((picture, (60, 50, 40)), (strand, 1)):
        cv2.line(canvas, (x, top + 4), (x, top - 20), value, 1)
    was = (strand > 0) & (matte < 0.1)
    renderer = renderer_of(picture, model, matte)
    shifted = renderer.render(moved(model, 0, (12, 0))).astype(int)
    was_there, is_there = was[renderer.region.slices], np.roll(was, 12, axis=1)[renderer.region.slices]
    assert was_there.sum() > 10
    assert shifted[was_there].min() > 150  # no ghost
    near = cv2.dilate(is_there.astype(np.uint8), np.ones((3, 5), np.uint8)) > 0
    darkest = np.where(near, shifted.max(axis=-1), 255).min(axis=1)[near.any(axis=1)]
    assert np.median(darkest) < 120


def test_somebody_close_behind_is_not_the_person(model: MorphableModel) -> None:
    """A network half takes them for the person: what is doubtful and further away than hair's edge is behind."""
    points = project(source_shape(fitted(drawn_face(model), model), model), drawn_face(model).pose)
    size = np.ptp(points[MEDIAPIPE.oval, 1])
    matte = head_matte(model)
    row = int(points[MEDIAPIPE.oval, 1].mean())
    edge = int(np.flatnonzero(matte[row] > 0.5).max())
    blob = slice(edge + 1, edge + round(0.4 * size))
    matte[row - 20 : row + 20, blob] = np.maximum(matte[row - 20 : row + 20, blob], 0.5)
    person = trusted(matte, points).visible
    assert (person[row, edge + round(0.15 * size) : blob.stop] == 0.0).all()
    assert person[row, edge + 2] > 0.4  # an edge of hair is as soft as it was


def cut_close(model: MorphableModel) -> tuple[np.ndarray, np.ndarray, FaceCoefficients]:
    """A portrait cut off 30 px beside the face's left, all of it the person's, and where its head is."""
    source = drawn_face(model)
    oval = project(source_shape(fitted(source, model), model), source.pose)[MEDIAPIPE.oval, :2]
    cut = int(oval[:, 0].min()) - 30
    pose = HeadPose(
        source.pose.rotation, source.pose.scale, source.pose.translation_px - np.array([cut, 0.0])
    )
    picture = np.ascontiguousarray(draw_portrait(model)[:, cut:])
    matte = np.ones(picture.shape[:2], np.float32)
    return picture, matte, FaceCoefficients(source.identity, source.expression, pose)


def moved_right(face: FaceCoefficients, shift_px: float) -> FaceCoefficients:
    pose = face.pose
    shifted = HeadPose(pose.rotation, pose.scale, pose.translation_px + np.array([shift_px, 0.0]))
    return FaceCoefficients(face.identity, face.expression, shifted)


def test_hair_goes_on_beside_the_picture_as_its_pixels_do(model: MorphableModel) -> None:
    """Curls that the picture's edge cuts through are mirrored there with the gaps between them, not drawn out."""
    picture, matte, face = cut_close(model)
    picture[:, :18] = (10, 200, 10)
    for row in range(0, HEIGHT, 12):  # gaps at the edge, none further in
        picture[row : row + 6, :6], matte[row : row + 6, :6] = 240, 0.0
    renderer = PortraitLayers(picture, fitted(face, model), matte, model, GeometricConfig())
    drawn = renderer.render(moved_right(face, 16.0))
    middle = drawn[100:180, :3].astype(int)  # beyond the mirrored gaps, where the person is whole again
    assert (middle[..., 1] - middle[..., 0] > 60).mean() > 0.9  # less green: detail goes


def test_a_lock_that_does_not_reach_the_edge_is_not_mirrored(model: MorphableModel) -> None:
    """It would float beside the head."""
    picture, matte, face = cut_close(model)
    rows = slice(80, 200)
    picture[rows, :18], matte[rows, :18] = 240, 0.0
    picture[130:150, 6:12], matte[130:150, 6:12] = (10, 200, 10), 1.0
    renderer = PortraitLayers(picture, fitted(face, model), matte, model, GeometricConfig())
    drawn = renderer.render(moved_right(face, 20.0)).astype(int)
    green = (drawn[..., 1] - drawn[..., 0] > 100)[rows]
    assert green[:, 22:36].any()
    assert not green[:, :18].any()


def test_what_is_far_beyond_the_picture_has_no_detail(model: MorphableModel) -> None:
    """Stripes along the edge would be drawn out into a bar code; near it they go on."""
    picture, matte, face = cut_close(model)
    stripes = np.arange(HEIGHT) // 3 % 2 * 200
    picture[:, :25] = stripes[:, None, None]
    renderer = PortraitLayers(picture, fitted(face, model), matte, model, GeometricConfig())
    drawn = renderer.render(moved_right(face, 30.0))[100:180].astype(float)
    near, far = drawn[:, 27].std(), drawn[:, :4].std(axis=0).max()
    assert near > 60.0
    assert far < 0.4 * near


def test_gaps_that_a_side_cuts_through_stay_open_beyond_it(model: MorphableModel) -> None:
    """Behind a lock at the edge there is a wall, and beyond the edge there is none of it that moves with the head."""
    picture, matte, face = cut_close(model)
    picture[:] = (10, 200, 10)
    rows = slice(100, 160)
    picture[rows, 8:20], matte[rows, 8:20] = (200, 10, 10), 0.0  # narrow: at the edge the person's
    renderer = PortraitLayers(picture, fitted(face, model), matte, model, GeometricConfig())
    assert renderer._background is not None
    white = np.full_like(renderer._background.plate, 255)
    renderer._background = replace(renderer._background, plate=white)
    drawn = renderer.render(moved_right(face, 24.0))[110:150, :24].astype(int)
    red = (drawn[..., 0] > 120) & (drawn[..., 2] < 100)
    assert (drawn.min(axis=-1) > 200).any()
    assert not red.any()


def test_shoulders_that_reach_a_lower_corner_go_on_beyond_it(model: MorphableModel) -> None:
    picture, matte, face = cut_close(model)
    matte[:60, :20] = 0.0
    renderer = PortraitLayers(picture, fitted(face, model), matte, model, GeometricConfig())
    assert renderer._background is not None
    left = renderer._background.side_reach[0]
    assert (np.diff(left) >= 0).all()
    assert left[-1] > 30.0


def test_a_corner_of_the_picture_leaves_no_dent_in_a_head(model: MorphableModel) -> None:
    """A head that holds the corner, moved right and down: what was beyond the side and above is head too."""
    picture, matte, face = cut_close(model)
    oval = project(source_shape(fitted(face, model), model), face.pose)[MEDIAPIPE.oval, :2]
    top = int(oval[:, 1].min()) - 30
    picture, matte = np.ascontiguousarray(picture[top:]), np.ascontiguousarray(matte[top:])
    pose = face.pose
    lower = HeadPose(pose.rotation, pose.scale, pose.translation_px - np.array([0.0, top]))
    picture[:60], picture[:, :20] = (10, 200, 10), (10, 200, 10)
    raised = FaceCoefficients(face.identity, face.expression, lower)
    renderer = PortraitLayers(picture, fitted(raised, model), matte, model, GeometricConfig())
    assert renderer._background is not None
    renderer._background = replace(renderer._background, plate=np.full_like(picture, 255))
    moved = HeadPose(lower.rotation, lower.scale, lower.translation_px + np.array([14.0, 14.0]))
    drawn = renderer.render(FaceCoefficients(face.identity, face.expression, moved)).astype(int)
    assert (drawn[:40, :40, 0] < 100).all()


@pytest.mark.parametrize("right", [False, True])
def test_the_outline_of_a_head_that_a_side_cuts_off_falls_without_teeth(
    model: MorphableModel, right: bool
) -> None:
    """An outline that slants to the edge would be a saw if it were mirrored there."""
    picture, matte, face = cut_close(model)
    oval = project(source_shape(fitted(face, model), model), face.pose)[MEDIAPIPE.oval, :2]
    if right:
        cut = int(oval[:, 0].max()) + 30
        picture, matte = np.ascontiguousarray(picture[:, :cut]), np.ascontiguousarray(matte[:, :cut])
    picture[:] = (10, 200, 10)
    beside = np.arange(matte.shape[1])
    if right:
        beside = beside[::-1]
    top = (oval[:, 1].min() + np.maximum(40 - beside, 0)).astype(int)  # it falls toward the edge
    for x, y in enumerate(top):
        picture[:y, x], matte[:y, x] = 240, 0.0
    renderer = PortraitLayers(picture, fitted(face, model), matte, model, GeometricConfig())
    shift = 24
    drawn = renderer.render(moved_right(face, -shift if right else shift)).astype(int)
    hair = drawn[..., 1] - drawn[..., 0] > 100
    hair = hair[:, ::-1] if right else hair
    first = np.argmax(hair[:, : shift + 30], axis=0)
    assert (np.diff(first) <= 1).all(), "it rises from the picture's edge to the head"
    assert first[0] > first[shift] > first[shift + 25]


def test_a_network_that_doubts_the_whole_person_is_believed_all_the_same(model: MorphableModel) -> None:
    """Certainty is judged relative to the face's matte: hair with the same low matte belongs to the person."""
    points = project(source_shape(fitted(drawn_face(model), model), model), drawn_face(model).pose)
    person = trusted((0.75 * head_matte(model)).astype(np.float32), points).visible
    assert person[head_matte(model) > 0.99].min() > 0.9
