"""From what was measured to the report: means with intervals, differences, bins, worst clips first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from faceanime.evaluate.geometry import BlinkCounts
from faceanime.evaluate.measure import REGIONS, Measured
from faceanime.evaluate.pairs import Pair, note_of
from faceanime.evaluate.perceptual import frechet_distance
from faceanime.evaluate.report import Better, Cell, Heading, Plot, Report, Section, Sheet, Table, Video
from faceanime.evaluate.run import FROZEN, TRUTH, EvaluateConfig, load_measured
from faceanime.evaluate.statistics import binned, mean_over_clips, paired_difference
from faceanime.media.image import read_image

LOWER: Better = "lower"


@dataclass(frozen=True)
class Column:
    """A metric as the report shows it; `key` is its name in `Measured`, a frame's or a clip's number."""

    key: str
    title: str
    better: Better
    meaning: str


PICTURE = (
    Column("l1_crop", "L1", "lower", "mean absolute difference, grey levels of 255"),
    Column("psnr_crop", "PSNR", "higher", "dB"),
    Column("ssim_crop", "SSIM", "higher", "Wang et al. 2004"),
    Column("ms_ssim_crop", "MS-SSIM", "higher", "Wang et al. 2003"),
    Column("lpips_crop", "LPIPS", "lower", "Zhang et al. 2018"),
)
REGION = tuple(Column(f"l1_{region}", f"{region}", "lower", "L1 there") for region in REGIONS)
SHARPNESS = tuple(
    Column(f"sharpness_{region}", f"{region}", "", "Laplacian energy over that of the truth")
    for region in REGIONS
)
FACE = (
    Column("identity", "CSIM", "higher", "cosine similarity of identity to the source"),
    Column("keypoints_px", "AKD", "lower", "mean distance of 468 mesh points, px of 256"),
    Column("missing", "MKR", "lower", "share of frames without a face where the driver shows one"),
    Column(
        "expression",
        "AED",
        "lower",
        "mean absolute difference of re-fitted expression coefficients (PIRenderer)",
    ),
    Column("pose_deg", "APD", "lower", "mean absolute difference of yaw, pitch, roll, degrees (PIRenderer)"),
    Column("gaze_deg", "gaze", "lower", "angle between the gazes, degrees; blinks left out"),
)
TIME = (
    Column("temporal", "temporal error", "lower", "mean absolute difference of frame differences"),
    Column(
        "warping",
        "warping error",
        "lower",
        "against the last frame carried along the true motion (Lai et al.)",
    ),
    Column("jitter", "jitter", "", "landmark motion above 6 Hz over that of the driver; 1 is best"),
)
ROTATION_EDGES = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 90.0)
OPENING_EDGES = (-1.0, 0.05, 0.1, 0.2, 0.3, 2.0)
TONE_EDGES = (-90.0, -30.0, 10.0, 28.0, 41.0, 55.0, 90.0)
SIZE_EDGES = (0.0, 100.0, 130.0, 160.0, 4000.0)
WORST = 10

Rows = Mapping[str, Measured]


class Results:
    """All pairs' numbers."""

    def __init__(self, out: Path, pairs: Sequence[Pair]) -> None:
        loaded = [load_measured(out, pair) for pair in pairs]
        self.pairs, self.out = pairs, out
        self.measured: list[Rows] = [rows for rows, _ in loaded]
        self.keys: list[dict[str, Any]] = [keys for _, keys in loaded]
        self.rows = tuple(self.measured[0])
        self.has_truth = pairs[0].has_truth

    def per_clip(self, row: str, key: str) -> Float[np.ndarray, "C"]:
        """One number a clip: the mean over its frames; NaN where it was not measured."""
        return np.array([_of_clip(rows[row], key) for rows in self.measured])

    def blinks(self, row: str) -> BlinkCounts:
        """The blinks of all clips."""
        counts = BlinkCounts()
        for rows in self.measured:
            clip = rows[row].clip
            if "blinks_right" in clip:
                counts += BlinkCounts(*(int(clip[f"blinks_{k}"]) for k in ("right", "spurious", "missed")))
        return counts


def _of_clip(measured: Measured, key: str) -> float:
    if key in measured.clip:
        return measured.clip[key]
    values = measured.frames.get(key, np.zeros(0))
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def report_of(out: Path, pairs: Sequence[Pair], config: EvaluateConfig, command: str) -> Report:
    """The report of a protocol whose pairs are all measured."""
    results = Results(out, pairs)
    frames = sum(note_of(pair).frames for pair in pairs)
    people = len({pair.driver.person for pair in pairs})
    sections: list[Section] = [Heading("All clips", _all_note(results, frames, people))]
    sections += _overall(results, config)
    if results.has_truth:
        sections += _shares(results)
    sections.append(
        Heading("By what makes it hard", "Mean over frames; bins in which no frame falls are left out.")
    )
    sections += _by_bins(results)
    sections.append(_spectra(results))
    sections += _clips(results)
    settings = {"config": asdict(config), "pairs": [asdict(note_of(pair)) for pair in pairs]}
    return Report(_TITLES[config.protocol], command, _strings(settings), tuple(sections))


