"""Measure the protocols self and cross, pair by pair. `reenactment_report.py` makes the report.

Besides its numbers (see `measurement_store.py`) each pair gets a contact sheet in OUT/sheets and a video in OUT/videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from faceanime.core.errors import Cancelled, WeightsError
from faceanime.core.files import make_folder
from faceanime.core.progress import Progress
from faceanime.dataset.shards import Sample, read_samples
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.evaluate.evaluation_config import FROZEN, TRUTH, EvaluateConfig, prediction_row
from faceanime.evaluate.measurement_store import (
    claim_folder,
    hash_of_bytes,
    hash_of_files,
    is_measured,
    save_measurements,
)
from faceanime.evaluate.other_methods import check_method_result, read_result, result_files
from faceanime.evaluate.pair_evaluator import MetricModels, PairEvaluator, skin_tone_deg
from faceanime.evaluate.perceptual_metrics import FidFeatures, FvdFeatures, Lpips
from faceanime.evaluate.reenactment_pairs import Pair, cross_pairs, mouth_opening, self_pairs, turned_from
from faceanime.evaluate.rendered_rows import rendered_rows
from faceanime.face.config import TrackConfig
from faceanime.face.detect import LandmarkDetector, MediapipeDetector
from faceanime.face.identity import DlibIdentity, IdentityNetwork, OnnxIdentity
from faceanime.face.segment import PersonSegmenter
from faceanime.face.track import LandmarkTracker
from faceanime.generator.renderers import weights_of
from faceanime.media.contact_sheet import contact_sheet, tile_row
from faceanime.media.image import write_image
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.landmark_schema import LandmarkSchema
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.structures.frames import Pixels

_SHEET_COLUMNS = 8
"""Frames on a contact sheet, evenly spaced."""
_VIDEO_TILE_PX = 256
"""Side of each picture in a comparison video; chosen by eye."""
_VIDEO_CRF = 26
"""Constant rate factor of H.264; chosen by eye, to keep the page small."""


def animators_of(
    config: EvaluateConfig, model: MorphableModel, detector: LandmarkDetector
) -> dict[str, Animator]:
    """An animator with loaded networks for each rendered row. Raises ConfigError, WeightsError."""
    segmenter = PersonSegmenter()
    animators = {
        name: Animator(AnimatorConfig(draw), model, detector=detector, segmenter=segmenter)
        for name, draw in rendered_rows(config).items()
    }
    for animator in animators.values():
        _ = animator.renderer  # bad weights fail before long work
    return animators


def pairs_of(data: Path, config: EvaluateConfig, model: MorphableModel) -> list[Pair]:
    """The pairs of a protocol. Raises ConfigError where `data` was not prepared."""
    samples: list[Sample] = list(read_samples(data, config.split))
    if config.protocol == "cross":
        return cross_pairs(samples, model, config.seed)
    return self_pairs(samples, model)


def measure_pairs(data: Path, out: Path, config: EvaluateConfig, progress: Progress) -> list[Pair]:
    """Measure every pair that is not measured yet, and return all pairs.

    Raises ConfigError for data that was not prepared, MediaError for results of other methods that do not fit,
    WeightsError, NoFaceError, Cancelled.
    """
    model = load_model()
    pairs = pairs_of(data, config, model)
    for pair in pairs:
        for folder in config.predictions:
            check_method_result(folder, pair)
    evaluator = _ReenactmentEvaluator(config, model, MediapipeDetector())
    claim_folder(out, config)
    for name in ("sheets", "videos"):
        make_folder(out / name)
    progress.stage("measuring", len(pairs))
    for pair in pairs:
        evaluator.measure(pair, out, progress)
        progress.advance()
    return pairs


def without_pose_limits(config: RetargetConfig) -> RetargetConfig:
    """The configuration without soft limits on yaw, pitch, shift and scale.

    Protocol self measures how well a row draws a pose, not how far `animate` follows the driver. The limit of roll
    (45 degrees) and that of a head cropped by the picture's edge stay.
    """
    return replace(config, yaw_limit_deg=180.0, pitch_limit_deg=180.0, shift_limit=10.0, scale_limit=10.0)


class _ReenactmentEvaluator:
    """Renders, measures and shows pair after pair; all networks are loaded once."""

    def __init__(self, config: EvaluateConfig, model: MorphableModel, detector: LandmarkDetector) -> None:
        self._config = config
        self._models = _metric_models(config, model, detector)
        self._animators = animators_of(config, model, detector)
        weights = [weights_of(animator.config.draw) for animator in self._animators.values()]
        weights += [config.lpips_weights, config.fid_weights, config.fvd_weights, config.identity_weights]
        self._networks = [
            *self._animators,
            model.id,
            type(self._models.identity).__name__,
            hash_of_files(weights),
        ]

    def measure(self, pair: Pair, out: Path, progress: Progress) -> None:
        """Write the numbers of a pair, its contact sheet and its video, unless they were written before."""
        inputs = self._inputs(pair)
        if is_measured(out, pair, inputs):
            return
        evaluator = PairEvaluator(pair, self._models, self._config.every)
        results, rows = {}, {}
        for name, frames in self._results(pair, evaluator):
            if progress.cancelled:
                raise Cancelled(
                    "stopped by the user; measured pairs are kept: the same command continues from there"
                )
            results[name], rows[name] = frames, evaluator.measure(frames)
        _write_pictures(pair, evaluator, results, out)
        save_measurements(out, pair, inputs, _keys(evaluator), rows)

    def _inputs(self, pair: Pair) -> str:
        """A hash of all files that the numbers of a pair depend on."""
        clips = [
            hash_of_bytes(clip.members[name])
            for clip in (pair.source, pair.driver)
            for name in sorted(clip.members)
        ]
        files = [path for folder in self._config.predictions for path in result_files(folder, pair)]
        results = [hash_of_bytes(path.read_bytes()) for path in files]
        return hash_of_bytes("".join([*self._networks, *clips, *results]).encode())

    def _results(self, pair: Pair, evaluator: PairEvaluator) -> Iterator[tuple[str, Sequence[Pixels]]]:
        """The name and the frames of each row."""
        yield TRUTH, evaluator.frames
        yield FROZEN, [evaluator.source] * len(evaluator.frames)
        for name, animator in self._animators.items():
            config = replace(animator.config.retarget, reference=pair.reference)
            if pair.has_truth:
                config = without_pose_limits(config)
            portrait = animator.portrait(evaluator.source, f"clip {pair.source.key}")
            yield name, list(animator.animate(portrait, evaluator.motion, config))
        height_px, width_px = evaluator.source.shape[:2]
        for folder in self._config.predictions:
            yield prediction_row(folder), read_result(folder, pair, height_px, width_px)


def _metric_models(config: EvaluateConfig, model: MorphableModel, detector: LandmarkDetector) -> MetricModels:
    return MetricModels(
        morphable=model,
        tracker=LandmarkTracker(TrackConfig(anchored=False), detector, model),
        identity=_identity_network(config, model.schema),
        lpips=None if config.lpips_weights is None else Lpips(config.lpips_weights),
        fid=None if config.fid_weights is None else FidFeatures(config.fid_weights),
        fvd=None if config.fvd_weights is None else FvdFeatures(config.fvd_weights),
    )


def _identity_network(config: EvaluateConfig, schema: LandmarkSchema) -> IdentityNetwork | None:
    if config.identity_weights is not None:
        return OnnxIdentity(config.identity_weights, schema=schema)
    try:
        return DlibIdentity(schema)
    except WeightsError:
        return None  # the report says that identity was not measured, and what it needs


def _write_pictures(
    pair: Pair, evaluator: PairEvaluator, results: Mapping[str, Sequence[Pixels]], out: Path
) -> None:
    """Write the contact sheet and the video of all rows but the frozen one."""
    count = len(evaluator.frames)
    shown: dict[str, Sequence[Pixels]] = {"source": [evaluator.source] * count}
    shown |= {name: frames for name, frames in results.items() if name != FROZEN}
    columns = np.linspace(0, count - 1, _SHEET_COLUMNS).astype(int)
    sheet = contact_sheet([[frames[i] for i in columns] for frames in shown.values()], tuple(shown))
    write_image(out / "sheets" / f"{pair.name}.png", sheet)
    frames = [tile_row([row[t] for row in shown.values()], _VIDEO_TILE_PX) for t in range(count)]
    height_px, width_px = frames[0].shape[:2]
    path = out / "videos" / f"{pair.name}.mp4"
    with VideoWriter(path, evaluator.frame_rate, width_px, height_px, crf=_VIDEO_CRF) as writer:
        for frame in frames:
            writer.write(frame)


def _keys(evaluator: PairEvaluator) -> dict[str, Any]:
    """The properties that results are binned by.

    Rotation from the source and mouth opening of each frame; skin tone and size of the face of the clip.
    """
    pair, motion = evaluator.pair, evaluator.motion
    landmarks = pair.source.landmarks()[0][pair.source_frame]
    tone = skin_tone_deg(evaluator.source, landmarks, evaluator.models.morphable.schema)
    return {
        "rotation_deg": np.degrees(turned_from(motion, pair.reference)).tolist(),
        "opening": mouth_opening(motion, evaluator.models.morphable).tolist(),
        "skin_tone_deg": tone if np.isfinite(tone) else None,
        "face_px": float(pair.source.note["face_px"]),
    }
