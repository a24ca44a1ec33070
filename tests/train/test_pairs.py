"""Training data of generators: rendered pairs, their windows, whole faces, augmentation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clay import PAINTING, SIDE, SMALL, pairs_of
from faceanime.core.errors import ConfigError, NoFaceError
from faceanime.core.progress import SilentProgress
from faceanime.core.weights import load_weights, save_weights
from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.generator.conditions import INSIDE, MAPS, SKIN
from faceanime.generator.face_window import PriorConfig, face_window, heat_landmarks, mirrored_prior
from faceanime.generator.windows import WINDOWS
from faceanime.geometry.similarity import apply_affine
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.render.geometric import drawing_version
from faceanime.train.generator.augment import PLAIN, Appearance, AugmentConfig
from faceanime.train.generator.face_batches import face_sample
from faceanime.train.generator.face_clips import clips_with_drivers
from faceanime.train.generator.frame_choice import choose_sources, choose_targets
from faceanime.train.generator.pair_files import PAIRS_KIND
from faceanime.train.generator.pairs import PairIndex, RenderedPairs
from faceanime.train.generator.registration import register
from faceanime.train.generator.rendered_pairs import render_pairs
from faceanime.train.generator.window_samples import draw_batches, open_windows


def test_clips_that_are_rendered_are_not_rendered_again(
    data: Path, rendered: Path, model: MorphableModel
) -> None:
    files = sorted((rendered / "train").iterdir())
    assert [file.name for file in files] == ["a.pairs.safetensors", "b.pairs.safetensors"]
    before = [file.stat().st_mtime_ns for file in files]
    again = render_pairs(
        clips_with_drivers(data, "train"),
        rendered / "train",
        Animator(model=model),
        SMALL.pairs,
        SilentProgress(),
    )
    assert again == files
    assert [file.stat().st_mtime_ns for file in files] == before
    other = replace(SMALL.pairs, seed=9)
    with pytest.raises(ConfigError, match=r"a\.pairs\.safetensors was rendered with other settings"):
        clips = clips_with_drivers(data, "train")
        render_pairs(clips, rendered / "train", Animator(model=model), other, SilentProgress())


@pytest.mark.parametrize("number", [6, 7])
def test_pictures_of_another_drawing_are_refused(
    number: int, data: Path, rendered: Path, model: MorphableModel, tmp_path: Path
) -> None:
    """Versions of the drawing up to 7 were written as whole numbers."""
    (path, *_) = sorted((rendered / "val").iterdir())
    tensors, header = load_weights(path, PAIRS_KIND)
    save_weights(
        tmp_path / path.name,
        tensors,
        PAIRS_KIND,
        header | {"settings": header["settings"] | {"drawn": number}},
    )

    def again() -> list[Path]:
        clips = clips_with_drivers(data, "val")
        return render_pairs(clips, tmp_path, Animator(model=model), SMALL.pairs, SilentProgress())

    if drawing_version() == str(number):
        assert again() == [tmp_path / path.name]
    else:
        with pytest.raises(ConfigError, match="an older faceanime"):
            again()


def test_pairs_without_the_renderers_pictures_are_else_the_same(
    data: Path, rendered: Path, model: MorphableModel, tmp_path: Path
) -> None:
    """Their file is smaller, and no folder of the others: networks that need the pictures do not read it."""
    clip, animator = next(clips_with_drivers(data, "val")), Animator(model=model)
    bare = replace(SMALL.pairs, canvases=False)
    (path,) = render_pairs([clip], tmp_path, animator, bare, SilentProgress())
    (whole,) = sorted((rendered / "val").glob("*.safetensors"))
    assert path.stat().st_size < 0.7 * whole.stat().st_size
    with pairs_of(rendered, "val", model) as those, RenderedPairs.open([path], model) as these:
        pairs = list(those.all())
        assert list(these.all()) == pairs
        for pair in pairs[:3]:
            found, expected = these.frames(pair), those.frames(pair)
            for name in ("source", "truth", "source_matte", "truth_matte", "source_points", "target_points"):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    with pytest.raises(ConfigError, match="rendered with other settings"):
        render_pairs([clip], tmp_path, animator, SMALL.pairs, SilentProgress())


def test_windows_show_truth_and_canvas_at_the_same_place(rendered: Path, model: MorphableModel) -> None:
    """The head is of clay: the renderer carries its skin nearly exactly, so only a shifted window would differ."""
    with pairs_of(rendered, "train", model) as pairs:
        apart = []
        for pair in pairs.all(1):
            for name, sample in open_windows(pairs, pair):
                assert name in WINDOWS
                assert sample.canvas.shape == sample.truth.shape == sample.target_prior.shape
                assert max(np.abs(sample.canvas).max(), np.abs(sample.truth).max()) <= 1.0
                assert 0.0 <= sample.gate.min() < sample.gate.max() <= 1.0
                skin = sample.maps[..., SKIN] > 0
                apart.append(np.abs(sample.canvas - sample.truth)[skin].mean())
        assert len(apart) > 20
        assert np.mean(apart) < 0.13


def test_a_drawn_batch_depends_on_its_seed_alone(rendered: Path, model: MorphableModel) -> None:
    with pairs_of(rendered, "train", model) as pairs:
        once, again, other = (
            draw_batches(pairs, 2, SMALL.shares, AugmentConfig(), np.random.default_rng(seed))
            for seed in (1, 1, 2)
        )
        for part, batch in once.items():
            for name, value in batch.items():
                np.testing.assert_array_equal(value, again[part][name])
        assert not np.array_equal(once["mouth"]["truth"], other["mouth"]["truth"])


def test_light_changes_pictures_alike_and_a_mirror_the_maps_too() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(PLAIN.photograph(picture), picture)
    look = Appearance(np.array([0.5, 1.0, 2.0], np.float32), 1.0, 0.0, None, True)
    seen = look.photograph(picture).astype(float)
    assert np.abs(seen - (picture * [0.5, 1.0, 2.0]).clip(0, 255)).max() <= 0.5
    faded = replace(PLAIN, chroma=0.0).photograph(picture)
    assert np.ptp(faded.astype(int), axis=-1).max() == 0
    assert np.abs(faded[..., 0] - picture.mean(axis=-1)).max() <= 0.5
    red = np.zeros((32, 32, 3), np.uint8) + np.uint8([200, 140, 120])
    red[8:24, 8:24] = 230, 20, 20
    coarse = replace(PLAIN, jpeg_quality=40).photograph(red).astype(float)
    colors = [np.abs(coarse - red)[..., c].mean() for c in range(3)]
    assert colors[2] < 1.4 * colors[1]  # a JPEG of blue for red has its errors elsewhere
    lit = look.relight(picture.astype(np.float32) / 255)
    assert np.abs(lit * 255 - seen).max() < 1.0


def test_sources_differ_and_targets_are_lively(model: MorphableModel) -> None:
    opening = {
        "jaw_open": [(0.0, 0.2), (1.5, 0.0), (3.0, 1.0)],
        "smile": [(0.0, 0.0), (1.8, 0.0), (2.3, 1.0), (3.0, 0.0)],
    }
    motion = motion_from_keyframes(opening, 4.0, Fraction(25), model)
    lips = measure_expressions("lips_apart", model, motion.identity, motion.expression)
    good = np.arange(100) >= 20
    sources = choose_sources(motion, good, model)
    assert 3 <= len(sources) == len(set(sources.tolist()))
    assert good[sources].all()
    assert lips[sources[0]] < lips[good].mean()
    assert lips[sources].max() == lips[good].max()
    rng = np.random.default_rng(0)
    drawn = [choose_targets(motion, good, int(sources[0]), 10, model, rng) for _ in range(60)]
    for frames in drawn:
        assert 11 <= len(frames) == len(set(frames.tolist())) <= 20
        assert good[frames].all()
        assert all(frame - 1 in frames or frame + 1 in frames for frame in frames.tolist())
    assert lips[np.concatenate(drawn)].mean() > lips[good].mean()
    with pytest.raises(NoFaceError, match="no face in any frame of the clip"):
        choose_sources(motion, good & False, model)


def test_targets_have_neighbors(rendered: Path, model: MorphableModel) -> None:
    """One step apart in time, and hence more alike than frames that are farther apart."""
    beside_px, others_px = [], []
    with pairs_of(rendered, "train", model) as pairs:
        for pair in pairs.all(1):
            times = pairs.files[pair.clip].times
            apart = np.abs(times - times[pair.target])
            assert (apart == 1).any()
            truth = pairs.truth(pair).astype(float)
            for pixels, targets in ((beside_px, apart == 1), (others_px, apart > 1)):
                pixels += [
                    np.abs(pairs.truth(pair._replace(target=int(t))) - truth).mean()
                    for t in np.flatnonzero(targets)
                ]
    assert np.mean(beside_px) < 0.7 * np.mean(others_px)


def test_a_window_can_be_held_closer_and_off_its_place(rendered: Path, model: MorphableModel) -> None:
    linear = np.array([[1.5, 0.3], [-0.2, 1.4]])  # magnified, turned, stretched
    look = replace(PLAIN, linear=linear, shift=np.array([0.1, -0.05]))
    with pairs_of(rendered, "train", model) as pairs:
        pair = PairIndex(0, 0, 1)
        plain, near = (dict(open_windows(pairs, pair, ("mouth",), a))["mouth"] for a in (PLAIN, look))
        points = pairs.target_points(pair)
    side = plain.window.size_px
    before, after = (sample.window.to_window_px(points)[:, :2] / side for sample in (plain, near))
    np.testing.assert_allclose(after, (before - 0.5) @ linear.T + 0.5 + (0.1, -0.05), atol=1e-6)
    shares = [float((sample.maps[..., SKIN] > 0).mean()) for sample in (plain, near)]
    assert shares[0] != shares[1]
    np.testing.assert_array_equal(
        plain.window.jittered(np.eye(2), np.zeros(2)).window_from_picture, plain.window.window_from_picture
    )


def test_cameras_are_held_as_the_settings_say() -> None:
    """Zoom, roll and stretch are within their limits, and none of them is always the same."""
    config, rng = AugmentConfig(zoom=0.1, roll_deg=7.0, stretch=0.2), np.random.default_rng(0)
    linear = np.stack([Appearance.random(config, rng).linear for _ in range(300)])
    sizes = np.linalg.svd(linear, compute_uv=False)
    zoom, stretch = np.log(sizes).mean(axis=1), np.log(sizes[:, 0] / sizes[:, 1])
    roll = np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    for values, limit in ((zoom, 0.1), (stretch, 0.2), (roll, 7.0)):
        assert np.abs(values).max() <= limit + 1e-9
        assert np.ptp(np.abs(values)) > 0.8 * limit
    assert (np.linalg.det(linear) > 0.0).all()
    still = AugmentConfig(zoom=0.0, roll_deg=0.0, stretch=0.0)
    np.testing.assert_allclose(Appearance.random(still, rng).linear, np.eye(2), atol=1e-12)


def test_a_mirror_turns_mouths_and_faces_but_not_eyes(rendered: Path, model: MorphableModel) -> None:
    """A left eye's window shows a mirrored one anyway."""
    pair, mirror = PairIndex(0, 0, 1), replace(PLAIN, mirrored=True)
    with pairs_of(rendered, "train", model) as pairs:
        plain, turned = (dict(open_windows(pairs, pair, appearance=a)) for a in (PLAIN, mirror))
    assert {"mouth", "right_eye", "left_eye"} <= plain.keys() == turned.keys()
    for name, sample in plain.items():
        for field in ("canvas", "truth", "gate", "target_prior", "source_prior"):
            picture = getattr(sample, field)
            expected = picture if name.endswith("eye") else picture[:, ::-1]
            np.testing.assert_array_equal(getattr(turned[name], field), expected)


