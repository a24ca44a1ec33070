"""Measure a protocol pair by pair; what is measured stays on disk, so that a stopped run goes on.

OUT/settings.json says what is measured; OUT/measured/NAME.json is one pair, with its contact sheet and video beside it
(OUT/sheets, OUT/videos). It holds a hash of all files that went in: a pair of which one has changed is measured again.
`tables.py` makes the report of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from faceanime.core.config import load_config, save_config
from faceanime.core.errors import Cancelled, ConfigError, MediaError, WeightsError
from faceanime.core.files import atomic_output, make_folder
from faceanime.core.progress import Progress
from faceanime.core.weights import load_weights, read_header, save_weights
from faceanime.dataset.shards import Sample, read_samples
from faceanime.dynamics.retarget import RetargetConfig
from faceanime.evaluate.measure import Judges, Measured, Reference, skin_tone_deg
from faceanime.evaluate.perceptual_metrics import FidFeatures, FvdFeatures, Lpips
from faceanime.evaluate.reenactment_pairs import (
    Pair,
    cross_pairs,
    mouth_opening,
    note_of,
    self_pairs,
    turned_from,
)
from faceanime.face.detect import MediapipeDetector
from faceanime.face.identity import DlibIdentity, IdentityNetwork, OnnxIdentity
from faceanime.face.track import LandmarkTracker, TrackConfig
from faceanime.generator.renderers import renderer_of, weights_of
from faceanime.media.contact_sheet import contact_sheet, tile_row
from faceanime.media.image import read_image, write_image
from faceanime.media.video import probe_video, read_frames
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.render.renderer import Quality, RendererConfig
from faceanime.structures.frames import Pixels

Protocol = Literal["self", "cross", "predict", "target", "speed"]
TRUTH, FROZEN = "filmed", "frozen"
"""Rows that every table has: the driver's own frames and the source, unmoved."""
SHEET_COLUMNS = 8
_FEATURES_KIND = "evaluation-features"


