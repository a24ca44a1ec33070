"""The sheet rests when the head rests, follows it where it goes and never tears."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from faceanime.geometry.camera import project
from faceanime.geometry.flow import flow_from_mesh, identity_flow
from faceanime.geometry.rotation import angle_between, rotation_from_angles
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import MorphableModel, Region
from faceanime.render.config import WarpConfig
from faceanime.render.eyes.lashes import LashBand
from faceanime.render.head.rings import rigid_rings
from faceanime.render.head.sheet import RING, WarpSheet, affine_between, face_region, hair_pose
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from faceanime.structures.raster import Box, WarpField
from heads import axes_of, face_of, fitted, landmarks_of, pose_of
from heads_drawn import HEIGHT, WIDTH, head_matte

AT = (200.0, 170.0)
SCALE = 60.0  # a head of 60 px leaves room between the region and the picture's edge
LASH_LINES = np.concatenate([eye.upper[1:-1] for eye in MEDIAPIPE.eyes])
TURNS = [(25, 0), (-25, 0), (0, 15), (0, -15), (20, 12), (-20, -12)]


@pytest.fixture(scope="module")
def source(model: MorphableModel) -> FaceCoefficients:
    identity = 0.5 * np.random.default_rng(3).normal(size=model.identity_count)
    return face_of(model, pose_of(3, -2, 2, scale=SCALE, at=AT), identity)


@pytest.fixture(scope="module")
def sheet(source: FaceCoefficients, model: MorphableModel) -> WarpSheet:
    return WarpSheet(fitted(source, model), model, WIDTH, HEIGHT, None, WarpConfig(reach=2.2))


def turned(
    source: FaceCoefficients,
    yaw: float = 0.0,
    pitch: float = 0.0,
    at: tuple[float, float] = AT,
    **axes: np.ndarray,
) -> FaceCoefficients:
    return FaceCoefficients(
        source.identity, axes.get("expression", source.expression), pose_of(3 + yaw, -2 + pitch, 2, SCALE, at)
    )


def moved_px(field: WarpField) -> np.ndarray:
    """Distance between each pixel and the place that it reads."""
    still = identity_flow(field.box.height, field.box.width)
    return np.asarray(np.linalg.norm(field.flow - still, axis=-1))


def inside(points: np.ndarray, region: Box) -> np.ndarray:
    return points[:, :2] - [region.left, region.top]


def test_at_rest_nothing_moves(sheet: WarpSheet, source: FaceCoefficients) -> None:
    assert moved_px(sheet.field(source)).max() <= 1e-3


def test_at_rest_nothing_moves_with_a_matte_and_a_residual(
    source: FaceCoefficients, model: MorphableModel
) -> None:
    face = fitted(source, model)
    face.residual[:] = np.random.default_rng(0).normal(0, 0.01, face.residual.shape)
    sheet = WarpSheet(face, model, WIDTH, HEIGHT, head_matte(model), WarpConfig())
    assert moved_px(sheet.field(source)).max() <= 1e-3


def test_the_landmarks_lie_where_they_are_projected(
    sheet: WarpSheet, source: FaceCoefficients, model: MorphableModel
) -> None:
    shape = model.vertices(source.identity, source.expression).astype(np.float64)
    expected = project(model.landmarks_of(shape), source.pose)
    np.testing.assert_allclose(sheet.source_landmarks, expected[:, :2], atol=1e-3)
    np.testing.assert_allclose(sheet.field(source).landmarks, expected, atol=1e-3)


@pytest.mark.parametrize("turn", TURNS)
def test_the_regions_border_is_still(
    sheet: WarpSheet, source: FaceCoefficients, turn: tuple[int, int]
) -> None:
    moved = moved_px(sheet.field(turned(source, *turn, at=(206.0, 166.0))))
    region = sheet.region
    assert 0 < region.left < region.right < WIDTH
    assert 0 < region.top < region.bottom < HEIGHT
    border = np.concatenate([moved[0], moved[-1], moved[:, 0], moved[:, -1]])
    assert border.max() < 0.25
    assert moved.max() > 5.0


@pytest.mark.parametrize("turn", TURNS)
def test_the_face_lands_where_it_is_projected(
    sheet: WarpSheet, source: FaceCoefficients, model: MorphableModel, turn: tuple[int, int]
) -> None:
    target = turned(source, *turn, expression=axes_of(model, jaw_open=0.3, smile=0.5))
    field = sheet.field(target)
    shape = model.vertices(target.identity, target.expression).astype(np.float64)
    there = inside(project(shape, target.pose), field.box).astype(np.float32)
    back = inside(sheet.source_points, field.box)
    seen = [9, 8, 168, 6, 197, 195, 5, 4, 50, 280, 205, 425, 199, 105, 334, 151]  # never hidden
    maps = there[seen][None] - np.float32(0.5)  # OpenCV counts centers at integers
    read = cv2.remap(field.flow, maps, None, cv2.INTER_LINEAR)[0]  # type: ignore[call-overload]
    np.testing.assert_allclose(read, back[seen], atol=0.75)


@pytest.mark.parametrize("matte", [False, True])
@pytest.mark.parametrize("turn", TURNS)
def test_there_are_no_holes(
    source: FaceCoefficients, model: MorphableModel, turn: tuple[int, int], matte: bool
) -> None:
    known = head_matte(model) if matte else None
    sheet = WarpSheet(fitted(source, model), model, WIDTH, HEIGHT, known, WarpConfig(reach=2.2))
    region = sheet.region

    def covered(target: FaceCoefficients) -> np.ndarray:
        points = sheet.target_points(target) - [region.left, region.top, 0]
        still = inside(sheet.source_points, region)
        return flow_from_mesh(still, points, sheet.triangles, region.height, region.width)[1] >= 0

    at_rest = covered(source)
    assert at_rest.mean() > 0.75
    assert not (at_rest & ~covered(turned(source, *turn))).any()


def test_holes_of_the_face_are_named(
    sheet: WarpSheet, source: FaceCoefficients, model: MorphableModel
) -> None:
    part = sheet.field(turned(source, expression=axes_of(model, jaw_open=0.8))).region
    assert {Region.SKIN, Region.RIGHT_EYE, Region.LEFT_EYE, Region.MOUTH, RING} == set(
        np.unique(part).tolist()
    )


def test_hair_moves_with_the_head_where_the_person_ends(
    source: FaceCoefficients, model: MorphableModel
) -> None:
    oval = landmarks_of(source, model)[MEDIAPIPE.oval, :2]
    center, size = oval.mean(axis=0), np.ptp(oval, axis=0)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    away = np.hypot((x - center[0]) / (0.5 * size[0]), (y - center[1]) / (0.5 * size[1]))
    matte = (away < 1.45).astype(np.float32)
    sheet = WarpSheet(fitted(source, model), model, WIDTH, HEIGHT, matte, WarpConfig())
    field = sheet.field(turned(source, at=(AT[0] + 6.0, AT[1] - 4.0)))
    flow = field.flow - identity_flow(field.box.height, field.box.width)
    ring = (away > 1.15) & (away < 1.3) & (y < center[1])
    np.testing.assert_allclose(flow[ring[field.box.slices]], np.tile([-6.0, 4.0], (ring.sum(), 1)), atol=0.05)


def shaken(source: FaceCoefficients, frames: int, noise_deg: float = 0.0) -> HeadPose:
    """A head that turns to and fro in two seconds, and trembles."""
    rng = np.random.default_rng(0)
    slow = 10.0 * np.sin(np.arange(frames) / 25.0 * np.pi)
    yaw, pitch, roll = np.radians([slow, 0.0 * slow, 0.0 * slow] + noise_deg * rng.normal(size=(3, frames)))
    return HeadPose(
        rotation_from_angles(yaw, pitch, roll) @ source.pose.rotation,
        np.full(frames, source.pose.scale),
        source.pose.translation_px + slow[:, None],
    )


@pytest.mark.parametrize("frames", [1, 2, 3, 9, 60])
@pytest.mark.parametrize("frame_rate", [25, 240])
def test_hair_rests_with_the_head_and_begins_and_ends_with_it(
    source: FaceCoefficients, frames: int, frame_rate: int
) -> None:
    still, moving = shaken(source, 1)[np.zeros(frames, int)], shaken(source, frames, noise_deg=0.5)
    np.testing.assert_allclose(hair_pose(still, Fraction(frame_rate)).rotation, still.rotation, atol=1e-9)
    slow = hair_pose(moving, Fraction(frame_rate))
    for end in (0, -1):
        np.testing.assert_allclose(slow.rotation[end], moving.rotation[end], atol=5e-4)
        np.testing.assert_allclose(slow.translation_px[end], moving.translation_px[end], atol=1e-9)


def test_hair_does_not_shear_at_a_cut(source: FaceCoefficients) -> None:
    before, after = shaken(source, 1), turned(source, 25.0, at=(AT[0] + 40.0, AT[1])).pose
    cut = HeadPose(
        np.concatenate([np.repeat(before.rotation, 10, axis=0), np.tile(after.rotation, (10, 1, 1))]),
        np.full(20, source.pose.scale),
        np.concatenate(
            [np.repeat(before.translation_px, 10, axis=0), np.tile(after.translation_px, (10, 1))]
        ),
    )
    slow = hair_pose(cut, Fraction(25))
    assert np.degrees(angle_between(slow.rotation, cut.rotation)).max() < 2.01
    assert np.linalg.norm(slow.translation_px - cut.translation_px, axis=1).max() < 0.031 * SCALE


def test_hair_trembles_less_than_the_head_and_goes_as_far(source: FaceCoefficients) -> None:
    moving, wanted = shaken(source, 100, noise_deg=0.5), shaken(source, 100)
    slow = hair_pose(moving, Fraction(25))

    def away(pose: HeadPose) -> float:
        return float(np.abs(pose.rotation - wanted.rotation)[5:-5].mean())

    assert away(slow) < 0.7 * away(moving)
    assert away(hair_pose(wanted, Fraction(25))) < 0.1 * away(moving)


def test_rigid_rings_lie_behind_the_eyes_and_around_the_oval(model: MorphableModel) -> None:
    rings, oval = rigid_rings(model, np.zeros(model.identity_count)), model.mean[MEDIAPIPE.oval]
    assert rings[..., 2].max() < model.mean[MEDIAPIPE.eye_corners, 2].min()
    center = (oval.max(axis=0) + oval.min(axis=0))[:2] / 2
    away = [np.linalg.norm(loop[:, :2] - center, axis=1) for loop in (oval, *rings)]
    assert (np.diff(away, axis=0) > 0).all()
    assert (np.diff([oval[:, 2], *rings[..., 2]], axis=0) < 0).all()


def test_rigid_rings_move_with_the_ovals_identity(model: MorphableModel, source: FaceCoefficients) -> None:
    nobody = np.zeros(model.identity_count)
    moved = rigid_rings(model, source.identity) - rigid_rings(model, nobody)
    neutral = np.zeros(model.expression_count)
    oval = (model.vertices(source.identity, neutral) - model.vertices(nobody, neutral))[MEDIAPIPE.oval]
    np.testing.assert_allclose(moved, np.broadcast_to(oval, moved.shape), atol=1e-6)


def test_no_expression_moves_what_is_not_face(
    sheet: WarpSheet, source: FaceCoefficients, model: MorphableModel
) -> None:
    lashes = len(sheet._lashes.source_points)
    wild = turned(source, expression=axes_of(model, jaw_open=1.0, blink_left=1.0, brow_raise=1.0))
    rings = slice(len(model.mean), -lashes)
    np.testing.assert_allclose(
        sheet.target_points(wild)[rings], sheet.target_points(source)[rings], atol=1e-9
    )


def test_only_what_is_not_face_follows_the_hair(
    sheet: WarpSheet, source: FaceCoefficients, model: MorphableModel
) -> None:
    other = turned(source, 3.0).pose
    as_face, as_hair = sheet.target_points(source), sheet.target_points(source, other)
    count = len(model.mean)
    np.testing.assert_array_equal(as_hair[:count], as_face[:count])
    assert np.abs(as_hair[count:] - as_face[count:]).max() > 1.0


def test_the_region_is_cut_at_the_pictures_edge(model: MorphableModel) -> None:
    near_corner = face_of(model, pose_of(scale=SCALE, at=(40, 330)))
    region = WarpSheet(fitted(near_corner, model), model, WIDTH, HEIGHT, None, WarpConfig()).region
    assert (region.left, region.bottom) == (0, HEIGHT)
    points = np.array([[10.0, 20.0, 0.0], [30.0, 60.0, 0.0]])
    assert face_region(points, 1000, 1000, 2.0) == Box(0, 0, 60, 80)


def test_affine_between_maps_a_plane_of_the_head(source: FaceCoefficients) -> None:
    target = pose_of(20, 10, -5, scale=70, at=(220, 160))
    anchor = np.array([0.2, -0.1, 0.3])
    plane = anchor + np.pad(np.random.default_rng(0).normal(size=(9, 2)), ((0, 0), (0, 1)))
    affine = affine_between(source.pose, target, anchor)
    here, there = (project(plane, pose)[:, :2] for pose in (source.pose, target))
    np.testing.assert_allclose(here @ affine[:, :2].T + affine[:, 2], there, atol=1e-9)


# --- lashes


@pytest.fixture(scope="module")
def band(source: FaceCoefficients, model: MorphableModel) -> tuple[LashBand, np.ndarray]:
    points = landmarks_of(source, model)
    width = np.mean(
        [np.linalg.norm(np.diff(points[eye.upper[[0, -1]], :2], axis=0)) for eye in MEDIAPIPE.eyes]
    )
    lashes = LashBand(
        points,
        model.triangles,
        model.region,
        lash_line=LASH_LINES.astype(np.int32),
        eye_width_px=float(width),
    )
    return lashes, points


def signed_areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangles[:, i], :2] for i in range(3))
    return np.asarray((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


def test_the_split_triangles_cover_what_the_whole_ones_did(
    band: tuple[LashBand, np.ndarray], model: MorphableModel
) -> None:
    lashes, points = band
    everything = np.concatenate([points, lashes.source_points])
    before = signed_areas(points, model.triangles)
    after = signed_areas(everything, lashes.triangles)
    assert after.sum() == pytest.approx(before.sum(), rel=1e-9)
    assert np.abs(after).sum() == pytest.approx(np.abs(before).sum(), rel=1e-9)
    for region in Region:
        own, split = before[model.region == region], after[lashes.triangle_region == region]
        assert split.sum() == pytest.approx(own.sum(), rel=1e-9)


def test_the_band_is_at_rest_when_the_head_is(band: tuple[LashBand, np.ndarray]) -> None:
    lashes, points = band
    np.testing.assert_allclose(lashes.target_points(points, np.eye(3)), lashes.source_points, atol=1e-9)


@pytest.mark.parametrize("strength", [0.3, 0.7, 1.0])
def test_the_band_keeps_its_thickness_when_the_lid_closes(
    band: tuple[LashBand, np.ndarray], source: FaceCoefficients, model: MorphableModel, strength: float
) -> None:
    lashes, points = band
    blink = axes_of(model, blink_left=strength, blink_right=strength)
    closed = landmarks_of(FaceCoefficients(source.identity, blink, source.pose), model)
    at_rest, now = (
        thickness(lashes, points, p, extra)
        for p, extra in ((points, lashes.source_points), (closed, lashes.target_points(closed, np.eye(3))))
    )
    assert (now <= at_rest * (1 + 1e-6)).all()
    assert np.isclose(now, at_rest, rtol=1e-6).mean() > 0.8  # less only toward the corners, where lids meet


def thickness(lashes: LashBand, at_rest: np.ndarray, points: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """Distance of each vertex of the band from the nearest point of the lash line at rest."""
    lash = points[LASH_LINES]
    nearest = np.linalg.norm(lashes.source_points[:, None] - at_rest[LASH_LINES], axis=-1).argmin(axis=1)
    return np.asarray(np.linalg.norm(extra - lash[nearest], axis=-1))


def test_hair_trembles_less_in_place_and_size_too(source: FaceCoefficients) -> None:
    """Where it lags, it lies between where the head is and where it was and will be, never on the other side."""
    wanted, noise = shaken(source, 100), np.random.default_rng(1).normal(size=(100, 3))
    trembling = HeadPose(
        wanted.rotation,
        wanted.scale * np.exp(0.003 * noise[:, 2]),
        wanted.translation_px + 0.3 * noise[:, :2],
    )
    slow = hair_pose(trembling, Fraction(25))

    def away(pose: HeadPose) -> tuple[float, float]:
        shift = np.abs(pose.translation_px - wanted.translation_px)[5:-5].mean()
        return float(shift), float(np.abs(np.log(pose.scale / wanted.scale))[5:-5].mean())

    for smoothed, raw in zip(away(slow), away(trembling), strict=True):
        assert smoothed < 0.7 * raw


@pytest.mark.parametrize("edge", ["top", "side"])
def test_a_head_that_the_pictures_edge_crops_moves_whole(model: MorphableModel, edge: str) -> None:
    """Up to the edge and beyond it: a sheet that is held there would stretch the hair between face and edge."""
    at = (200.0, 60.0) if edge == "top" else (50.0, 170.0)
    cropped = face_of(model, pose_of(scale=SCALE, at=at))
    everybody = np.ones((HEIGHT, WIDTH), np.float32)
    sheet = WarpSheet(fitted(cropped, model), model, WIDTH, HEIGHT, everybody, WarpConfig())
    pose = cropped.pose
    away = HeadPose(
        pose.rotation, pose.scale, pose.translation_px + ([0, 5.0] if edge == "top" else [5.0, 0])
    )
    field = sheet.field(FaceCoefficients(cropped.identity, cropped.expression, away))
    flow = field.flow - identity_flow(field.box.height, field.box.width)
    column, row = round(at[0]) - field.box.left, round(at[1]) - field.box.top
    at_edge = flow[8, column, 1] if edge == "top" else flow[row, 8, 0]
    assert at_edge == pytest.approx(-5.0, abs=0.3)
