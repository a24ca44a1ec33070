"""Windows move with the head, tell what the 3D face knows, and leave shut gates alone."""

import numpy as np
import pytest

from faceanime.core.errors import ConfigError
from faceanime.generator.conditions import (
    EYE,
    INSIDE,
    LIDS,
    LIPS,
    MAPS,
    SKIN,
    STRETCH,
    Conditions,
    WindowMaker,
    mirrored_maps,
)
from faceanime.generator.windows import WINDOWS, Window, WindowName, WindowSizes
from faceanime.morphable.model import MorphableModel
from faceanime.prior.sparse_texture import TextureConfig, model_points, sample_texture, sparse_skin
from faceanime.structures.coefficients import FaceCoefficients
from faceanime.structures.raster import Box
from heads import axes_of, face_of, fitted, pose_of

EYES: tuple[WindowName, WindowName] = ("right_eye", "left_eye")


@pytest.fixture(scope="module")
def maker(model: MorphableModel) -> WindowMaker:
    return WindowMaker(model, WindowSizes())


def points_of(face: FaceCoefficients, model: MorphableModel) -> np.ndarray:
    return model_points(face, np.zeros(model.mean.shape), model)


def conditions_of(
    name: WindowName,
    maker: WindowMaker,
    source: FaceCoefficients,
    target: FaceCoefficients,
    model: MorphableModel,
) -> Conditions:
    """The conditions of a window on the way from a source to a target."""
    ends = []
    for face in (source, target):
        points = points_of(face, model)
        ends.append((maker.windows(points, face.pose)[name], points))
    return maker.conditions(name, ends[0], ends[1])