@dataclass(frozen=True)
class EvaluateConfig:
    """What is measured, and with which networks."""

    protocol: Protocol = "self"
    """self: every clip animates its own first calm frame; cross: another person's; predict and target: how well
    motion is imagined, from a face and toward one; speed: frames a second."""
    split: str = "test"
    """Which people: those of train, val or test."""
    renderer: tuple[str, ...] = ("geometric", "flow")
    """What draws the pictures; several are compared."""
    quality: tuple[Quality, ...] = ("fast",)
    """Which of the networks of renderer flow that come along: each is a row of its own."""
    predictions: tuple[Path, ...] = ()
    """Folders of other methods' results, NAME.mp4 or NAME/*.png for each pair (`faceanime evaluate pairs`)."""
    generator: tuple[Path, ...] = ()
    """Weights of `faceanime train generator`: each is a row of its own, called as its file, or its run's folder."""
    every: int = 3
    """Measure pictures in every so-manieth frame; faces, blinks and the change between frames in all."""
    seed: int = 0
    """Which people are paired in protocol cross."""
    lpips_weights: Path | None = None
    """ONNX network of LPIPS: two pictures in, a distance out."""
    fid_weights: Path | None = None
    """ONNX network of FID (Inception v3 to its pooled features)."""
    fvd_weights: Path | None = None
    """ONNX network of FVD (I3D, 16 frames in)."""
    identity_weights: Path | None = None
    """ONNX network of the ArcFace family for the identity, instead of dlib's (extra `identity`)."""
    predictor: Path | None = None
    """Weights of the predictor that is measured, instead of those that come along."""
    paper_predictor: Path | None = None
    """Weights of the paper's predictor (`train dynamics --preset paper`), as a baseline for it."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"every is {self.every}, expected 1 or more")
        others = self.predictions if self.protocol in ("self", "cross") else ()
        if not (self.renderer or self.generator or others):
            raise ConfigError("nothing to measure; name a --renderer, or a folder of --predictions")
        names = [FROZEN, TRUTH, *self.own_rows, *map(generator_row_of, self.generator)]
        names += map(row_of, self.predictions)
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(f"two rows would be called {twice[0]}; rename a file or a folder")

    @property
    def own_rows(self) -> dict[str, RendererConfig]:
        """What draws with nothing but what comes along, by the names of the rows."""
        rows: dict[str, RendererConfig] = {}
        for name in self.renderer:
            if name == "flow":
                rows |= {f"flow-{quality}": RendererConfig(quality=quality) for quality in self.quality}
            else:
                rows[name] = RendererConfig(name)
        return rows


def row_of(predictions: Path) -> str:
    """What the row of another method is called: as its folder."""
    return predictions.resolve().name


def generator_row_of(weights: Path) -> str:
    """What the row of a generator is called."""
    return weights.stem if weights.stem != "generator" else weights.resolve().parent.name


def drawn_rows(config: EvaluateConfig) -> dict[str, RendererConfig]:
    """What draws each row. Raises WeightsError."""
    others = {
        generator_row_of(path): RendererConfig(renderer_of(path), generator=path) for path in config.generator
    }
    return config.own_rows | others


def flattered_rows(config: EvaluateConfig) -> list[str]:
    """Rows whose networks learned from the recogniser that measures them here (dlib's, unless another is given)."""
    if config.identity_weights is not None:
        return []
    weights = {name: weights_of(draw) for name, draw in drawn_rows(config).items()}
    return [name for name, path in weights.items() if path and read_header(path).get("recogniser") == "dlib"]


def animators_of(config: EvaluateConfig, model: MorphableModel) -> dict[str, Animator]:
    """What draws each row, ready to. Raises ConfigError, WeightsError."""
    animators = {name: Animator(AnimatorConfig(draw), model) for name, draw in drawn_rows(config).items()}
    for animator in animators.values():
        _ = animator.renderer  # bad weights fail before long work
    return animators


def pairs_of(data: Path, config: EvaluateConfig, model: MorphableModel) -> list[Pair]:
    """The pairs of a protocol. Raises ConfigError where `data` was not prepared."""
    samples: list[Sample] = list(read_samples(data, config.split))
    if config.protocol == "cross":
        return cross_pairs(samples, model, config.seed)
    return self_pairs(samples, model)


def measure_all(data: Path, out: Path, config: EvaluateConfig, progress: Progress) -> list[Pair]:
    """Measure every pair that is not yet, and return all of them.

    Raises ConfigError for data that was not prepared, MediaError for predictions that do not fit, WeightsError,
    NoFaceError, Cancelled.
    """
    model = load_model()
    pairs = pairs_of(data, config, model)
    for pair in pairs:
        for folder in config.predictions:
            _check_predicted(folder, pair)  # before hours are spent
    bench = _Bench(config, model)
    claim(out, config)
    for name in ("sheets", "videos"):
        make_folder(out / name)
    progress.stage("measuring", len(pairs))
    for pair in pairs:
        bench.measure(pair, out, progress)
        progress.advance()
    return pairs


def claim(out: Path, config: EvaluateConfig) -> None:
    """Make the folder this evaluation's. Raises ConfigError where something was measured with other settings."""
    make_folder(out / "measured")
    path = out / "settings.json"
    if path.exists() and any((out / "measured").glob("*.json")):
        before = load_config(EvaluateConfig, path)
        if before != config:
            names = [field.name for field in fields(config)]
            name = next(name for name in names if getattr(before, name) != getattr(config, name))
            raise ConfigError(
                f"{out} holds an evaluation with other settings ({name} was {getattr(before, name)}, "
                f"now {getattr(config, name)}); choose another -o"
            )
    save_config(config, path)


def measured_path(out: Path, pair: Pair) -> Path:
    """Where the numbers of a pair are."""
    return out / "measured" / f"{pair.name}.json"


def load_measured(out: Path, pair: Pair) -> tuple[dict[str, Measured], dict[str, Any]]:
    """The numbers of each row of a pair, and what is known of the pair itself (see `_keys`)."""
    told = json.loads(measured_path(out, pair).read_text(encoding="utf-8"))
    features: Mapping[str, np.ndarray] = {}
    if measured_path(out, pair).with_suffix(".safetensors").exists():
        features, _ = load_weights(measured_path(out, pair).with_suffix(".safetensors"), _FEATURES_KIND)
    rows = {}
    for name, row in told["rows"].items():
        frames = {metric: _numbers(values) for metric, values in row["frames"].items()}
        clip = {metric: np.nan if value is None else float(value) for metric, value in row["clip"].items()}
        spectrum = row["spectrum"] and (_numbers(row["spectrum"][0]), _numbers(row["spectrum"][1]))
        mine = {key.split("/", 1)[1]: value for key, value in features.items() if key.startswith(f"{name}/")}
        rows[name] = Measured(frames, clip, spectrum or None, mine)
    return rows, told["keys"]


def _judges(config: EvaluateConfig, model: MorphableModel) -> Judges:
    return Judges(
        model=model,
        tracker=LandmarkTracker(TrackConfig(anchored=False), MediapipeDetector(), model),
        identity=_identity_network(config),
        lpips=None if config.lpips_weights is None else Lpips(config.lpips_weights),
        fid=None if config.fid_weights is None else FidFeatures(config.fid_weights),
        fvd=None if config.fvd_weights is None else FvdFeatures(config.fvd_weights),
    )


def _identity_network(config: EvaluateConfig) -> IdentityNetwork | None:
    if config.identity_weights is not None:
        return OnnxIdentity(config.identity_weights)
    try:
        return DlibIdentity()
    except WeightsError:
        return None  # the report says that it was not measured, and what it needs


class _Bench:
    """Renderers and judges, loaded once; measures pair after pair."""

    def __init__(self, config: EvaluateConfig, model: MorphableModel) -> None:
        self._config = config
        self._judges = _judges(config, model)
        self._animators = animators_of(config, model)
        weights = [weights_of(animator.config.draw) for animator in self._animators.values()]
        weights += [config.lpips_weights, config.fid_weights, config.fvd_weights, config.identity_weights]
        self._networks = [
            *self._animators,
            model.id,
            type(self._judges.identity).__name__,
            hash_of_files(weights),
        ]

    def measure(self, pair: Pair, out: Path, progress: Progress) -> None:
        """Write the numbers of a pair, its contact sheet and video, unless they are there."""
        path, inputs = measured_path(out, pair), self._inputs(pair)
        if path.exists() and json.loads(path.read_text(encoding="utf-8"))["inputs"] == inputs:
            return
        reference = Reference(pair, self._judges, self._config.every)
        results, rows = {}, {}
        for name, frames in self._results(pair, reference):
            if progress.cancelled:
                raise Cancelled("stopped by the user; measured pairs are kept: the same command goes on")
            results[name], rows[name] = frames, reference.measure(frames)
        _show(pair, reference, results, out)
        features = {f"{row}/{name}": v for row, m in rows.items() for name, v in m.features.items()}
        if features:
            save_weights(path.with_suffix(".safetensors"), features, kind=_FEATURES_KIND, header={})
        told = {
            "pair": asdict(note_of(pair)),
            "inputs": inputs,
            "keys": _keys(reference),
            "rows": {name: _plain(row) for name, row in rows.items()},
        }
        with atomic_output(path) as draft:
            draft.write_text(json.dumps(told, allow_nan=False), encoding="utf-8")

    def _inputs(self, pair: Pair) -> str:
        """A hash of all files that the numbers depend on."""
        clips = [
            _hash(clip.members[name]) for clip in (pair.source, pair.driver) for name in sorted(clip.members)
        ]
        files = [path for folder in self._config.predictions for path in _predicted_files(folder, pair)]
        return _hash(
            "".join([*self._networks, *clips, *(_hash(path.read_bytes()) for path in files)]).encode()
        )

    def _results(self, pair: Pair, reference: Reference) -> Iterator[tuple[str, Sequence[Pixels]]]:
        """Each row's frames."""
        yield TRUTH, reference.frames
        yield FROZEN, [reference.source] * len(reference.frames)
        for name, animator in self._animators.items():
            retargeting = replace(animator.config.retarget, reference=pair.reference)
            if pair.has_truth:
                retargeting = unlimited(retargeting)
            portrait = animator.portrait(reference.source, f"clip {pair.source.key}")
            dynamics = animator.retarget(portrait, reference.motion, retargeting)
            yield name, list(animator.render(portrait, dynamics))
        for folder in self._config.predictions:
            yield row_of(folder), _predicted(folder, pair, reference)


def unlimited(config: RetargetConfig) -> RetargetConfig:
    """A film's own head may go as far as in the film: how far `animate` follows it is no error of what draws.

    What room the picture has for a head that its edge cuts, and 45 degrees of roll, stay the limits that they are.
    """
    return replace(config, yaw_limit_deg=180.0, pitch_limit_deg=180.0, shift_limit=10.0, scale_limit=10.0)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hash_of_files(paths: Iterable[Path | None]) -> str:
    """Of what is in them, in their order; None is no file."""
    return _hash("".join(_hash(b"" if path is None else path.read_bytes()) for path in paths).encode())


def _predicted_files(folder: Path, pair: Pair) -> list[Path]:
    """Another method's result of a pair: a video, or pictures in the order of the numbers in their names."""
    video, pictures = folder / f"{pair.name}.mp4", list((folder / pair.name).glob("*.png"))
    if video.exists():
        return [video]
    if not pictures:
        raise MediaError(
            f"no result of pair {pair.name} in {folder}: expected {pair.name}.mp4 or a folder of PNGs"
        )
    return sorted(pictures, key=lambda path: ([int(n) for n in re.findall(r"\d+", path.stem)], path.stem))


def _check_predicted(folder: Path, pair: Pair) -> None:
    """Raises MediaError where a result is missing, or plainly too long or short."""
    files, wanted = _predicted_files(folder, pair), note_of(pair).frames
    found, sure = len(files), 0
    if files[0].suffix == ".mp4":
        found, sure = probe_video(files[0]).frame_count or wanted, 2  # by its duration
    if abs(found - wanted) > sure:
        raise MediaError(f"{folder}: pair {pair.name} has {found} frames, expected the driver's {wanted}")


def _predicted(folder: Path, pair: Pair, reference: Reference) -> list[Pixels]:
    files = _predicted_files(folder, pair)
    frames: Iterable[Pixels] = map(read_image, files)
    if files[0].suffix == ".mp4":
        frames = (frame.pixels for frame in read_frames(files[0]))
    height, width = reference.source.shape[:2]
    result = [_resized(frame, width, height) for frame in frames]
    if len(result) != len(reference.frames):
        raise MediaError(
            f"{folder}: pair {pair.name} has {len(result)} frames, expected the driver's {len(reference.frames)}"
        )
    return result


def _resized(frame: Pixels, width: int, height: int) -> UInt8[np.ndarray, "h w 3"]:
    if frame.shape[:2] == (height, width):
        return frame
    shrinks = frame.shape[0] > height
    return np.asarray(
        cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    )


def _show(pair: Pair, reference: Reference, results: Mapping[str, Sequence[Pixels]], out: Path) -> None:
    """A contact sheet and a video of all rows."""
    columns = np.linspace(0, len(reference.frames) - 1, SHEET_COLUMNS).astype(int)
    shown: dict[str, Sequence[Pixels]] = {"source": [reference.source] * len(reference.frames)}
    shown |= {name: frames for name, frames in results.items() if name != FROZEN}
    sheet = contact_sheet([[frames[i] for i in columns] for frames in shown.values()], tuple(shown))
    write_image(out / "sheets" / f"{pair.name}.png", sheet)
    rows = [tile_row([f[t] for f in shown.values()], 256) for t in range(len(reference.frames))]
    height, width = rows[0].shape[:2]
    path = out / "videos" / f"{pair.name}.mp4"
    with VideoWriter(path, reference.rate, width, height, crf=26) as writer:
        for row in rows:
            writer.write(row)


def _keys(reference: Reference) -> dict[str, Any]:
    """By what results are told apart: rotation from the source and mouth opening of each frame, skin tone, size."""
    pair, motion = reference.pair, reference.motion
    tone = skin_tone_deg(reference.source, pair.source.landmarks()[0][pair.source_frame])
    return {
        "rotation_deg": np.degrees(turned_from(motion, pair.reference)).tolist(),
        "opening": mouth_opening(motion, reference.judges.model).tolist(),
        "skin_tone_deg": tone if np.isfinite(tone) else None,
        "face_px": float(pair.source.note["face_px"]),
    }


def _plain(row: Measured) -> dict[str, Any]:
    spectrum = None if row.spectrum is None else [part.tolist() for part in row.spectrum]
    return {
        "frames": {name: _nulls(values) for name, values in row.frames.items()},
        "clip": {name: value if np.isfinite(value) else None for name, value in row.clip.items()},
        "spectrum": spectrum,
    }


def _nulls(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float64)
