"""The inside of the mouth: what must hold for any source and any target."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage

from faceanime.face.config import FitConfig
from faceanime.face.detect import MediapipeDetector
from faceanime.face.fit import fit_face
from faceanime.geometry.flow import identity_flow, sample
from faceanime.geometry.rotation import rotation_from_angles
from faceanime.morphable.axes import measure_landmarks
from faceanime.morphable.mediapipe_schema import MEDIAPIPE
from faceanime.morphable.model import Region, load_model
from faceanime.render.config import WarpConfig
from faceanime.render.head.sheet import WarpSheet
from faceanime.render.mouth import teeth
from faceanime.render.mouth.layer import MouthLayer
from faceanime.render.mouth.source_inside import SourceInside
from faceanime.structures.coefficients import FaceCoefficients, FittedFace, HeadPose

MODEL = load_model()
SCALE_PX, SIDE_PX = 110.0, 400
SKIN = np.array([205, 160, 140])
TEETH = np.array([228, 218, 200])
NEUTRAL = np.zeros(MODEL.expression_count)
REST_GAP = float(
    measure_landmarks("lips_apart", MODEL.vertices(np.zeros(MODEL.identity_count), NEUTRAL), MODEL.schema)
)
CLOSED = -REST_GAP / 0.08 * MODEL.axis("lips_part")
GREY = 77


def axis(name, strength):
    return strength * MODEL.axis(name)


def face(expression, yaw=0.0, pitch=0.0):
    pose = HeadPose(
        rotation_from_angles(yaw, pitch, 0.0), np.array(SCALE_PX), np.array([SIDE_PX / 2, 0.35 * SIDE_PX])
    )
    return FaceCoefficients(np.zeros(MODEL.identity_count), expression, pose)


class Portrait:
    """A flat face whose inside of the mouth has one color, and its layer."""

    def __init__(self, expression, skin=SKIN, inside=TEETH):
        fitted = FittedFace(face(expression), np.zeros_like(MODEL.mean, dtype=np.float64))
        self.face = fitted.coefficients
        self.sheet = WarpSheet(fitted, MODEL, SIDE_PX, SIDE_PX, None, WarpConfig())
        points = self.sheet.source_landmarks
        self.picture = np.tile(skin.astype(np.uint8), (SIDE_PX, SIDE_PX, 1))
        outline = points[MEDIAPIPE.mouth_opening]
        cv2.fillPoly(self.picture, [np.round(outline - 0.5).astype(np.int32)], inside.tolist())
        self.layer = MouthLayer(self.picture, fitted, MODEL, points)

    def paint(self, target, value=GREY):
        """A grey canvas with the target's mouth, and the pixels that the mesh says are inside it."""
        field = self.sheet.field(target)
        canvas = np.full((*field.region.shape, 3), value, np.uint8)
        self.layer.paint(canvas, field, target)
        return canvas, field.region == Region.MOUTH

    def render(self, target):
        field = self.sheet.field(target)
        canvas = sample(np.ascontiguousarray(self.picture[field.box.slices]), field.flow)
        self.layer.paint(canvas, field, target)
        return canvas


@pytest.fixture(scope="module")
def closed():
    return Portrait(CLOSED)


@pytest.fixture(scope="module")
def smiling():
    return Portrait(axis("lips_part", 1.2))


@pytest.fixture(scope="module")
def astronaut():
    picture = skimage.data.astronaut()
    landmarks = MediapipeDetector().detect(picture)[0]
    fitted = fit_face(landmarks.points_image.astype(np.float64), MODEL, FitConfig())
    sheet = WarpSheet(fitted, MODEL, *picture.shape[1::-1], None, WarpConfig())
    return picture, fitted.coefficients, sheet, MouthLayer(picture, fitted, MODEL, sheet.source_landmarks)


@pytest.mark.parametrize("expression", [CLOSED, NEUTRAL, axis("lips_part", 1.2), axis("jaw_open", 0.9)])
def test_the_source_itself_is_left_alone(expression):
    portrait = Portrait(expression)
    canvas, _ = portrait.paint(portrait.face)
    assert (canvas == GREY).all()


def test_head_turns_alone_leave_the_source_to_the_warp(smiling):
    canvas, _ = smiling.paint(face(axis("lips_part", 1.2), yaw=0.3, pitch=0.1))
    assert (canvas == GREY).all()


@pytest.mark.parametrize("yaw", [-0.35, 0.0, 0.35])
@pytest.mark.parametrize("name", ["jaw_open", "smile", "pucker", "lips_part"])
def test_nothing_is_painted_outside_the_opening(smiling, closed, name, yaw):
    for portrait in (smiling, closed):
        canvas, inside = portrait.paint(face(axis(name, 1.0), yaw=yaw))
        near = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert (canvas[~near] == GREY).all()


