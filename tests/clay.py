"""Clips of a head of clay, prepared and rendered, and small generators that learn from them."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from faceanime.core.weights import save_weights
from faceanime.dynamics.motion_file import save_motion
from faceanime.generator.discriminator import PatchCriticConfig
from faceanime.generator.flow_guided import FlowGuidedConfig
from faceanime.generator.pgfg import PgfgConfig
from faceanime.generator.windows import WindowSizes
from faceanime.geometry.camera import project
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import MorphableModel
from faceanime.render.clay import shade_face
from faceanime.structures.coefficients import Dynamics
from faceanime.train.generator.flow_training import FlowTraining
from faceanime.train.generator.pairs import PairOptions, RenderedPairs
from faceanime.train.generator.pgfg_trainer import PgfgTraining
from faceanime.train.generator.rendered_pairs import PairsConfig
from waves import waving

WIDTHS = (4, 8, 8, 8, 8)
SMALL = FlowTraining(
    network=FlowGuidedConfig(WindowSizes(48, 32, 32), WIDTHS, WIDTHS, WIDTHS, (4, 4, 4)),
    pairs=PairsConfig(sources=2, moments=3),
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
    critic_width=4,
    critic_widest=8,
    validate_every=3,
    validation_faces=4,
)
DENSE_PAINTING = replace(
    PAINTING,
    network=replace(PAINTING.network, size_px=64, blocks="dense", fold=2),
    critic_fold=2,
    identity_share=0.5,
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
    return replace(motion, expression=expression, pose=motion.pose.resized(SIDE / 256), picture_side_px=SIDE)


def pairs_of(rendered: Path, split: str, model: MorphableModel) -> RenderedPairs:
    options = PairOptions(SMALL.network.windows)
    return RenderedPairs.open(sorted((rendered / split).iterdir()), model, options)
