"""Training the flow-guided generator: from prepared clips to weights, resumable, by what really matters."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faceanime.config import save_config
from faceanime.dynamics.edit import motion_from_keyframes
from faceanime.dynamics.motion_file import save_motion
from faceanime.errors import Cancelled, ConfigError
from faceanime.generator.discriminator import PatchCriticConfig
from faceanime.generator.face_window import HEAT_LANDMARKS, PriorConfig, face_window, mirrored_prior
from faceanime.generator.flow_guided import FlowGuidedConfig
from faceanime.generator.generator_file import load_generator
from faceanime.generator.pgfg import PgfgConfig
from faceanime.generator.windows import SKIN, WINDOWS, WindowSizes
from faceanime.geometry.camera import project
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.axes import measured
from faceanime.morphable.model import MorphableModel
from faceanime.pipeline import Animator
from faceanime.prior.shade import shade_face
from faceanime.progress import SilentProgress
from faceanime.shards import write_shards
from faceanime.structures.coefficients import Dynamics
from faceanime.train.faces import face_sample
from faceanime.train.generator import (
    PRESETS,
    TrainingConfig,
    load_training,
    train_generator,
    train_generator_on,
    trainer_of,
)
from faceanime.train.generator_trainer import GeneratorConfig, GeneratorTrainer
from faceanime.train.pairs import PairsConfig, choose_sources, choose_targets, render_pairs
from faceanime.train.pgfg_trainer import PgfgTraining
from faceanime.train.windows import PLAIN, AugmentConfig, Look, Pairs, batched, draw_batches
from faceanime.weights import save_weights
from waves import waving

WIDTHS = (4, 8, 8, 8, 8)
SMALL = GeneratorConfig(
    network=FlowGuidedConfig(WindowSizes(48, 32, 32), WIDTHS, WIDTHS, WIDTHS, (4, 4, 4)),
    pairs=PairsConfig(sources=2, targets=6),
    critic=PatchCriticConfig(width=4, layers=2),
    steps=6,
    batch=2,
    adversarial_from=3,
    validate_every=3,
    validation_windows=4,
    warm_up=2,
)
PAINTING = PgfgTraining(
    network=PgfgConfig(size_px=32, width=4, widest=8, latent=6),
    pairs=SMALL.pairs,
    steps=6,
    batch=2,
    validate_every=3,
    validation_faces=4,
)
SIDE = 128


def add_clip(folder: Path, key: str, split: str, motion: Dynamics, model: MorphableModel) -> list[Path]:
    """A clip as `faceanime prepare` writes it, of a head of clay."""
    shape = model.vertices(motion.identity, motion.expression)
    points = project(shape.astype(np.float64), motion.pose)
    note = {"person": f"person {key}", "split": split, "rights": {"licence": "CC-BY-4.0"}}
    (folder / f"{key}.json").write_text(json.dumps(note))
    save_motion(motion, folder / f"{key}.motion.safetensors")
    landmarks = points[:, : model.landmark_count].astype(np.float32)
    tensors = {"points": landmarks, "tracked": np.ones(len(motion), np.uint8)}
    save_weights(folder / f"{key}.landmarks.safetensors", tensors, "landmarks", {})
    with VideoWriter(folder / f"{key}.mp4", Fraction(25), SIDE, SIDE) as writer:
        for placed in points:
            writer.write(shade_face(placed, model, SIDE, SIDE))
    return [folder / f"{key}.{end}" for end in ("json", "mp4", "motion.safetensors", "landmarks.safetensors")]


def small_motion(model: MorphableModel, seed: int) -> Dynamics:
    """A head that waves, speaks and blinks."""
    motion = waving(model, seed, frames=10)
    share = np.linspace(0.0, 1.0, 10)[:, None]
    spoken = share * model.axis("jaw_open") + (1.0 - share) * (
        model.axis("blink_right") + model.axis("blink_left")
    )
    expression = 0.3 * motion.expression + 0.8 * spoken
    return replace(motion, expression=expression, pose=motion.pose.resized(SIDE / 256), crop_size_px=SIDE)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, model: MorphableModel) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    for split, keys in (("train", "ab"), ("val", "c")):
        files = [
            file
            for key in keys
            for file in add_clip(folder, key, split, small_motion(model, ord(key)), model)
        ]
        write_shards(folder, split, files, 100)
    return folder


@pytest.fixture(scope="module")
def rendered(data: Path, tmp_path_factory: pytest.TempPathFactory, model: MorphableModel) -> Path:
    out, animator = tmp_path_factory.mktemp("rendered"), Animator(model=model)
    for split in ("train", "val"):
        render_pairs(data, split, out, animator, SMALL.pairs, SilentProgress())
    return out


def pairs_of(rendered: Path, split: str, model: MorphableModel) -> Pairs:
    return Pairs(sorted((rendered / split).iterdir()), model, SMALL.network.windows)


def test_clips_that_are_rendered_are_not_rendered_again(
    data: Path, rendered: Path, model: MorphableModel
) -> None:
    files = sorted((rendered / "train").iterdir())
    assert [file.name for file in files] == ["a.pairs.safetensors", "b.pairs.safetensors"]
    before = [file.stat().st_mtime_ns for file in files]
    again = render_pairs(data, "train", rendered, Animator(model=model), SMALL.pairs, SilentProgress())
    assert again == files
    assert [file.stat().st_mtime_ns for file in files] == before


def test_windows_show_truth_and_canvas_at_the_same_place(rendered: Path, model: MorphableModel) -> None:
    """The head is of clay: the renderer carries its skin nearly exactly, so only a shifted window would differ."""
    with pairs_of(rendered, "train", model) as pairs:
        apart = []
        for pair in pairs.all(1):
            for name, sample in pairs.windows(pair):
                assert name in WINDOWS
                assert sample.canvas.shape == sample.truth.shape == sample.target_prior.shape
                assert max(np.abs(sample.canvas).max(), np.abs(sample.truth).max()) <= 1.0
                assert 0.0 <= sample.gate.min() < sample.gate.max() <= 1.0
                skin = sample.maps[..., SKIN] > 0
                apart.append(np.abs(sample.canvas - sample.truth)[skin].mean())
        assert len(apart) > 20
        assert np.mean(apart) < 0.12


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
    np.testing.assert_array_equal(PLAIN.seen(picture), picture)
    look = Look(np.array([0.5, 1.0, 2.0], np.float32), 1.0, 0.0, None, True)
    seen = look.seen(picture).astype(float)
    assert np.abs(seen - (picture * [0.5, 1.0, 2.0]).clip(0, 255)).max() <= 0.5
    lit = look.lit(picture.astype(np.float32) / 255)
    assert np.abs(lit * 255 - seen).max() < 1.0


def test_sources_differ_and_targets_tell(model: MorphableModel) -> None:
    opening = {
        "jaw_open": [(0.0, 0.2), (1.5, 0.0), (3.0, 1.0)],
        "smile": [(0.0, 0.0), (1.8, 0.0), (2.3, 1.0), (3.0, 0.0)],
    }
    motion = motion_from_keyframes(opening, 4.0, Fraction(25), model)
    lips = measured("lips_apart", model, motion.identity, motion.expression)
    good = np.arange(100) >= 20
    sources = choose_sources(motion, good, model)
    assert 3 <= len(sources) == len(set(sources.tolist()))
    assert good[sources].all()
    assert lips[sources[0]] < lips[good].mean()
    assert lips[sources].max() == lips[good].max()
    rng = np.random.default_rng(0)
    drawn = [choose_targets(motion, good, int(sources[0]), 10, model, rng) for _ in range(60)]
    assert all(len(set(frames.tolist())) == 10 and good[frames].all() for frames in drawn)
    assert lips[np.concatenate(drawn)].mean() > lips[good].mean()
    with pytest.raises(ConfigError, match="without one tracked frame"):
        choose_sources(motion, good & False, model)


def test_it_learns(rendered: Path, model: MorphableModel) -> None:
    """A few windows by heart."""
    config = replace(
        SMALL, steps=400, validation_windows=6, adversarial_from=1000, learning_rate=3e-3, ema=0.9
    )
    with pairs_of(rendered, "val", model) as pairs:
        trainer = GeneratorTrainer(config)
        samples = trainer.samples(pairs)
    before = trainer.validate(samples)
    batch = {part: batched(windows) for part, windows in samples.items()}
    for _ in range(60):
        trainer.advance([batch])
    after = trainer.validate(samples)
    for region in ("inside", "lips", "lids", "eyeball"):
        assert before[region] == pytest.approx(before[f"{region} canvas"], rel=1e-3)
        assert after[region] < 0.9 * before[region]
        assert after[f"{region} canvas"] == before[f"{region} canvas"]


def test_critics_learn_and_are_heard(rendered: Path, model: MorphableModel) -> None:
    config = replace(SMALL, adversarial_from=0)
    with pairs_of(rendered, "train", model) as pairs:
        trainer = GeneratorTrainer(config)
        critics = {name: value.clone() for name, value in trainer.critics.state_dict().items()}
        losses = trainer.advance(trainer.draw(pairs, 0))
    assert {"mouth/critic", "mouth/believed", "mouth/matched"} <= losses.keys()
    assert "face/critic" not in losses
    moved = [not torch.equal(value, critics[name]) for name, value in trainer.critics.state_dict().items()]
    assert any(moved)


def test_accumulated_batches_are_one_large_step(rendered: Path, model: MorphableModel) -> None:
    with pairs_of(rendered, "train", model) as pairs:
        trainer = GeneratorTrainer(replace(SMALL, accumulate=3))
        drawn = trainer.draw(pairs, 0)
        assert len(drawn) == 3
        trainer.advance(drawn)
        assert trainer.step == 1


@pytest.mark.parametrize("config", [SMALL, PAINTING], ids=["flow-guided", "pgfg"])
def test_a_stopped_run_goes_on_bit_for_bit(
    tmp_path: Path, rendered: Path, model: MorphableModel, config: TrainingConfig
) -> None:
    with pairs_of(rendered, "train", model) as train, pairs_of(rendered, "val", model) as val:
        run = (train, val, model)
        whole = train_generator(trainer_of(config), *run, tmp_path / "whole", SilentProgress())
        progress = SilentProgress()
        parts = (*run, tmp_path / "parts")
        with pytest.raises(Cancelled):
            train_generator(trainer_of(config), *parts, progress, note=lambda *_: progress.cancel())
        with pytest.raises(ConfigError, match="--resume"):
            train_generator(trainer_of(config), *parts, SilentProgress())
        resumed = train_generator(trainer_of(config), *parts, SilentProgress(), resume=True)
        with pytest.raises(ConfigError, match="with other settings"):
            other = trainer_of(replace(config, steps=7))
            train_generator(other, *parts, SilentProgress(), resume=True)
    assert resumed.read_bytes() == whole.read_bytes()
    checkpoints = [path.parent / "checkpoint.safetensors" for path in (whole, resumed)]
    assert checkpoints[0].read_bytes() == checkpoints[1].read_bytes()


@pytest.mark.parametrize("config", [SMALL, PAINTING], ids=["flow-guided", "pgfg"])
def test_from_shards_to_weights(
    tmp_path: Path, data: Path, rendered: Path, model: MorphableModel, config: TrainingConfig
) -> None:
    path = train_generator_on(data, config, tmp_path, SilentProgress(), rendered=rendered)
    network, header = load_generator(path, model)
    assert network.network == config.kind
    assert network.config == config.network
    assert header["step"] in (3, 6)
    rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "3", "6"]
    assert len({len(row.split(",")) for row in rows}) == 1
    assert {"score", *trainer_of(config).loss_names} <= set(rows[0].split(","))
    assert load_training(tmp_path / "config.json") == config


def test_the_papers_generator_learns_a_face_by_heart(rendered: Path, model: MorphableModel) -> None:
    config = replace(PAINTING, ema=0.5, learning_rate=2e-3)
    with pairs_of(rendered, "train", model) as pairs:
        trainer, samples = trainer_of(config), trainer_of(config).samples(pairs)
        drawn = trainer.draw(pairs, 0)
        losses = [trainer.advance(drawn)["picture"] for _ in range(40)]
        numbers = trainer.validate(samples)
    assert losses[-1] < 0.8 * losses[0]
    assert numbers["score"] == pytest.approx(numbers["picture error"] / numbers["frozen"])


@pytest.mark.parametrize("kind", ["texture", "heat-maps"])
def test_a_mirrored_face_has_a_mirrored_prior(rendered: Path, model: MorphableModel, kind: Any) -> None:
    """Of a head that is its own mirror image nearly: what is drawn of it mirrored is what it is in the mirror."""
    config = replace(PAINTING.network, prior=PriorConfig(kind))
    with pairs_of(rendered, "train", model) as pairs:
        plain = face_sample(pairs, (0, 0, 0), config)
        turned = face_sample(pairs, (0, 0, 0), config, replace(PLAIN, mirrored=True))
    np.testing.assert_array_equal(turned.source, plain.source[:, ::-1])
    twice = mirrored_prior(config.prior, turned.target_prior, model)
    np.testing.assert_array_equal(twice, plain.target_prior)
    if (
        kind == "heat-maps"
    ):  # the map of the right eye's corner peaks where that of the left one did, in the mirror
        right, left = HEAT_LANDMARKS.index(33), HEAT_LANDMARKS.index(263)
        np.testing.assert_array_equal(turned.target_prior[..., right], plain.target_prior[:, ::-1, left])


def test_heat_maps_peak_at_their_landmarks(rendered: Path, model: MorphableModel) -> None:
    config = replace(PAINTING.network, size_px=64, prior=PriorConfig("heat-maps"))
    with pairs_of(rendered, "train", model) as pairs:
        shown = pairs.shown((0, 0, 0))
        sample = face_sample(pairs, (0, 0, 0), config)
    places = face_window(shown.before, shown.source_pose, 64).placed(shown.before)[list(HEAT_LANDMARKS), :2]
    peaks = sample.source_prior.reshape(-1, len(HEAT_LANDMARKS)).argmax(axis=0)
    found = np.stack(np.unravel_index(peaks, (64, 64))[::-1], axis=1)
    assert np.abs(found - places).max() <= 0.5 + 1e-6
    assert sample.source_prior.max() <= 1.0
    assert sample.source_prior.min() >= -1.0


def test_every_preset_can_be_told_as_json(tmp_path: Path) -> None:
    for name, config in PRESETS.items():
        save_config(config, tmp_path / f"{name}.json")
        assert load_training(tmp_path / f"{name}.json") == config
    (tmp_path / "short.json").write_text('{"kind": "pgfg", "steps": 7}')
    assert load_training(tmp_path / "short.json") == PgfgTraining(steps=7)
    (tmp_path / "wrong.json").write_text('{"kind": "gan"}')
    with pytest.raises(ConfigError, match="kind"):
        load_training(tmp_path / "wrong.json")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_told(tmp_path: Path, data: Path) -> None:
    with pytest.raises(ConfigError, match="torch finds none here"):
        train_generator_on(data, SMALL, tmp_path, SilentProgress(), device="cuda")


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="expected 0 to 1"):
        GeneratorConfig(eye_share=2.0)
    with pytest.raises(ConfigError, match=r"critic\.channels is 3, expected 6"):
        GeneratorConfig(critic=PatchCriticConfig(channels=3))
