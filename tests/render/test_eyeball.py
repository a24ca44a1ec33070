"""Eyes look where the iris goes and shut where the lids meet."""

import cv2
import numpy as np
import pytest

from faceanime.geometry.flow import sample
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.landmark_schema import EyeLandmarks
from faceanime.morphable.model import MorphableModel
from faceanime.render.config import GeometricConfig, WarpConfig
from faceanime.render.eyes.eyeball import EyeLayer
from faceanime.render.geometric import PortraitLayers
from faceanime.render.head.sheet import WarpSheet
from faceanime.render.masks import soft_polygon
from faceanime.structures.coefficients import FaceCoefficients, HeadPose
from faceanime.structures.raster import WarpField
from heads import axes_of, fitted
from heads_drawn import WHITE, draw_portrait, drawn_face, eye_outline

EYES = (0, 1)
DARK = 100


class Stage:
    """The drawn portrait, `size` times as large, its sheet and its eyes; its lids shade the eyes by `shade`."""

    def __init__(
        self, model: MorphableModel, crop: slice = slice(None), size: int = 1, shade: float = 0.0
    ) -> None:
        face = drawn_face(model)
        pose = face.pose.resized(float(size), (-float(crop.start or 0), 0.0))
        self.model, self.source = model, FaceCoefficients(face.identity, face.expression, pose)
        self.picture = np.ascontiguousarray(draw_portrait(model)[:, crop])
        if size != 1:
            self.picture = cv2.resize(self.picture, None, fx=size, fy=size, interpolation=cv2.INTER_CUBIC)
        face = fitted(self.source, model)
        height, width = self.picture.shape[:2]
        self.sheet = WarpSheet(face, model, width, height, None, WarpConfig())
        for eye in model.schema.eyes:
            self._shade(eye, shade)
        self.layer = EyeLayer(self.picture, face, model, self.sheet.source_landmarks)

    def _shade(self, eye: EyeLandmarks, depth: float) -> None:
        """Darken an eye under its upper lid, less and less downward."""
        points = self.sheet.source_landmarks
        y, x = np.mgrid[: self.picture.shape[0], : self.picture.shape[1]] + 0.5
        order = np.argsort(points[eye.upper, 0])
        under_lid = y - np.interp(x, points[eye.upper, 0][order], points[eye.upper, 1][order])
        opening = soft_polygon(points[eye.opening].astype(np.float32), *self.picture.shape[:2], 0.0)
        dark = depth * opening * np.exp(-np.maximum(under_lid, 0.0) / (0.05 * eye.width(points)))
        self.picture[:] = np.rint(self.picture * (1.0 - dark[..., None]))

    def target(self, pose: HeadPose | None = None, **axes: float) -> FaceCoefficients:
        return FaceCoefficients(self.source.identity, axes_of(self.model, **axes), pose or self.source.pose)

    def warped(self, target: FaceCoefficients) -> tuple[np.ndarray, WarpField]:
        field = self.sheet.field(target)
        region = np.ascontiguousarray(self.picture[field.box.slices])
        return sample(region, field.flow, "cubic"), field

    def painted(self, target: FaceCoefficients) -> tuple[np.ndarray, WarpField]:
        canvas, field = self.warped(target)
        self.layer.paint(canvas, field, target)
        return canvas, field


@pytest.fixture(scope="module")
def stage(model: MorphableModel) -> Stage:
    return Stage(model)


def box_of(field: WarpField, eye: int, margin: int) -> tuple[slice, slice]:
    outline = eye_outline(field.landmarks, eye) - [field.box.left, field.box.top]
    low, high = (
        np.floor(outline.min(axis=0)).astype(int) - margin,
        np.ceil(outline.max(axis=0)).astype(int) + margin,
    )
    return slice(low[1], high[1]), slice(low[0], high[0])


def darkness(canvas: np.ndarray, field: WarpField, eye: int) -> np.ndarray:
    """Darkness of each pixel around an eye as a fraction of the iris's; zero elsewhere."""
    dark = np.zeros(canvas.shape[:2])
    box = box_of(field, eye, 2)
    dark[box] = np.clip((DARK - canvas[box].mean(axis=-1)) / DARK, 0, 1)
    return dark