def test_a_face_can_stand_before_another_background(rendered: Path, model: MorphableModel) -> None:
    config = replace(PAINTING.network, size_px=64)
    behind = np.zeros((SIDE, SIDE, 3), np.uint8)
    behind[...] = (0, 255, 0)
    with pairs_of(rendered, "train", model) as pairs:
        plain, other = (
            face_sample(pairs, PairIndex(0, 0, 1), config, PLAIN, plate) for plate in (None, behind)
        )
        matte = pairs.frames(PairIndex(0, 0, 1)).source_matte
    np.testing.assert_array_equal(plain.target_prior, other.target_prior)
    assert 0.02 < (matte < 128).mean() < 0.98
    green = (other.source == (-1.0, 1.0, -1.0)).all(axis=-1)
    assert green.any()
    kept = (other.source == plain.source).all(axis=-1)
    assert kept.mean() > 0.1


def test_the_recogniser_is_shown_the_targets_face(rendered: Path, model: MorphableModel) -> None:
    """Aligned, landmarks lie where dlib has them, in the mirror as well."""
    config = replace(PAINTING.network, size_px=64)
    with pairs_of(rendered, "train", model) as pairs:
        frames = pairs.frames(PairIndex(0, 0, 1))
        for mirrored in (False, True):
            sample = face_sample(pairs, PairIndex(0, 0, 1), config, replace(PLAIN, mirrored=mirrored))
            window = face_window(frames.source_points, frames.source_pose, 64, model)
            nose, chin = window.to_window_px(frames.target_points)[[2, 152], :2]
            if mirrored:
                nose, chin = (np.array([64.0 - point[0], point[1]]) for point in (nose, chin))
            there = apply_affine(sample.to_aligned.astype(np.float64), np.stack([nose, chin]))
            assert np.abs(there[0] - (75, 88)).max() < 6
            assert there[1, 1] > 120