def test_an_opened_mouth_is_filled(closed):
    canvas, inside = closed.paint(face(axis("jaw_open", 1.0)), value=255)
    assert (canvas[cv2.erode(inside.astype(np.uint8), np.ones((5, 5))) > 0].min(axis=-1) < 250).all()


def test_closed_lips_show_nothing(smiling):
    canvas, _ = smiling.paint(face(CLOSED))
    assert (canvas == GREY).all()


@pytest.mark.parametrize("source", [CLOSED, axis("lips_part", 1.2), axis("jaw_open", 0.6)])
def test_small_motions_change_little(source):
    portrait = Portrait(source)
    frames = [
        portrait.render(face(CLOSED + share * (axis("jaw_open", 1.0) - CLOSED))).astype(float)
        for share in np.linspace(0.0, 1.0, 41)
    ]
    steps = np.array([np.abs(b - a).sum() for a, b in zip(frames, frames[1:], strict=False)])
    assert steps.max() < 4 * steps.mean()


def edge_px(portrait, strength):
    """Where the upper incisors end: the steepest fall of brightness under the upper lip, subpixel, px."""
    target = face(axis("jaw_open", strength))
    canvas, inside = portrait.paint(target)
    column = SIDE_PX // 2 - portrait.sheet.region.left + 4
    rows = np.flatnonzero(inside[:, column])
    light = canvas[rows[0] + 2 : rows[0] + 24, column].mean(axis=-1)
    level = (light[:12].max() + light.min()) / 2
    peak = int(light[:12].argmax())
    below = peak + int(np.flatnonzero(light[peak:] < level)[0])
    above, under = light[below - 1], light[below]
    return rows[0] + 2 + below - 1 + (above - level) / (above - under)


def test_upper_teeth_stay_with_the_skull(closed, smiling):
    for portrait in (closed, smiling):
        places = [edge_px(portrait, strength) for strength in (0.7, 0.85, 1.0)]
        assert np.ptp(places) < 0.6


def paint_with(portrait, target, *, plates=None, colors=None):
    """As `Portrait.paint`, with some of the layer's plates or colors replaced."""
    layer = portrait.layer
    kept = layer._plates, layer._colors
    layer._plates = kept[0]._replace(**plates or {})
    layer._colors = kept[1]._replace(**colors or {})
    try:
        return portrait.paint(target)[0].astype(float)
    finally:
        layer._plates, layer._colors = kept