def dark_centroid(canvas: np.ndarray, field: WarpField, eye: int) -> np.ndarray:
    dark = darkness(canvas, field, eye)
    y, x = np.mgrid[: dark.shape[0], : dark.shape[1]] + 0.5
    return np.array([(dark * x).sum(), (dark * y).sum()]) / dark.sum()


def test_at_rest_nothing_is_painted(stage: Stage) -> None:
    canvas, field = stage.painted(stage.source)
    np.testing.assert_array_equal(canvas, stage.picture[field.box.slices])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("strength", [-0.7, 0.4, 0.7])
def test_the_iris_goes_where_the_gaze_goes(stage: Stage, eye: int, strength: float) -> None:
    canvas, field = stage.painted(stage.target(gaze_left=strength))
    rest, rest_field = stage.painted(stage.source)
    seen = dark_centroid(canvas, field, eye) - dark_centroid(rest, rest_field, eye)
    iris = (468, 473)[eye]
    asked = field.landmarks[iris, :2] - rest_field.landmarks[iris, :2]
    assert abs(asked[0]) > 2.0
    assert seen[0] == pytest.approx(asked[0], rel=0.15)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(("scale", "turn_deg"), [(1.5, 0.0), (0.7, 0.0), (1.0, 20.0)])
def test_so_it_does_in_a_head_that_is_nearer_or_turned(
    stage: Stage, eye: int, scale: float, turn_deg: float
) -> None:
    """Plates are looked up in the portrait: the gaze is measured in the target and must be brought back to it."""
    rest = stage.source.pose
    turn = rotation_from_angles(np.radians(turn_deg), 0.0, 0.0)
    pose = HeadPose(turn @ rest.rotation, np.asarray(rest.scale * scale), rest.translation_px)
    canvas, field = stage.painted(stage.target(pose, gaze_left=0.7))
    iris = field.landmarks[stage.model.schema.eyes[eye].iris[0], :2] - [field.box.left, field.box.top]
    assert dark_centroid(canvas, field, eye)[0] == pytest.approx(iris[0], abs=1.0 * scale)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("strength", [-1.3, 1.3])
def test_the_white_comes_to_light_where_the_iris_was(stage: Stage, eye: int, strength: float) -> None:
    """Nothing of the portrait's iris may stay behind when it looks away."""
    canvas, field = stage.painted(stage.target(gaze_left=strength))
    group, corner = stage.model.schema.eyes[eye], np.array([field.box.left, field.box.top])
    was, now = (
        points[group.iris[0], :2] - corner for points in (stage.sheet.source_landmarks, field.landmarks)
    )
    radius = group.iris_radius(field.landmarks[:, :2])
    y, x = np.mgrid[: canvas.shape[0], : canvas.shape[1]] + 0.5
    opening = soft_polygon(
        (field.landmarks[group.opening, :2] - corner).astype(np.float32), *canvas.shape[:2], 0.0
    )
    uncovered = cv2.erode(opening, np.ones((3, 3), np.uint8)) > 0.99
    uncovered &= np.hypot(x - was[0], y - was[1]) < 0.9 * radius
    uncovered &= np.hypot(x - now[0], y - now[1]) > 1.4 * radius
    assert uncovered.sum() >= 5
    assert canvas[uncovered].mean(axis=-1).min() > 0.9 * np.mean(WHITE)


def test_the_lids_shade_goes_on_where_they_open_further(model: MorphableModel) -> None:
    """Bright at once, a line would run where the lid was."""
    stage = Stage(model, size=3, shade=0.85)
    canvas, field = stage.painted(stage.target(wide_left=1.0, wide_right=1.0))
    corner, points = np.array([field.box.left, field.box.top]), stage.sheet.source_landmarks
    for eye in model.schema.eyes:
        iris, outer = points[eye.iris[0]], points[eye.outer_corner]
        column = int((iris + 0.65 * (outer - iris))[0] - corner[0])

        def edge_px(places: np.ndarray, x: float, lid: np.ndarray = eye.upper) -> float:
            order = np.argsort(places[lid, 0])
            return float(np.interp(x, places[lid, 0][order], places[lid, 1][order]) - corner[1])

        was, now = (edge_px(each, column + corner[0] + 0.5) for each in (points, field.landmarks[:, :2]))
        assert was - now > 5.0
        level = canvas[:, column].mean(axis=-1)
        darkest, brightest = level[round(was) - 2 : round(was) + 2].min(), level[round(was) + 10 :][:8].max()
        assert darkest < 0.5 * brightest, "that is the lid's shade"
        above = level[round(was) - 3 : round(was) - 1].mean()
        assert above - darkest < 0.25 * (brightest - darkest), "it goes on"
        assert level[round(now) + 3] > above, "and fades"