@pytest.mark.parametrize("kind", ["texture", "heat-maps"])
def test_a_mirrored_face_has_a_mirrored_prior(rendered: Path, model: MorphableModel, kind: Any) -> None:
    """For a nearly symmetric head, the prior of the mirrored sample is the mirrored prior."""
    config = replace(PAINTING.network, prior=PriorConfig(kind))
    with pairs_of(rendered, "train", model) as pairs:
        plain = face_sample(pairs, PairIndex(0, 0, 0), config)
        turned = face_sample(pairs, PairIndex(0, 0, 0), config, replace(PLAIN, mirrored=True))
    np.testing.assert_array_equal(turned.source, plain.source[:, ::-1])
    twice = mirrored_prior(config.prior, turned.target_prior, model)
    np.testing.assert_array_equal(twice, plain.target_prior)
    if (
        kind == "heat-maps"
    ):  # the map of the right eye's corner peaks where that of the left one did, in the mirror
        drawn = heat_landmarks(model.schema).tolist()
        right, left = (drawn.index(eye.outer_corner) for eye in model.schema.eyes)
        np.testing.assert_array_equal(turned.target_prior[..., right], plain.target_prior[:, ::-1, left])


def test_heat_maps_peak_at_their_landmarks(rendered: Path, model: MorphableModel) -> None:
    config = replace(PAINTING.network, size_px=64, prior=PriorConfig("heat-maps"))
    with pairs_of(rendered, "train", model) as pairs:
        frames = pairs.frames(PairIndex(0, 0, 0))
        sample = face_sample(pairs, PairIndex(0, 0, 0), config)
    window, drawn = (
        face_window(frames.source_points, frames.source_pose, 64, model),
        heat_landmarks(model.schema),
    )
    places = window.to_window_px(frames.source_points)[drawn, :2]
    peaks = sample.source_prior.reshape(-1, len(drawn)).argmax(axis=0)
    found = np.stack(np.unravel_index(peaks, (64, 64))[::-1], axis=1)
    assert np.abs(found + 0.5 - places).max() <= 0.5 + 1e-6
    assert sample.source_prior.max() <= 1.0
    assert sample.source_prior.min() >= -1.0