def report_of_tables(tables: Sequence[Table], config: EvaluateConfig, command: str) -> Report:
    """The report of a protocol that has no pairs of pictures."""
    return Report(_TITLES[config.protocol], command, _strings({"config": asdict(config)}), tuple(tables))


_TITLES = {
    "self": "Self-reenactment",
    "cross": "Cross-person reenactment",
    "predict": "Imagined motion",
    "target": "Motion toward a target",
    "speed": "Speed",
}


def _all_note(results: Results, frames: int, people: int) -> str:
    return (
        f"{len(results.pairs)} clips of {people} people, {frames} frames. Row {TRUTH}: the driver's own frames, what "
        f"the measures themselves err; row {FROZEN}: the source, unmoved. Means over clips, 95 % intervals."
    )


def _overall(results: Results, config: EvaluateConfig) -> list[Section]:
    tables: list[Section] = []
    if results.has_truth:
        tables.append(_table(results, "Pictures", PICTURE, _missing(config)))
        tables.append(
            _table(results, "L1 by region", REGION, "Hulls of the true landmarks; outside: all else.")
        )
        tables.append(_table(results, "Sharpness by region", SHARPNESS, "1 is as sharp as the truth."))
    tables.append(_faces(results))
    tables.append(_table(results, "Time", TIME, ""))
    tables += _sets(results, config)
    return tables


def _missing(config: EvaluateConfig) -> str:
    return "" if config.lpips_weights else "LPIPS not measured: needs --lpips-weights FILE."


def _table(results: Results, title: str, columns: Sequence[Column], note: str) -> Table:
    shown = [c for c in columns if any(np.isfinite(results.per_clip(r, c.key)).any() for r in results.rows)]
    meaning = "; ".join(f"{c.title}: {c.meaning}" for c in shown)
    rows = tuple((row, tuple(_mean(results.per_clip(row, c.key)) for c in shown)) for row in results.rows)
    return Table(
        title,
        tuple(c.title for c in shown),
        rows,
        f"{meaning}. {note}".strip(),
        tuple(c.better for c in shown),
    )


def _faces(results: Results) -> Table:
    table = _table(results, "Faces", FACE, "")
    rows = tuple((name, (*cells, results.blinks(name).f1)) for name, cells in table.rows)
    note = f"{table.note} Blink F1: blinks of all clips, at most two frames early or late."
    if "CSIM" not in table.columns:
        note += ' CSIM not measured: needs pip install "faceanime[identity]" or --identity-weights FILE.'
    return Table(table.title, (*table.columns, "blink F1"), rows, note, (*table.better, "higher"))


def _mean(values: Float[np.ndarray, "C"]) -> Cell:
    values = values[np.isfinite(values)]
    return mean_over_clips(values) if len(values) else float("nan")


def _sets(results: Results, config: EvaluateConfig) -> list[Section]:
    """Metrics of all frames together."""
    asked = {"fid": config.fid_weights, "fvd": config.fvd_weights}
    missing = [
        f"{name.upper()} not measured: needs --{name}-weights FILE"
        for name, path in asked.items()
        if path is None
    ]
    names = [name for name, path in asked.items() if path is not None]
    rows = []
    for row in results.rows:
        cells: list[Cell] = []
        for name in names:
            ours, real = (
                np.concatenate(
                    [rows[r].features[name] for rows in results.measured if name in rows[r].features]
                )
                for r in (row, TRUTH)
            )
            cells.append(frechet_distance(ours, real))
        rows.append((row, tuple(cells)))
    note = (
        "; ".join(missing) + "." if missing else "Against the drivers' frames; few frames make it too large."
    )
    if not names:
        return [Heading("Sets of pictures", note)]
    return [
        Table("Sets of pictures", tuple(n.upper() for n in names), tuple(rows), note, (LOWER,) * len(names))
    ]


def _shares(results: Results) -> list[Section]:
    """Errors beside a frozen source's, and whether the differences are real."""
    others = [row for row in results.rows if row not in (TRUTH, FROZEN)]
    shares = tuple(
        (
            row,
            tuple(
                float(np.nanmean(results.per_clip(row, c.key)) / np.nanmean(results.per_clip(FROZEN, c.key)))
                for c in REGION
            ),
        )
        for row in others
    )
    titles = tuple(c.title for c in REGION)
    tables: list[Section] = [
        Table(
            "L1 as a share of a frozen source's",
            titles,
            shares,
            "Below 1: better than not moving.",
            (LOWER,) * 4,
        )
    ]
    differences = []
    for row in others:
        for rival in (FROZEN, *others):
            if rival != row and (rival == FROZEN or others.index(rival) < others.index(row)):
                cells = tuple(_difference(results, row, rival, c.key) for c in REGION)
                differences.append((f"{row} - {rival}", cells))
    note = "Paired over clips: where 0 lies outside the interval the two differ."
    tables.append(Table("Differences in L1", titles, tuple(differences), note))
    return tables


