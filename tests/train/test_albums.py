"""Portraits to learn from: real faces, a smile drawn on one of them, a cat."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from clay import SMALL
from faceanime.core.errors import ConfigError, MediaError
from faceanime.core.progress import SilentProgress
from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.generator.config import RendererConfig
from faceanime.generator.generator_file import load_generator
from faceanime.media.image import write_image
from faceanime.morphable.axes import measure_expressions
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.structures.frames import Pixels
from faceanime.train.generator.albums import albums_with_drivers, read_albums
from faceanime.train.generator.pair_files import PAIRS_SUFFIX
from faceanime.train.generator.pairs import PairIndex, PairOptions, RenderedPairs
from faceanime.train.generator.rendered_pairs import render_pairs, shut_mouths
from faceanime.train.generator.training import GeneratorRun, train_generator_on
from faceanime.train.generator.window_samples import open_windows


@pytest.fixture(scope="module")
def animator(model: MorphableModel) -> Animator:
    return Animator(AnimatorConfig(RendererConfig("geometric")), model)


@pytest.fixture(scope="module")
def smiling(animator: Animator) -> Pixels:
    """The astronaut with her mouth wide open, larger and on another spot of the picture."""
    portrait = animator.portrait(_astronaut())
    motion = motion_from_keyframes({"jaw_open": [(0.0, 0.0), (1.0, 1.0)]}, 1.0, Fraction(5), animator.model)
    opened = animator.retarget(portrait, motion, RetargetConfig(rest=False))
    return list(animator.render(portrait, opened))[-1][:380, 20:400]


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory, smiling: Pixels) -> Path:
    folder = tmp_path_factory.mktemp("portraits")
    pictures = {
        "calm": _astronaut(),
        "smiling": smiling,
        "alone": _astronaut()[:, ::-1].copy(),
        "cat": _cat(),
    }
    for name, picture in pictures.items():
        write_image(folder / f"{name}.png", picture)
    rows = [("calm", "twice/seen"), ("smiling", "twice/seen"), ("alone", "once"), ("cat", "cat")]
    table = ["file,split,person,licence", *(f"{name}.png,train,{person},CC0" for name, person in rows)]
    (folder / "portraits.csv").write_text("\n".join(table))
    return folder


def test_pictures_of_a_person_teach_each_other(
    portraits: Path, data: Path, animator: Animator, model: MorphableModel, tmp_path: Path
) -> None:
    albums = albums_with_drivers(portraits, data, "train", animator)
    paths = render_pairs(albums, tmp_path, animator, replace(SMALL.pairs, shut=False), SilentProgress())
    names = [path.name.removesuffix(PAIRS_SUFFIX) for path in paths]
    assert names == ["portraits-once", "portraits-twice_seen"]  # the cat shows no face
    with RenderedPairs.open(paths, model, PairOptions(SMALL.network.windows)) as pairs:
        rng = np.random.default_rng(0)
        drawn = {pairs.draw(rng) for _ in range(40)}
        assert drawn == set(pairs.all(1))
        assert len(drawn) == 2  # each drives the other, none itself
        lips = [
            float(measure_expressions("lips_apart", model, face.identity, face.expression[None])[0])
            for face in (pairs.target_face(PairIndex(1, 0, 0)), pairs.target_face(PairIndex(1, 0, 1)))
        ]
        assert abs(lips[1] - lips[0]) > 0.06
        opened = int(np.argmax(lips))
        (source,) = (s for _, s, t in drawn if t == opened)
        frames, canvas = (view(PairIndex(1, source, opened)) for view in (pairs.frames, pairs.canvas))
        assert frames.source.shape == frames.truth.shape == canvas.shape
        apart = [np.abs(frames.truth - 1.0 * other).mean() for other in (canvas, frames.source)]
        assert apart[0] < apart[1]
        assert (np.diff(np.unique(pairs.files[1].times)) > 1).all(), "no picture is the neighbor of another"
        assert all({name for name, _ in open_windows(pairs, pair)} >= {"mouth"} for pair in drawn)
        driven = [pair for pair in (pairs.draw_foreign(rng) for _ in range(20)) if pair]
        assert {pair[0] for pair in driven} == {0, 1}
        assert all(not sample.paired for pair in driven for _, sample in open_windows(pairs, pair))


def test_a_portrait_that_shows_teeth_teaches_with_its_mouth_shut(
    portraits: Path, data: Path, animator: Animator, model: MorphableModel, tmp_path: Path
) -> None:
    """This holds for a single picture as well: the drawn picture is the source, the real one the truth."""
    albums = albums_with_drivers(portraits, data, "train", animator)
    paths = render_pairs(albums, tmp_path, animator, SMALL.pairs, SilentProgress())
    with RenderedPairs.open(paths, model, PairOptions(SMALL.network.windows)) as pairs:
        of_once = [pair for pair in pairs.all(1) if pair[0] == 0]
        assert len(of_once) == 1, "its own picture does not drive itself"
        (pair,) = of_once
        frames, source = pairs.frames(pair), pairs.files[0].source_face(pair.source)
        lips = [
            float(measure_expressions("lips_apart", model, face.identity, face.expression[None])[0])
            for face in (source, pairs.target_face(pair))
        ]
        np.testing.assert_array_equal(frames.truth, pairs.portrait(PairIndex(0, 0, 0)))
        mouth = dict(open_windows(pairs, pair))["mouth"]
        cuts = [mouth.window.cut(picture) for picture in (frames.truth, pairs.canvas(pair), frames.source)]
        apart = [np.abs(cuts[0] - 1.0 * other).mean() for other in cuts[1:]]
        assert {pairs.draw(np.random.default_rng(seed))[0] for seed in range(20)} == {0, 1}
    assert lips[0] < 0.03 < lips[1]
    assert apart[0] < 0.8 * apart[1]
    assert mouth.paired


def test_a_portrait_whose_lips_are_shut_is_not_shut_again(
    portraits: Path, data: Path, animator: Animator, model: MorphableModel
) -> None:
    portrait = animator.portrait(_astronaut())
    face = portrait.face.coefficients
    apart = float(measure_expressions("lips_apart", model, face.identity, face.expression))
    parting = model.axis("lips_part")
    per_unit = (
        float(measure_expressions("lips_apart", model, face.identity, face.expression + parting)) - apart
    )
    shut = replace(face, expression=face.expression - apart / per_unit * parting)
    both = [portrait, replace(portrait, face=replace(portrait.face, coefficients=shut))]
    _, driver = next(albums_with_drivers(portraits, data, "train", animator))
    assert driver is not None
    (drawn,) = shut_mouths(both, driver, animator)
    assert not np.array_equal(drawn.pixels, portrait.pixels)


def test_a_generator_learns_from_clips_and_portraits(
    portraits: Path, data: Path, rendered: Path, model: MorphableModel, tmp_path: Path
) -> None:
    kept = tmp_path / "rendered"
    shutil.copytree(rendered, kept)
    config = replace(SMALL, steps=1, validate_every=1)
    out = tmp_path / "run"
    path = train_generator_on(
        GeneratorRun(data, out, rendered=kept, portraits=portraits), config, SilentProgress()
    )
    assert load_generator(path, model)[1]["rights"] == ["CC-BY-4.0", "CC0"]
    assert len(list((kept / "train").glob("portraits-*"))) == 2


def test_people_seen_once_alone_are_not_enough(
    portraits: Path, data: Path, animator: Animator, model: MorphableModel, tmp_path: Path
) -> None:
    albums = [
        one for one in albums_with_drivers(portraits, data, "train", animator) if one[0].person == "once"
    ]
    paths = render_pairs(
        albums, tmp_path, animator, replace(SMALL.pairs, foreign=1, shut=False), SilentProgress()
    )
    with pytest.raises(ConfigError, match="two pictures"):
        RenderedPairs.open(paths, model)


def test_what_is_wrong_with_a_table_is_said(portraits: Path, animator: Animator, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no .*portraits\.csv: write a table with the columns file"):
        next(read_albums(tmp_path, "train", animator))
    (tmp_path / "portraits.csv").write_text("file,split,person\nnone.png,train,nobody")
    with pytest.raises(MediaError, match=r"none\.png is listed in .* but does not exist"):
        next(read_albums(tmp_path, "train", animator))
    assert list(read_albums(portraits, "val", animator)) == []


def _astronaut() -> Pixels:
    picture: Pixels = skimage.data.astronaut()[:400, 20:420]  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(picture)


def _cat() -> Pixels:
    picture: Pixels = skimage.data.chelsea()  # type: ignore[no-untyped-call]
    return picture