def test_another_person_drives_the_neutral_portrait(rendered: Path, model: MorphableModel) -> None:
    """Such a pair has no true frame; the first clip has no driver, since no clip precedes it."""
    with pairs_of(rendered, "train", model) as pairs:
        drawn = [pairs.draw_foreign(np.random.default_rng(seed)) for seed in range(40)]
        assert {pair if pair is None else pair[:2] for pair in drawn} == {None, (1, 0)}
        pair = next(pair for pair in drawn if pair)
        assert pair[2] >= pairs.files[1].target_count
        assert not pairs.has_truth(pair)
        samples = dict(open_windows(pairs, pair))
        assert samples
        for sample in samples.values():
            assert not sample.paired
            np.testing.assert_array_equal(sample.truth, sample.canvas)
        own = dict(open_windows(pairs, PairIndex(1, 0, 0)))
        assert all(sample.paired for sample in own.values())
        batch = draw_batches(pairs, 20, SMALL.shares, AugmentConfig(), np.random.default_rng(0), foreign=0.5)
    assert set(np.unique(batch["mouth"]["paired"])) == {0.0, 1.0}


def test_a_truth_that_is_a_little_off_is_laid_on_what_was_drawn() -> None:
    """A striped face, moved by two pixels: but for its mouth, where something else is seen, it comes to lie right."""
    side = 96
    y, x = np.mgrid[:side, :side].astype(np.float32)
    face = 120.0 + 50.0 * np.sin(x / 5.0) * np.cos(y / 7.0) + 30.0 * np.sin((x + y) / 11.0)
    canvas = np.repeat(face[..., None], 3, axis=-1).astype(np.uint8)
    maps = np.zeros((side, side, len(MAPS)), np.float32)
    maps[..., 2] = maps[..., SKIN] = 1.0
    truth = np.roll(canvas, (1, 2), axis=(0, 1))
    mouth = slice(40, 56)
    canvas[mouth, mouth] = 20
    truth[41:57, 42:58] = (200, 30, 30)
    maps[mouth, mouth, INSIDE], maps[mouth, mouth, SKIN] = 1.0, 0.0
    found = register(truth, canvas, maps).astype(float)
    skin = np.zeros((side, side), bool)
    skin[8:-8, 8:-8] = True
    skin[36:60, 36:60] = False
    before, after = (np.abs(picture - canvas)[skin].mean() for picture in (truth.astype(float), found))
    assert after < 0.35 * before
    middle = found[44:52, 44:52].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(middle, (200, 30, 30), atol=3)
    np.testing.assert_allclose(register(canvas, canvas, maps), canvas, atol=2)
