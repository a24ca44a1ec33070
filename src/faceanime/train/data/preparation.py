"""Videos in, shards of clips with their 3D faces out: tracked, cut, judged, cropped, fitted, packed.

Each video is read twice, to find its runs and to cut them out, so that memory does not grow with its length.
What is done of a video stands in a folder of its own in OUT/.work, there as a whole or not at all: after a kill
the same command goes on with the next one.
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
from faceanime.dataset.shards import LANDMARKS, LANDMARKS_KIND, MOTION, NOTE, VIDEO, find_shards, write_shards
from faceanime.dynamics.motion_file import MotionNote, save_motion
from faceanime.face.crop import crop_pixels
from faceanime.face.detect import MediapipeDetector
from faceanime.face.track import LandmarkTracker
from faceanime.media.contact_sheet import Picture, contact_sheet
from faceanime.media.image import read_image, write_image
from faceanime.media.video import read_frames
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.structures.frames import Frame
from faceanime.structures.landmarks import CropTransform, Landmarks
from faceanime.train.data.segments import (
    PrepareConfig,
    Quality,
    Run,
    find_runs,
    fit_run,
    look_at,
    measure_run,
    why_not,
    window_of,
)
from faceanime.train.data.videos import SPLITS, TABLE, Source, find_sources

Row: TypeAlias = dict[str, Any]  # of JSON values: what is written down of one run

CONFIG, WORK, RECORD = "config.json", ".work", "record.json"
NO_FACE = "no face"
UNREADABLE = "cannot be read"
SHEET_COLUMNS, SHEET_ROWS, TILE_PX = 10, 4, 128
_COLUMNS = ("key", "kept", "why", "split", "person", "source", "start_s", "frames")


@dataclass(frozen=True)
class Prepared:
    """How many clips were kept, by split, and dropped, by reason."""

    kept: Mapping[str, int]
    dropped: Mapping[str, int]


def prepare(videos: Sequence[Path], out: Path, config: PrepareConfig, progress: Progress) -> Prepared:
    """Turn videos (see `find_sources`) into shards in `out`, or go on where an earlier call was stopped.

    `out` receives SPLIT-000000.tar and so on (see `shards`), clips.csv (a row for each run), kept.png and
    dropped.png (some of each, to look at) and config.json. A video that cannot be read is a dropped row. The same
    videos and settings give the same bytes. Raises ConfigError, MediaError, OutputError, Cancelled.
    """
    sources = find_sources(videos)
    work = _opened(out, config)
    studio = _Studio(config, progress)
    progress.stage("preparing", len(sources))
    records = {}
    for source in sources:
        told = {**asdict(source), "path": "", "bytes": _bytes_in(source.path), "model": studio.model.id}
        done = _record(work / source.key, told)
        records[source.key] = studio.prepare(source, told, work / source.key) if done is None else done
        progress.advance()
    progress.stage("packing", None)
    _pack(out, work, records, config)
    rows = [row for record in records.values() for row in record]
    return Prepared(
        Counter(row["split"] for row in rows if not row["why"]),
        Counter(_kind(row) for row in rows if row["why"]),
    )


class _Studio:
    """Makes the clips of one video after another; the networks are loaded once."""

    def __init__(self, config: PrepareConfig, progress: Progress) -> None:
        self.model: MorphableModel = load_model()
        self._config, self._progress = config, progress
        self._rate = Fraction(config.frame_rate)
        self._detector = MediapipeDetector()
        self._tracker = LandmarkTracker(config.track, self._detector, self.model)

    def prepare(self, source: Source, told: Row, folder: Path) -> list[Row]:
        """Write the clips of a video to `folder`, and what was found out; return that, a row for each run."""
        try:
            with atomic_output(folder, folder=True) as draft:
                return _recorded(draft, told, self._clips(source, draft))
        except MediaError as error:
            why = f"{UNREADABLE}: {str(error).removeprefix(f'cannot read {source.path}: ')}"
        with atomic_output(folder, folder=True) as draft:
            return _recorded(draft, told, [_row(source, "", why)])

    def _clips(self, source: Source, folder: Path) -> list[Row]:
        rows, windows, runs = [], [], []
        with self._frames(source) as frames:
            looks = look_at(frames, self._tracker, self._detector, self._config)
            for number, run in enumerate(find_runs(looks, self._config)):
                key = f"{source.key}-{number:03d}"
                window = window_of(run, self._config.size)
                rows.append(self._judged(source, run, window, folder / key))
                # Landmarks are written by now: only where the run lies is kept for the second pass.
                runs.append((run.first, len(run.landmarks)))
                windows.append(window)
        if not rows:
            return [_row(source, "", f"{NO_FACE}: in none of its frames")]
        with self._frames(source) as frames:
            at = 0
            for row, (first, count), window in zip(rows, runs, windows, strict=True):
                part = islice(frames, first - at, first - at + count)
                self._cut_out(part, count, window, folder / row["key"], dropped=bool(row["why"]))
                at = first + count
        return rows

    def _judged(self, source: Source, run: Run, window: CropTransform, path: Path) -> Row:
        """The row of a run; if it is good, its motion, landmarks and note are written to `path`.* ."""
        face = fit_run(run, window, self.model, self._config, source.name)
        quality = measure_run(run, window, face, self.model)
        why = why_not(quality, self._config)
        row = _row(source, path.name, why, float(run.first / self._rate), len(run.landmarks), quality)
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
        side = self._config.size * window.image_from_crop[0, 0]
        corner = window.image_from_crop[:, 2].tolist()
        note = {
            **{name: value for name, value in row.items() if name not in ("kept", "why")},
            "frame_rate": self._config.frame_rate,
            "window_px": [round(float(v), 3) for v in (*corner, side)],
            "rights": terms,
        }
        Path(f"{path}.{NOTE}").write_text(_json(note), encoding="utf-8")
        return row

    def _cut_out(
        self, frames: Iterator[Frame], count: int, window: CropTransform, path: Path, dropped: bool
    ) -> None:
        """Write the crop of a run's frames, all of which are taken: as a video, or its middle as a picture."""
        if dropped:
            for index, frame in enumerate(frames):
                if index == count // 2:
                    write_image(Path(f"{path}.png"), crop_pixels(frame.pixels, window))
            return
        size = self._config.size
        with VideoWriter(Path(f"{path}.{VIDEO}"), self._rate, size, size, crf=self._config.crf) as writer:
            for frame in frames:
                writer.write(crop_pixels(frame.pixels, window))

    @contextmanager
    def _frames(self, source: Source) -> Iterator[Iterator[Frame]]:
        """The frames of a video, decoded ahead, until the user stops."""
        decoded = prefetch(read_frames(source.path, frame_rate=self._rate))
        try:
            yield self._until_cancelled(decoded)
        finally:
            if isinstance(decoded, Generator):
                decoded.close()

    def _until_cancelled(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self._progress.cancelled:
                raise Cancelled("stopped by the user; finished videos are kept: the same command goes on")
            yield frame


def _opened(out: Path, config: PrepareConfig) -> Path:
    """The folder for work in `out`, which is new, empty, or was left unfinished under the same settings."""
    work, settings = out / WORK, out / CONFIG
    if (out / TABLE).is_file():
        raise OutputError(
            f"{out} is prepared already; choose another folder, or remove it to prepare it anew"
        )
    if work.is_dir() and settings.is_file():
        before = load_config(PrepareConfig, settings)
        if before != config:
            raise ConfigError(
                f"{out} was begun with other settings ({_difference(before, config)}); "
                "go on with those, or choose another folder"
            )
        for left in work.glob(".faceanime-*"):  # of a kill that left no time to clear up
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
    """The first setting that is not the same."""
    lines = zip(to_json(before).splitlines(), to_json(now).splitlines(), strict=True)
    was, is_now = next((a.strip(" ,"), b.strip(" ,")) for a, b in lines if a != b)
    return f"{was}, now {is_now.rpartition(': ')[2]}"


def _bytes_in(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _record(folder: Path, told: Row) -> list[Row] | None:
    """The rows of a video that is done; None when it is not, or is no longer what it was."""
    if not folder.is_dir():
        return None
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    if record["source"] == json.loads(_json(told)):
        rows: list[Row] = record["rows"]
        return rows
    shutil.rmtree(folder)
    return None


def _recorded(folder: Path, told: Row, rows: list[Row]) -> list[Row]:
    (folder / RECORD).write_text(_json({"source": told, "rows": rows}), encoding="utf-8")
    return rows


def _row(
    source: Source, key: str, why: str, start_s: float = 0.0, frames: int = 0, quality: Quality | None = None
) -> Row:
    row = {
        "key": key or source.key, "kept": "no" if why else "yes", "why": why, "split": source.split,
        "person": source.person, "source": source.name, "start_s": round(start_s, 4), "frames": frames,
    }  # fmt: skip
    return {**row, **(quality.rounded() if quality else {})}


def _held(seen: Sequence[Landmarks | None]) -> np.ndarray:
    """Points (T,478,3) float32; frames without a face repeat the one before, and the first has one."""
    points: list[np.ndarray] = []
    for face in seen:
        points.append(points[-1] if face is None else face.points_image)
    return np.stack(points)


def _kind(row: Row) -> str:
    """The reason without its numbers."""
    return str(row["why"]).partition(":")[0]


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _pack(out: Path, work: Path, records: Mapping[str, Sequence[Row]], config: PrepareConfig) -> None:
    """Write what the user gets; clips.csv comes last and says that all is there."""
    rows = [row for record in records.values() for row in record]
    stems = {row["key"]: work / key / row["key"] for key, record in records.items() for row in record}
    kept = [row for row in rows if not row["why"]]
    for split in SPLITS:
        for shard in find_shards(out, split):  # of a packing that was stopped
            shard.unlink()
        keys = [row["key"] for row in kept if row["split"] == split]
        files = [
            Path(f"{stems[key]}.{member}") for key in keys for member in (VIDEO, MOTION, LANDMARKS, NOTE)
        ]
        write_shards(out, split, files, config.shard_samples)
    _write_sheet(out / "kept.png", kept, lambda row: str(row["split"]), lambda row: _middle(stems, row))
    seen = [row for row in rows if row["why"] and row["frames"]]
    _write_sheet(out / "dropped.png", seen, _kind, lambda row: read_image(Path(f"{stems[row['key']]}.png")))
    _write_table(out / TABLE, rows)
    shutil.rmtree(work)


def _write_sheet(
    path: Path, rows: Iterable[Row], group_of: Callable[[Row], str], picture_of: Callable[[Row], Picture]
) -> None:
    """Some of each group, spread evenly over it; no file when there is no row at all."""
    groups: dict[str, list[Row]] = defaultdict(list)
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


def _middle(stems: Mapping[str, Path], row: Row) -> Picture:
    frames = read_frames(Path(f"{stems[row['key']]}.{VIDEO}"))
    return next(islice(frames, row["frames"] // 2, None)).pixels


def _write_table(path: Path, rows: Sequence[Row]) -> None:
    columns = [*_COLUMNS, *(each.name for each in fields(Quality))]
    with atomic_output(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