def in_the_middle(portrait, shares):
    """The column of a canvas through the middle of the mouth."""
    return shares[:, SIDE_PX // 2 - portrait.sheet.region.left + 4]


def falls_px(portrait, target, group):
    """How far a group of landmarks has come down in the picture since the portrait, px."""
    field, rest = (portrait.sheet.field(each) for each in (target, portrait.face))
    return (field.landmarks[group, 1] - rest.landmarks[group, 1]).mean()


def lower_row_px(portrait, target):
    """Where the lower row of teeth begins under the upper one or the dark: the first row of pixels that shows it."""
    plates = portrait.layer._plates
    without = paint_with(portrait, target, plates={"lower_drawn": 0.0 * plates.lower_drawn})
    shown = np.abs(paint_with(portrait, target) - without).max(axis=-1)
    return int(np.flatnonzero(in_the_middle(portrait, shown) > 8.0)[0])


@pytest.mark.parametrize("yaw", [0.0, 0.2])
def test_lower_teeth_go_with_the_jaw(closed, yaw):
    """They stand in it: as far as chin and lower lip come down, so do they."""
    near, far = (face(axis("jaw_open", strength), yaw=yaw) for strength in (0.8, 1.4))
    jaw_px = falls_px(closed, far, MEDIAPIPE.chin) - falls_px(closed, near, MEDIAPIPE.chin)
    assert jaw_px > 10.0
    assert lower_row_px(closed, far) - lower_row_px(closed, near) == pytest.approx(jaw_px, abs=2.0)


def tongue_share(portrait, target, **plates):
    """The share of the tongue in each pixel's color."""
    black, white = (
        paint_with(portrait, target, plates=plates, colors={"tongue": np.full(3, level)})
        for level in (0.0, 100.0)
    )
    return (white - black).mean(axis=-1) / 100.0


def without_teeth(portrait):
    plates = portrait.layer._plates
    return {"upper_drawn": 0.0 * plates.upper_drawn, "lower_drawn": 0.0 * plates.lower_drawn}


def test_a_tongue_lies_on_the_floor_of_an_open_mouth(closed):
    """Over it, toward the back, the dark stays open."""
    target = face(axis("jaw_open", 1.2))
    bare = in_the_middle(closed, tongue_share(closed, target, **without_teeth(closed)))
    _, inside = closed.paint(target)
    rows = np.flatnonzero(in_the_middle(closed, inside))
    top, bottom = bare[rows[: len(rows) // 4]], bare[rows[-len(rows) // 3 : -2]]
    assert bottom.min() > 0.6
    assert top.max() < 0.1


@pytest.mark.parametrize("row", ["upper_drawn", "lower_drawn", "upper_source", "lower_source"])
def test_a_tongue_lies_behind_every_row_of_teeth(closed, row):
    plate = np.zeros_like(closed.layer._plates.lower_drawn)
    plate[..., 3] = 1.0  # a row without a gap
    share = tongue_share(closed, face(axis("jaw_open", 1.2)), **{**without_teeth(closed), row: plate})
    assert np.abs(share).max() < 0.02


def test_a_tongue_sinks_with_the_jaw_but_not_as_far(closed):
    """Its root hangs on the skull's side of the jaw's hinge: in a mouth that opens wider, it fills less of it."""
    near, far = (face(axis("jaw_open", strength)) for strength in (1.0, 1.6))

    def upper_edge(target):
        share = in_the_middle(closed, tongue_share(closed, target, **without_teeth(closed)))
        return np.interp(
            0.3, np.maximum.accumulate(share[: share.argmax() + 1]), np.arange(share.argmax() + 1)
        )

    jaw_px = falls_px(closed, far, MEDIAPIPE.chin) - falls_px(closed, near, MEDIAPIPE.chin)
    assert 0.3 < (upper_edge(far) - upper_edge(near)) / jaw_px < 0.8


def test_teeth_of_ones_own_are_kept(smiling):
    canvas, _ = smiling.paint(face(axis("jaw_open", 0.8)))
    own = np.abs(canvas.astype(int) - TEETH).max(axis=-1) < 8
    assert own.sum() > 300


def test_where_own_teeth_are_seen_is_known(smiling, closed):
    """Bright pixels there are the source's teeth; the source with a closed mouth has none."""
    target = face(axis("jaw_open", 0.6), yaw=np.radians(8.0))
    canvas, inside = smiling.paint(target)
    region = smiling.sheet.field(target).box
    places = identity_flow(*inside.shape) + np.float32([region.left, region.top])
    own = smiling.layer.own_teeth.opacity(target, places)
    assert 0.0 <= own.min() < own.max() <= 1.0
    sure = inside & (own > 0.9)
    assert 0.1 < sure.sum() / inside.sum() < 0.8
    within = sure & (cv2.erode(inside.astype(np.uint8), np.ones((3, 3))) > 0)  # a lip's edge is in between
    assert (np.abs(canvas[within].astype(float) - TEETH).max(axis=-1) < 40).mean() > 0.98
    assert closed.layer.own_teeth.opacity(target, places).max() == 0.0


def test_drawn_teeth_follow_the_light():
    def teeth(skin):
        portrait = Portrait(CLOSED, skin=skin, inside=skin // 2)
        canvas, inside = portrait.paint(face(axis("jaw_open", 1.0)))
        return np.percentile(canvas[inside].mean(axis=-1), 98)

    levels = [teeth((SKIN * light).astype(int)) for light in (0.3, 0.6, 1.0)]
    assert levels[0] < levels[1] < levels[2] < 230


@pytest.mark.parametrize("expression", [CLOSED, axis("lips_part", 1.2)])
@pytest.mark.parametrize("inside", [60, 210])
def test_a_grey_source_gives_a_grey_mouth(expression, inside):
    portrait = Portrait(expression, skin=np.full(3, 165), inside=np.full(3, inside))
    for strength in (0.1, 0.5, 1.2):
        canvas, _ = portrait.paint(face(axis("jaw_open", strength)))
        assert np.ptp(canvas.astype(int), axis=-1).max() <= 2


def inside_of(*levels, height=0.16):
    """The inside of a mouth of a given height whose brightness follows the levels from the upper lip to the lower."""
    side = teeth.window(200.0)[..., 1]
    below = (height / 2 - side).astype(np.float32)
    above = (side + height / 2).astype(np.float32)
    light = np.array(levels)[np.clip((below / height * len(levels)).astype(int), 0, len(levels) - 1)]
    return SourceInside(np.repeat(light[..., None], 3, axis=2).astype(np.uint8), below, above, 200.0)


@pytest.mark.parametrize(
    ("levels", "low", "high"),
    [
        ((75, 111, 177, 208, 215, 200, 170, 125), 2.0, 2.0),  # a smile, with the lip's shadow over it
        ((79, 110, 138, 160, 160, 145, 100, 77), 2.0, 2.0),
        ((150, 190, 200, 180, 70, 150, 170, 160), 0.5, 0.65),  # two rows
        ((90, 190, 200, 180, 160, 120, 150, 160), 0.6, 0.75),
        ((150, 190, 60, 20, 15, 15, 15, 15), 2.0, 2.0),  # open, an upper row
        ((12, 8, 12, 15, 18, 29, 57, 98), 0.6, 0.9),  # open, a lower one
    ],
)
def test_the_rows_part_at_the_gap_between_them(levels, low, high):
    assert low <= inside_of(*levels).row_split() <= high


def test_the_dark_of_an_open_mouth_moves_with_neither_row():
    inside, gum = inside_of(12, 8, 12, 15, 18, 29, 57, 98), np.ones(3)
    assert inside.cavity_brightness() is not None
    for part in (inside.upper_row(inside.row_split(), gum), inside.lower_row(inside.row_split(), gum)):
        assert part[inside.picture.mean(axis=-1) < 20, 3].max() == 0.0


@pytest.mark.parametrize(("height", "crowns_go_on"), [(0.09, True), (0.16, False)])
def test_crowns_of_which_little_is_seen_go_on_under_the_lip(height, crowns_go_on):
    """As bright as they are where the lip does not shade them; higher up there are gums."""
    inside = inside_of(90, 200, 200, 200, 200, height=height)
    part = inside.upper_row(2.0, np.array([1.0, 0.5, 0.5]))
    red, green, _, _ = (part / np.maximum(part[..., 3:], 1e-6))[:, part.shape[1] // 2].T
    under = [np.argmin(np.abs(inside.below[:, 0] + beyond)) for beyond in (0.01, 0.15)]
    assert (red[under[0]] > 180) == crowns_go_on
    assert green[under[1]] < 0.55 * red[under[1]]


@pytest.mark.parametrize("skin", [(60, 40, 32), (200, 160, 140)])
def test_stretched_lips_let_in_more_light(skin):
    """A smile shows bright teeth with any skin; an equally high opening of a narrow mouth is darker and redder."""
    portrait = Portrait(CLOSED, skin=np.array(skin), inside=np.array(skin) // 2)

    def upper_teeth(expression):
        canvas, inside = portrait.paint(face(expression))
        shown = canvas[inside].astype(float)
        return shown[shown.mean(axis=-1) >= np.percentile(shown.mean(axis=-1), 80)].mean(axis=0)

    opened = axis("lips_part", 0.8)
    narrow, wide = upper_teeth(opened + axis("pucker", 0.3)), upper_teeth(opened + axis("smile", 0.6))
    assert wide.mean() > 1.08 * narrow.mean()
    assert narrow[1] / narrow[0] < wide[1] / wide[0]
    assert wide.mean() > 85


def test_a_slight_opening_is_darker_than_teeth(closed):
    slight, inside = closed.paint(face(axis("lips_part", 0.1)))
    wide, wide_inside = closed.paint(face(axis("jaw_open", 1.0)))
    assert slight[inside].mean() < np.percentile(wide[wide_inside].mean(axis=-1), 95)


def test_a_mouth_beyond_the_edge_of_the_picture_changes_no_pixel_outside_it(closed):
    away = face(axis("jaw_open", 1.0))
    for shift in ((250.0, 0.0), (0.0, 250.0), (-250.0, 60.0), (0.0, -500.0)):
        pose = HeadPose(away.pose.rotation, away.pose.scale, away.pose.translation_px + np.array(shift))
        moved = FaceCoefficients(away.identity, away.expression, pose)
        canvas, inside = closed.paint(moved)
        near = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert (canvas[~near] == GREY).all()
        assert inside.any() or (canvas == GREY).all()


def test_the_astronauts_teeth_stay_when_the_jaw_drops(astronaut):
    picture, source, sheet, layer = astronaut
    target = FaceCoefficients(source.identity, source.expression + axis("jaw_open", 0.8), source.pose)
    field = sheet.field(target)
    canvas = np.zeros((*field.region.shape, 3), np.uint8)
    layer.paint(canvas, field, target)
    middle = sheet.source_landmarks[[13, 14]].mean(axis=0).astype(int)
    box = np.s_[middle[1] - 1 : middle[1] + 2, middle[0] - 6 : middle[0] + 6]
    shown = canvas[sheet_box(sheet, box)].astype(float)
    assert np.abs(shown - picture[box]).mean() < 12


def sheet_box(sheet, box):
    left, top = sheet.region.left, sheet.region.top
    return tuple(slice(s.start - o, s.stop - o) for s, o in zip(box, (top, left), strict=True))