@pytest.mark.parametrize("eye", EYES)
def test_closing_lids_cover_the_iris(stage: Stage, eye: int) -> None:
    area = []
    for strength in (0.0, 0.3, 0.6, 0.8, 1.0):
        canvas, field = stage.painted(stage.target(blink_left=strength, blink_right=strength))
        area.append(darkness(canvas, field, eye).sum())
    assert (np.diff(area) < 0).all()
    assert area[1] > 0.4 * area[0]
    assert area[-1] < 0.15 * area[0]


@pytest.mark.parametrize("eye", EYES)
def test_the_iris_stays_round_while_the_lids_close(stage: Stage, eye: int) -> None:
    """A mesh alone would squash it: its width stays while its height is covered."""
    rest, rest_field = stage.painted(stage.source)
    half, half_field = stage.painted(stage.target(blink_left=0.4, blink_right=0.4))
    wide, narrow = (
        darkness(canvas, field, eye).max(axis=0).sum()
        for canvas, field in ((rest, rest_field), (half, half_field))
    )
    assert narrow == pytest.approx(wide, rel=0.2)


def test_nothing_is_painted_outside_the_openings(stage: Stage, model: MorphableModel) -> None:
    target = stage.target(gaze_left=0.8, gaze_up=0.5, wide_left=1.0, blink_right=0.5)
    before, field = stage.warped(target)
    after, _ = stage.painted(target)
    changed = (before != after).any(axis=-1)
    assert changed.any()
    for eye in EYES:
        changed[box_of(field, eye, 2)] = False
    assert not changed.any()


def test_eyes_beyond_the_region_are_left_out(stage: Stage) -> None:
    pose = HeadPose(stage.source.pose.rotation, stage.source.pose.scale, np.array([2000.0, -900.0]))
    target = stage.target(pose, gaze_left=1.0)
    before, _ = stage.warped(target)
    after, _ = stage.painted(target)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("where", ["through the iris", "through the corner", "beyond the eye"])
@pytest.mark.parametrize("lost", EYES)
def test_an_eye_cut_by_the_pictures_edge_is_left_out_and_the_other_moves(
    stage: Stage, model: MorphableModel, lost: int, where: str
) -> None:
    """The picture's left edge cuts the right eye, its right edge the left eye."""
    x = np.sort(eye_outline(stage.sheet.source_landmarks, lost)[:, 0])
    inner, outer = (x[-1], x[0]) if lost == 0 else (x[0], x[-1])
    share = {"through the iris": 0.5, "through the corner": 0.9, "beyond the eye": -0.1}[where]
    edge = round(float(inner + share * (outer - inner)))
    cut = Stage(model, slice(edge, None) if lost == 0 else slice(edge))
    target = cut.target(gaze_left=0.7, blink_left=0.4, blink_right=0.4)
    before, field = cut.warped(target)
    after, _ = cut.painted(target)
    changed = (before != after).any(axis=-1)
    kept = 1 - lost
    assert changed[box_of(field, kept, 2)].any()
    changed[box_of(field, kept, 2)] = False
    assert not changed.any()
    whole, whole_field = stage.painted(stage.target(gaze_left=0.7, blink_left=0.4, blink_right=0.4))
    np.testing.assert_allclose(
        after[box_of(field, kept, 0)].astype(int),
        whole[box_of(whole_field, kept, 0)].astype(int),
        atol=8,
    )
    renderer = PortraitLayers(cut.picture, fitted(cut.source, model), None, model, GeometricConfig())
    assert renderer.render(target).any()