def _difference(results: Results, row: str, rival: str, key: str) -> Cell:
    ours, theirs = results.per_clip(row, key), results.per_clip(rival, key)
    both = np.isfinite(ours) & np.isfinite(theirs)
    return paired_difference(ours[both], theirs[both]) if both.any() else float("nan")


def _by_bins(results: Results) -> list[Section]:
    def of_frames(name: str) -> Callable[[int, int], Float[np.ndarray, "T"]]:
        return lambda clip, frames: np.array(results.keys[clip][name])

    def of_clip(name: str) -> Callable[[int, int], Float[np.ndarray, "T"]]:
        def repeated(clip: int, frames: int) -> Float[np.ndarray, "T"]:
            value = results.keys[clip][name]
            return np.full(frames, np.nan if value is None else value)

        return repeated

    kinds = (
        ("Rotation from the source, degrees", of_frames("rotation_deg"), ROTATION_EDGES),
        ("Mouth opening, eye distances", of_frames("opening"), OPENING_EDGES),
        (
            "Skin tone, typology angle in degrees (55 very light, -30 dark)",
            of_clip("skin_tone_deg"),
            TONE_EDGES,
        ),
        ("Height of the face in the video, px", of_clip("face_px"), SIZE_EDGES),
    )
    metrics = REGION[:3] if results.has_truth else (FACE[3], FACE[4])
    return [_binned_table(results, title, keys, edges, metrics) for title, keys, edges in kinds]


def _binned_table(
    results: Results,
    title: str,
    keys: Callable[[int, int], Float[np.ndarray, "T"]],
    edges: Sequence[float],
    metrics: Sequence[Column],
) -> Table:
    """Rows are bins, columns methods, for each metric."""
    methods = [row for row in results.rows if row != TRUTH]
    columns = ("frames", *(f"{c.title}: {row}" for c in metrics for row in methods))
    found = []
    for column in metrics:
        for row in methods:
            values = [rows[row].frames.get(column.key, np.zeros(0)) for rows in results.measured]
            of_values = [keys(clip, len(v)) for clip, v in enumerate(values)]
            found.append(binned(np.concatenate(values), np.concatenate(of_values), edges))
    rows = []
    for index, first in enumerate(found[0]):
        if first.count:
            cells = (first.count, *(bins[index].mean for bins in found))
            rows.append((f"{first.low:g} to {first.high:g}", cells))
    return Table(title, columns, tuple(rows), "", digits=1)


def _spectra(results: Results) -> Plot:
    """Mean power of landmark motion; clips of other lengths are read at the same frequencies."""
    frequency = np.linspace(0.5, 12.0, 24)
    series = {}
    for row in results.rows:
        spectra = [rows[row].spectrum for rows in results.measured]
        powers = [np.interp(frequency, *spectrum) for spectrum in spectra if spectrum is not None]
        if powers and row != FROZEN:
            series[row] = (frequency, np.mean(powers, axis=0))
    note = "What trembles more than the filmed face does above 6 Hz flickers; what moves less is stiff."
    return Plot("Spectrum of landmark motion", "Hz", "px² / Hz", series, note, log_y=True)


def _clips(results: Results) -> list[Section]:
    """Every clip, worst first; pictures of the worst, videos of all."""
    method = next(row for row in results.rows if row not in (TRUTH, FROZEN))
    key = "l1_face" if results.has_truth else "expression"
    badness = np.nan_to_num(results.per_clip(method, key), nan=np.inf)
    if results.has_truth:
        badness = badness / np.maximum(results.per_clip(FROZEN, key), 1e-6)
    order = np.argsort(-badness, kind="stable")
    columns = REGION if results.has_truth else (FACE[0], FACE[3], FACE[4])
    rows = tuple(
        (results.pairs[i].name, tuple(_of_clip(results.measured[i][method], c.key) for c in columns))
        for i in order
    )
    name = f"Every clip, worst first ({method})"
    sections: list[Section] = [
        Heading(
            "Clips", "Worst first: by face error over that of a frozen source; across people, by expression."
        ),
        Table(name, tuple(c.title for c in columns), rows, "", digits=2),
    ]
    for rank, i in enumerate(order):
        pair = results.pairs[i]
        if rank < WORST:
            sections.append(Sheet(pair.name, read_image(results.out / "sheets" / f"{pair.name}.png")))
        sections.append(
            Video(pair.name, results.out / "videos" / f"{pair.name}.mp4", "source, then each row")
        )
    return sections


def _strings(value: Any) -> Any:
    """Paths as text."""
    if isinstance(value, dict):
        return {key: _strings(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strings(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value
