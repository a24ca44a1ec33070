"""Prepare videos for training: track, cut, judge, crop and fit them, and pack the clips into shards.

Each video is read twice, to find its segments and to cut them out, so that memory does not grow with its length. The
clips of a finished video lie in a folder of its own in OUT/.work, which exists as a whole or not at all: after a kill
the same command continues with the next video.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from faceanime.core.concurrency import prefetch
from faceanime.core.config import load_config, save_config, to_json
from faceanime.core.errors import Cancelled, ConfigError, MediaError, OutputError
from faceanime.core.files import atomic_output
from faceanime.core.progress import Progress
from faceanime.core.weights import save_weights
from faceanime.dataset.shards import LANDMARKS, LANDMARKS_KIND, MOTION, NOTE, VIDEO, write_shards
from faceanime.dataset.splits import find_shards
from faceanime.dynamics.motion_file import MotionNote, save_motion
from faceanime.face.crop import crop_pixels
from faceanime.face.detect import LandmarkDetector
from faceanime.face.track import LandmarkTracker
from faceanime.media.contact_sheet import Picture, contact_sheet
from faceanime.media.image import read_image, write_image
from faceanime.media.video import read_frames
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import MorphableModel
from faceanime.structures.frames import Frame
from faceanime.structures.landmarks import CropTransform, Landmarks
from faceanime.train.data.clip_table import CLIPS
from faceanime.train.data.config import PrepareConfig
from faceanime.train.data.quality import ClipQuality, measure_segment, reason_to_drop
from faceanime.train.data.segments import (
    Segment,
    crop_of,
    find_faces,
    find_segments,
    fit_segment,
)
from faceanime.train.data.videos import SPLITS, Source, find_sources

ClipRow: TypeAlias = dict[str, Any]
"""JSON values that describe one segment: a row of clips.csv."""

CONFIG, WORK, RECORD = "config.json", ".work", "record.json"
NO_FACE = "no face"
UNREADABLE = "cannot be read"
SHEET_COLUMNS, SHEET_ROWS, TILE_PX = 10, 4, 128
"""Size of contact sheets, and side of their pictures."""
_COLUMNS = ("key", "kept", "why", "split", "person", "source", "start_s", "frames")


@dataclass(frozen=True)
class Prepared:
    """The number of clips that were kept, by split, and that were dropped, by reason."""

    kept: Mapping[str, int]
    dropped: Mapping[str, int]


def prepare(
    videos: Sequence[Path],
    out: Path,
    config: PrepareConfig,
    detector: LandmarkDetector,
    model: MorphableModel,
    progress: Progress,
) -> Prepared:
    """Turn videos (see `find_sources`) into shards in `out`, or continue where an earlier call was stopped.

    `out` receives SPLIT-000000.tar and so on (see `shards`), clips.csv (a row for each segment), kept.png and
    dropped.png (some of each) and config.json. A video that cannot be read is a dropped row. The same videos and
    settings give the same bytes. Raises ConfigError, MediaError, OutputError, Cancelled.
    """
    sources = find_sources(videos)
    work = _opened(out, config)
    studio = _Studio(config, detector, model, progress)
    progress.stage("preparing", len(sources))
    records = {}
    for source in sources:
        source_record = {**asdict(source), "path": "", "bytes": _bytes_in(source.path), "model": model.id}
        folder = work / source.key
        rows = _finished_rows(folder, source_record)
        records[source.key] = studio.prepare(source, source_record, folder) if rows is None else rows
        progress.advance()
    progress.stage("packing", None)
    _pack(out, work, records, config)
    rows = [row for record in records.values() for row in record]
    return Prepared(
        Counter(row["split"] for row in rows if not row["why"]),
        Counter(_kind(row) for row in rows if row["why"]),
    )


class _Studio:
    """Makes the clips of one video after another, with one detector and one model."""

    def __init__(
        self, config: PrepareConfig, detector: LandmarkDetector, model: MorphableModel, progress: Progress
    ) -> None:
        self._config, self._detector, self._model, self._progress = config, detector, model, progress
        self._rate = Fraction(config.frame_rate)
        self._tracker = LandmarkTracker(config.track, detector, model)

    def prepare(self, source: Source, source_record: ClipRow, folder: Path) -> list[ClipRow]:
        """Write the clips of a video and their record to `folder`; return a row for each segment."""
        try:
            with atomic_output(folder, folder=True) as draft:
                return _recorded(draft, source_record, self._clips(source, draft))
        except MediaError as error:
            why = f"{UNREADABLE}: {str(error).removeprefix(f'cannot read {source.path}: ')}"
        with atomic_output(folder, folder=True) as draft:
            return _recorded(draft, source_record, [_row(source, "", why)])

    def _clips(self, source: Source, folder: Path) -> list[ClipRow]:
        rows, crops, places = [], [], []
        with self._frames(source) as frames:
            faces = find_faces(frames, self._tracker, self._detector, self._config)
            for number, segment in enumerate(find_segments(faces, self._config)):
                key = f"{source.key}-{number:03d}"
                crop = crop_of(segment, self._config.size)
                rows.append(self._judged(source, segment, crop, folder / key))
                # Landmarks are written by now: the second pass needs the place of the segment alone.
                places.append((segment.first, len(segment.landmarks)))
                crops.append(crop)
        if not rows:
            return [_row(source, "", f"{NO_FACE}: in none of its frames")]
        with self._frames(source) as frames:
            at = 0
            for row, (first, count), crop in zip(rows, places, crops, strict=True):
                part = islice(frames, first - at, first - at + count)
                self._cut_out(part, count, crop, folder / row["key"], dropped=bool(row["why"]))
                at = first + count
        return rows

    def _judged(self, source: Source, segment: Segment, crop: CropTransform, path: Path) -> ClipRow:
        """The row of a segment; its motion, landmarks and note are written to `path`.* if it is kept."""
        face = fit_segment(segment, crop, self._model, self._config, source.name)
        quality = measure_segment(segment, crop, face, self._model)
        why = reason_to_drop(quality, self._config)
        start_s = float(segment.first / self._rate)
        row = _row(source, path.name, why, start_s, len(segment.landmarks), quality)
        if why:
            return row
        terms = dict(source.rights)
        licence = terms.get("licence") or terms.get("license") or "unknown"
        provenance = f"faceanime prepare, {source.name} from {row['start_s']:g} s"
        save_motion(face.smoothed, Path(f"{path}.{MOTION}"), MotionNote(licence, provenance))
        tracked = np.array([found is not None for found in face.landmarks], np.uint8)
        pinned = np.array([found is not None and found.pinned for found in face.landmarks], np.uint8)
        save_weights(
            Path(f"{path}.{LANDMARKS}"),
            {"points": _held(face.landmarks), "tracked": tracked, "pinned": pinned},
            LANDMARKS_KIND,
            {"crop_size_px": self._config.size},
        )
        side = self._config.size * crop.image_from_crop[0, 0]
        corner = crop.image_from_crop[:, 2].tolist()
        note = {
            **{name: value for name, value in row.items() if name not in ("kept", "why")},
            "frame_rate": self._config.frame_rate,
            "window_px": [round(float(v), 3) for v in (*corner, side)],
            "rights": terms,
        }
        Path(f"{path}.{NOTE}").write_text(_json(note), encoding="utf-8")
        return row

    def _cut_out(
        self, frames: Iterator[Frame], count: int, crop: CropTransform, path: Path, dropped: bool
    ) -> None:
        """Write the crop of a segment's frames: as a video, or its middle frame as a picture if it is dropped."""
        if dropped:
            for index, frame in enumerate(frames):
                if index == count // 2:
                    write_image(Path(f"{path}.png"), crop_pixels(frame.pixels, crop))
            return
        size = self._config.size
        with VideoWriter(Path(f"{path}.{VIDEO}"), self._rate, size, size, crf=self._config.crf) as writer:
            for frame in frames:
                writer.write(crop_pixels(frame.pixels, crop))

    @contextmanager
    def _frames(self, source: Source) -> Iterator[Iterator[Frame]]:
        """The frames of a video, decoded in advance, until the user stops the work."""
        decoded = prefetch(read_frames(source.path, frame_rate=self._rate))
        try:
            yield self._until_cancelled(decoded)
        finally:
            if isinstance(decoded, Generator):
                decoded.close()

    def _until_cancelled(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self._progress.cancelled:
                raise Cancelled(
                    "stopped by the user; finished videos are kept, and the same command continues"
                )
            yield frame


def _opened(out: Path, config: PrepareConfig) -> Path:
    """The folder for unfinished work in `out`, which is new, empty, or was left unfinished with the same settings."""
    work, settings = out / WORK, out / CONFIG
    if (out / CLIPS).is_file():
        raise OutputError(
            f"{out} is prepared already; choose another folder, or remove it to prepare it again"
        )
    if work.is_dir() and settings.is_file():
        before = load_config(PrepareConfig, settings)
        if before != config:
            raise ConfigError(
                f"{out} was begun with other settings ({_difference(before, config)}); "
                "continue with those, or choose another folder"
            )
        for left in work.glob(".faceanime-*"):  # left by a kill
            shutil.rmtree(left, ignore_errors=True)
        return work
    if out.exists() and (not out.is_dir() or any(path != work for path in out.iterdir())):
        raise OutputError(f"cannot write to {out}: it is not an empty folder; choose another name")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}; choose another place") from error
    save_config(config, settings)
    return work