def noise(seed: int, side: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_a_window_stands_on_its_part_of_the_face(maker: WindowMaker, model: MorphableModel) -> None:
    face = face_of(model, pose_of())
    windows = maker.windows(points_of(face, model), face.pose)
    for name, landmark in (("mouth", 13), ("right_eye", 468), ("left_eye", 473), ("face", 4)):
        window = windows[name]
        place = window.to_window_px(points_of(face, model))[landmark, :2] / window.size_px
        assert np.abs(place - 0.5).max() < 0.12, name


def test_it_moves_turns_and_grows_with_the_head(maker: WindowMaker, model: MorphableModel) -> None:
    expression = axes_of(model, jaw_open=0.5, blink_left=0.5)
    seen = []
    for pose in (pose_of(), pose_of(roll_deg=35, scale=210, at=(300, 90))):
        face = face_of(model, pose, expression=expression)
        points = points_of(face, model)
        seen.append(
            {name: window.to_window_px(points) for name, window in maker.windows(points, pose).items()}
        )
    for name in WINDOWS:
        np.testing.assert_allclose(seen[1][name][:, :2], seen[0][name][:, :2], atol=1e-3, err_msg=name)


def test_the_maps_say_what_each_pixel_is(maker: WindowMaker, model: MorphableModel) -> None:
    source = face_of(model, pose_of())
    target = face_of(model, pose_of(), expression=axes_of(model, jaw_open=1.0))
    mouth = conditions_of("mouth", maker, source, target, model).maps
    assert mouth.shape == (128, 128, len(MAPS))
    assert np.abs(mouth).max() <= 1.0 + 1e-6
    one_of = mouth[..., [LIPS, INSIDE, LIDS, EYE, SKIN]].sum(axis=-1)
    assert set(np.unique(one_of)) <= {0.0, 1.0}
    assert 300 < mouth[..., INSIDE].sum() < mouth[..., LIPS].sum() + 3000
    assert mouth[..., LIDS].sum() == mouth[..., EYE].sum() == 0
    assert mouth[64:90, 64, INSIDE].any()
    eye = conditions_of("right_eye", maker, source, target, model).maps
    assert eye[..., LIDS].sum() > 100
    assert eye[..., EYE].sum() > 50
    # x runs to the subject's left, the picture's right; y up
    face = conditions_of("face", maker, source, target, model).maps
    shown = face[..., MAPS.index("shown")] > 0
    assert (np.diff(face[60, shown[60], 0]) > -1e-3).all()
    assert face[20, 64, 1] > face[100, 64, 1]


def test_one_network_serves_both_eyes(maker: WindowMaker, model: MorphableModel) -> None:
    """A symmetric face has two equal eyes, and two mirrored halves."""
    source = face_of(model, pose_of())
    target = face_of(model, pose_of(), expression=axes_of(model, blink_left=0.7, blink_right=0.7))
    right, left = (conditions_of(name, maker, source, target, model) for name in EYES)
    assert np.abs(right.maps - left.maps).mean() < 0.02
    assert np.abs(right.gate - left.gate).mean() < 0.02
    face = conditions_of("face", maker, source, target, model).maps
    assert np.abs(mirrored_maps(face) - face).mean() < 0.02


def test_at_rest_every_gate_is_shut(maker: WindowMaker, model: MorphableModel) -> None:
    expression = axes_of(model, jaw_open=0.4, smile=0.5)
    source = face_of(model, pose_of(8, -3, 5), expression=expression)
    moved_away = face_of(model, pose_of(8, -3, 5, scale=170, at=(60, 200)), expression=expression)
    for target in (source, moved_away):
        for name in WINDOWS:
            assert not conditions_of(name, maker, source, target, model).is_open, name


def test_gates_open_where_geometry_fails(maker: WindowMaker, model: MorphableModel) -> None:
    source = face_of(model, pose_of())
    talking = face_of(model, pose_of(), expression=axes_of(model, jaw_open=0.8, blink_right=1.0))
    mouth, eye = (conditions_of(name, maker, source, talking, model) for name in ("mouth", "right_eye"))
    for conditions, channels in ((mouth, [INSIDE, LIPS]), (eye, [EYE, LIDS])):
        gate, side = conditions.gate, len(conditions.gate)
        assert gate[conditions.maps[..., channels].any(axis=-1)].mean() > 0.9
        assert 0.0 <= gate.min() < gate.max() <= 1.0
        assert gate[conditions.maps[..., SKIN] > 0].mean() < 0.25
        for edge in (gate[0], gate[-1], gate[:, 0], gate[:, -1]):
            assert not edge.any()
        assert side in (128, 64)
    assert not conditions_of("left_eye", maker, source, source, model).is_open
    turned = conditions_of("face", maker, face_of(model, pose_of(-25)), face_of(model, pose_of(25)), model)
    far = turned.gate[:, :64].sum(), turned.gate[:, 64:].sum()
    assert far[0] > 2 * far[1]  # the cheek that comes to view: his right, our left, looking to his left
    assert (turned.maps[..., STRETCH][turned.gate > 0.9] > 0.1).mean() > 0.9


def test_own_teeth_stay(maker: WindowMaker, model: MorphableModel) -> None:
    """The gate of the mouth is closed where they are visible; lips beside them may still be repaired."""
    source, target = (
        face_of(model, pose_of()),
        face_of(model, pose_of(), expression=axes_of(model, jaw_open=0.8)),
    )
    own = np.zeros((128, 128), np.float32)
    own[:, :64] = 1.0
    window, points = maker.windows(points_of(target, model), target.pose)["mouth"], points_of(target, model)
    before = maker.windows(points_of(source, model), source.pose)["mouth"], points_of(source, model)
    free, kept = (maker.conditions("mouth", before, (window, points), teeth) for teeth in (None, own))
    inside = (free.maps[..., INSIDE] > 0) & (own > 0)
    assert inside.sum() > 100
    assert (kept.gate[inside] == 0.0).all()
    np.testing.assert_array_equal(kept.gate[~inside], free.gate[~inside])


def test_places_are_where_a_window_looks(maker: WindowMaker, model: MorphableModel) -> None:
    face = face_of(model, pose_of(0, 0, 20))
    window = maker.windows(points_of(face, model), face.pose)["mouth"]
    flat = np.concatenate([window.pixel_positions, np.zeros((128, 128, 1))], axis=-1).reshape(-1, 3)
    back = window.to_window_px(flat)[:, :2].reshape(128, 128, 2)
    np.testing.assert_allclose(back, np.stack(np.meshgrid(*2 * [np.arange(128) + 0.5]), axis=-1), atol=1e-9)


def test_a_cut_and_a_paste_are_at_the_same_place(maker: WindowMaker, model: MorphableModel) -> None:
    """A cut after a paste returns the pasted change."""
    y, x = (np.mgrid[:64, :64] + 0.5) / 64
    change = (60 * np.sin(np.pi * x) ** 2 * np.sin(np.pi * y) ** 2 * (1 + 0.5 * x))[..., None] * [1, 0.5, -1]
    for scale in (40.0, 100.0, 400.0):
        face = face_of(model, pose_of(5, 0, 25, scale=scale, at=(256, 256)))
        windows = maker.windows(points_of(face, model), face.pose)
        for name in EYES:
            canvas = np.full((512, 512, 3), 100, np.uint8)
            windows[name].paste(canvas, change.astype(np.float32))
            seen = windows[name].cut(canvas).astype(float) - 100
            assert np.abs(seen - change).max() < 6.0, (name, scale)


def test_where_nothing_changes_every_bit_stays(maker: WindowMaker, model: MorphableModel) -> None:
    face = face_of(model, pose_of(5, 0, 12, scale=150, at=(200, 220)))
    window = maker.windows(points_of(face, model), face.pose)["mouth"]
    before = noise(0, 400)
    canvas = before.copy()
    window.paste(canvas, np.zeros((128, 128, 3), np.float32))
    np.testing.assert_array_equal(canvas, before)
    change = np.zeros((128, 128, 3), np.float32)
    change[40:80, 30:90] = 25.0
    window.paste(canvas, change)
    touched = np.argwhere((canvas != before).any(axis=-1))
    places = (
        window.window_from_picture[:, :2] @ (touched[:, ::-1] + 0.5).T + window.window_from_picture[:, 2:]
    )
    assert len(touched) > 1000
    assert 29 < places[0].min() < places[0].max() < 91
    assert 39 < places[1].min() < places[1].max() < 81


def test_fine_detail_stays_where_little_changes_and_goes_with_what_it_was_of() -> None:
    """Stripes that the window is too coarse to see, on a picture four times as fine."""
    window = Window(np.array([[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]]), 64)
    stripes = np.zeros((256, 256, 3), np.uint8) + np.where(np.arange(256) % 4 < 2, 80, 120)[None, :, None]
    before = stripes.astype(np.uint8)
    change = np.zeros((64, 64, 3), np.float32)
    change[8:24, 8:56], change[40:56, 8:56] = 1.0, 60.0
    canvas = before.copy()
    window.paste(canvas, change)
    little, much, none = (canvas[at : at + 32, 64:192].astype(float) for at in (48, 176, 112))
    assert little.std() > 0.85 * none.std() > 10.0
    assert much.std() < 0.1 * none.std()
    assert abs(little.mean() - 101.0) < 1.0
    assert abs(much.mean() - 160.0) < 1.0
    np.testing.assert_array_equal(canvas[112:144], before[112:144])


def test_light_keeps_fine_detail_and_leaves_the_rest() -> None:
    """Stripes that the window is too coarse to see, half of them twice as bright."""
    window = Window(np.array([[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]]), 64)
    stripes = np.zeros((256, 256, 3), np.uint8) + np.where(np.arange(256) % 4 < 2, 40, 60)[None, :, None]
    before = stripes.astype(np.uint8)
    gain = np.ones((64, 64), np.float32)
    gain[8:32] = 2.0
    canvas = before.copy()
    window.apply_gain(canvas, gain)
    np.testing.assert_array_equal(canvas[40:120], 2 * before[40:120])
    np.testing.assert_array_equal(canvas[136:], before[136:])


def test_light_changes_as_a_head_turns_and_not_at_rest(maker: WindowMaker, model: MorphableModel) -> None:
    source, before = face_of(model, pose_of()), None
    for yaw in np.arange(0.0, 25.0, 0.5):
        conditions = conditions_of("light", maker, source, face_of(model, pose_of(float(yaw))), model)
        if before is None:
            assert not conditions.is_open
        else:
            assert np.abs(conditions.gate - before).max() < 0.5, yaw
            assert np.abs(np.diff(conditions.gate, axis=0)).max() < 0.5  # no edge
        before = conditions.gate
    face = conditions.maps[..., SKIN] > 0
    assert (conditions.gate[face] > 0.7).mean() > 0.35
    assert conditions.gate[~conditions.maps[..., :3].any(axis=-1)].max() < 0.1  # nor a halo


def test_an_eye_that_turns_away_is_left_to_geometry(maker: WindowMaker, model: MorphableModel) -> None:
    """Little by little; the other one is not."""
    shut, source, before = axes_of(model, blink_left=1.0, blink_right=1.0), face_of(model, pose_of()), None
    opened: dict[WindowName, list[float]] = {name: [] for name in EYES}
    for yaw in np.arange(0.0, 60.0, 1.0):
        target = face_of(model, pose_of(float(yaw)), expression=shut)
        gates = {name: conditions_of(name, maker, source, target, model).gate for name in EYES}
        for name, gate in gates.items():
            opened[name].append(float(gate.max()))
            if before is not None:
                assert abs(gate.max() - before[name].max()) < 0.3, (name, yaw)
        before = gates
    far, near = sorted(EYES, key=lambda name: opened[name][45])
    assert opened[far][0] == opened[near][0] > 0.9
    assert opened[far][45] == 0.0 < opened[near][20]
    assert opened[far][15] > 0.9


def test_light_does_not_change_with_what_is_said(maker: WindowMaker, model: MorphableModel) -> None:
    source = face_of(model, pose_of())
    blink = {"blink_left": 1.0, "blink_right": 1.0}
    for axes in ({"jaw_open": 0.8}, {"smile": 1.0}, {"pucker": 1.0}, {"brow_raise": 1.0}, blink):
        target = face_of(model, pose_of(), expression=axes_of(model, **axes))
        assert not conditions_of("light", maker, source, target, model).is_open, axes


def test_light_leaves_lips_mouth_and_eyes_alone(maker: WindowMaker, model: MorphableModel) -> None:
    target = face_of(model, pose_of(15), expression=axes_of(model, jaw_open=0.8))
    conditions = conditions_of("light", maker, face_of(model, pose_of()), target, model)
    held = conditions.maps[..., [LIPS, INSIDE, EYE]].max(axis=-1) > 0
    assert held.sum() > 50
    assert not conditions.gate[held].any()
    assert (conditions.gate[conditions.maps[..., SKIN] > 0] > 0.7).mean() > 0.3


@pytest.mark.parametrize("name", WINDOWS)
def test_gates_are_shut_along_the_edge_of_their_window(
    maker: WindowMaker, model: MorphableModel, name: WindowName
) -> None:
    """However large a part is: what is pasted must not end at an edge."""
    expression = axes_of(model, jaw_open=1.0, blink_left=1.0, blink_right=1.0)
    for scale in (1.0, 1.5):
        source, target = face_of(model, pose_of()), face_of(model, pose_of(25), expression=expression)
        ends = []
        for face in (source, target):
            points = points_of(face, model)
            window = maker.windows(points, face.pose)[name]
            ends.append((window.jittered(scale * np.eye(2), np.zeros(2)), points))
        gate = maker.conditions(name, ends[0], ends[1]).gate
        assert not any(edge.any() for edge in (gate[0], gate[-1], gate[:, 0], gate[:, -1]))


def test_a_picture_is_shown_as_far_as_its_weight() -> None:
    window = Window(np.array([[0.5, 0.0, -16.0], [0.0, 0.5, -16.0]]), 32, mirrored=True)
    picture, weight = np.full((32, 32, 3), 200, np.uint8), np.zeros((32, 32), np.float32)
    weight[4:28, 4:16], weight[4:28, 16:28] = 1.0, 0.5
    before = noise(3, 120)
    canvas = before.copy()
    window.blend(canvas, picture, weight)
    assert (canvas[50:80, 70:84] == 200).all()  # in the mirror
    half = np.rint(100.0 + 0.5 * before[50:80, 46:60])
    assert np.abs(canvas[50:80, 46:60] - half).max() <= 1.0
    np.testing.assert_array_equal(canvas[:38], before[:38])
    np.testing.assert_array_equal(canvas[:, :38], before[:, :38])


def test_a_turning_head_opens_its_gate_little_by_little(maker: WindowMaker, model: MorphableModel) -> None:
    source, before = face_of(model, pose_of()), None
    for yaw in np.arange(0.0, 25.0, 0.5):
        gate = conditions_of("face", maker, source, face_of(model, pose_of(float(yaw))), model).gate
        if before is not None:
            assert np.abs(gate - before).max() < 0.5, yaw
        before = gate
    assert (gate > 0.5).sum() > 500


def test_a_window_sees_the_same_in_a_part_of_the_picture(maker: WindowMaker, model: MorphableModel) -> None:
    face = face_of(model, pose_of(scale=90, at=(180, 200)))
    picture, box = noise(1, 400), Box(60, 80, 330, 390)
    for name, window in maker.windows(points_of(face, model), face.pose).items():
        part = np.ascontiguousarray(picture[box.slices])
        if name != "face":  # which reaches beyond the part
            np.testing.assert_array_equal(window.relative_to(box).cut(part), window.cut(picture))


def test_windows_may_reach_beyond_the_picture() -> None:
    picture = noise(2, 50)
    for shift in (-500.0, -20.0, 60.0, 900.0):
        window = Window(np.array([[1.0, 0, shift], [0, 1.0, 0]]), 64)
        assert window.cut(picture).shape == (64, 64, 3)
        canvas = picture.copy()
        window.paste(canvas, np.zeros((64, 64, 3), np.float32))
        np.testing.assert_array_equal(canvas, picture)


def test_the_texture_prior_in_a_window(maker: WindowMaker, model: MorphableModel) -> None:
    face = face_of(model, pose_of())
    points = points_of(face, model)
    picture = np.full((256, 256, 3), 200, np.uint8)
    texture = sample_texture(
        picture, fitted(face, model), model, sparse_skin(model, TextureConfig().interval)
    )
    for name, window in maker.windows(points, face.pose).items():
        prior = window.texture(texture, points)
        assert prior.shape == (window.size_px, window.size_px, 3)
        skin = prior[prior[..., 0] > -1]
        np.testing.assert_allclose(skin, 200 / 127.5 - 1, atol=1e-5)
        assert len(skin) > 0.3 * window.size_px**2, name


def test_sizes_are_checked() -> None:
    with pytest.raises(ConfigError, match="eye_px is 50, expected a multiple of 16"):
        WindowSizes(eye_px=50)