def _difference(before: PrepareConfig, now: PrepareConfig) -> str:
    """The first setting that differs."""
    lines = zip(to_json(before).splitlines(), to_json(now).splitlines(), strict=True)
    was, is_now = next((a.strip(" ,"), b.strip(" ,")) for a, b in lines if a != b)
    return f"{was}, now {is_now.rpartition(': ')[2]}"


def _bytes_in(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _finished_rows(folder: Path, source_record: ClipRow) -> list[ClipRow] | None:
    """The rows of a finished video; None where it is unfinished or has changed since."""
    if not folder.is_dir():
        return None
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    if record["source"] == json.loads(_json(source_record)):
        rows: list[ClipRow] = record["rows"]
        return rows
    shutil.rmtree(folder)
    return None


def _recorded(folder: Path, source_record: ClipRow, rows: list[ClipRow]) -> list[ClipRow]:
    """Write the record of a finished video, and return its rows."""
    (folder / RECORD).write_text(_json({"source": source_record, "rows": rows}), encoding="utf-8")
    return rows


def _row(
    source: Source,
    key: str,
    why: str,
    start_s: float = 0.0,
    frames: int = 0,
    quality: ClipQuality | None = None,
) -> ClipRow:
    row = {
        "key": key or source.key, "kept": "no" if why else "yes", "why": why, "split": source.split,
        "person": source.person, "source": source.name, "start_s": round(start_s, 4), "frames": frames,
    }  # fmt: skip
    return {**row, **(quality.rounded() if quality else {})}


def _held(landmarks: Sequence[Landmarks | None]) -> np.ndarray:
    """Points (T,L,3) float32; frames without a face, which the first is not, repeat the previous ones."""
    points: list[np.ndarray] = []
    for face in landmarks:
        points.append(points[-1] if face is None else face.points_image)
    return np.stack(points)


def _kind(row: ClipRow) -> str:
    """The reason without its numbers."""
    return str(row["why"]).partition(":")[0]


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _pack(out: Path, work: Path, records: Mapping[str, Sequence[ClipRow]], config: PrepareConfig) -> None:
    """Write the shards, contact sheets and table; clips.csv comes last and marks `out` as complete."""
    rows = [row for record in records.values() for row in record]
    stems = {row["key"]: work / key / row["key"] for key, record in records.items() for row in record}
    kept = [row for row in rows if not row["why"]]
    for split in SPLITS:
        for shard in find_shards(out, split):  # left by a packing that was stopped
            shard.unlink()
        keys = [row["key"] for row in kept if row["split"] == split]
        files = [
            Path(f"{stems[key]}.{member}") for key in keys for member in (VIDEO, MOTION, LANDMARKS, NOTE)
        ]
        write_shards(out, split, files, config.shard_samples)
    _write_sheet(out / "kept.png", kept, lambda row: str(row["split"]), lambda row: _middle(stems, row))
    dropped = [row for row in rows if row["why"] and row["frames"]]
    _write_sheet(
        out / "dropped.png", dropped, _kind, lambda row: read_image(Path(f"{stems[row['key']]}.png"))
    )
    _write_table(out / CLIPS, rows)
    shutil.rmtree(work)


def _write_sheet(
    path: Path,
    rows: Iterable[ClipRow],
    group_of: Callable[[ClipRow], str],
    picture_of: Callable[[ClipRow], Picture],
) -> None:
    """Write a contact sheet with some rows of each group, spread evenly over it; no file without any row."""
    groups: dict[str, list[ClipRow]] = defaultdict(list)
    for row in rows:
        groups[group_of(row)].append(row)
    lines, labels = [], []
    for name, members in sorted(groups.items()):
        count = min(len(members), SHEET_COLUMNS * SHEET_ROWS)
        chosen = [members[i] for i in np.linspace(0, len(members) - 1, count).astype(int)]
        for first in range(0, count, SHEET_COLUMNS):
            lines.append([picture_of(row) for row in chosen[first : first + SHEET_COLUMNS]])
            labels.append("" if first else f"{name}: {len(members)}")
    if lines:
        write_image(path, contact_sheet(lines, labels, TILE_PX))


def _middle(stems: Mapping[str, Path], row: ClipRow) -> Picture:
    """The middle frame of a clip."""
    frames = read_frames(Path(f"{stems[row['key']]}.{VIDEO}"))
    return next(islice(frames, row["frames"] // 2, None)).pixels


def _write_table(path: Path, rows: Sequence[ClipRow]) -> None:
    columns = [*_COLUMNS, *(each.name for each in fields(ClipQuality))]
    with atomic_output(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
