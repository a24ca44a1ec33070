"""From what was measured to the report: means with intervals, differences, bins, worst clips first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from faceanime.evaluate.geometry_metrics import BlinkCounts
from faceanime.evaluate.image_metrics import SMALLEST_MS_SSIM_PX
from faceanime.evaluate.measure import BLINK_TOLERANCE, REGIONS, Measured
from faceanime.evaluate.perceptual_metrics import frechet_distance
from faceanime.evaluate.reenactment_pairs import Pair, note_of
from faceanime.evaluate.report import JSON, Better, Cell, Heading, Plot, Report, Section, Sheet, Table, Video
from faceanime.evaluate.run import FROZEN, TRUTH, EvaluateConfig, flattered_rows, load_measured
from faceanime.evaluate.statistics import Bin, binned, mean_over_clips, paired_difference
from faceanime.media.image import read_image

LOWER: Better = "lower"
HIGHER: Better = "higher"
REFERENCES = (TRUTH, FROZEN)


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
_MS_SSIM = PICTURE[3]
REGION = tuple(Column(f"l1_{region}", region, "lower", "") for region in REGIONS)
STRUCTURE = tuple(
    Column(f"{key}_{region}", f"{title}: {region}", "higher", "")
    for key, title in (("psnr", "PSNR"), ("ssim", "SSIM"), ("ms_ssim", "MS-SSIM"))
    for region in REGIONS
)
SHARPNESS = tuple(Column(f"sharpness_{region}", region, "", "") for region in REGIONS)
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
ROTATION_EDGES = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, np.inf)
OPENING_EDGES = (-np.inf, 0.05, 0.1, 0.2, 0.3, np.inf)
TONE_EDGES = (-np.inf, -30.0, 10.0, 28.0, 41.0, 55.0, np.inf)
SIZE_EDGES = (0.0, 100.0, 130.0, 160.0, np.inf)
WORST, VIDEOS = 10, 30
"""How many clips are shown as pictures and as videos; the others lie beside the report."""

Rows = Mapping[str, Measured]


class Results:
    """All pairs' numbers."""

    def __init__(self, out: Path, pairs: Sequence[Pair]) -> None:
        loaded = [load_measured(out, pair) for pair in pairs]
        self.pairs, self.out = pairs, out
        self.measured: list[Rows] = [rows for rows, _ in loaded]
        self.keys: list[dict[str, Any]] = [keys for _, keys in loaded]
        self.rows = tuple(self.measured[0])
        self.methods = [row for row in self.rows if row not in REFERENCES]
        self.has_truth = pairs[0].has_truth

    def per_clip(self, row: str, key: str) -> Float[np.ndarray, " C"]:
        """One number a clip: the mean over its frames; NaN where it was not measured."""
        return np.array([_of_clip(rows[row], key) for rows in self.measured])

    def of_frames(self, row: str, key: str) -> Iterator[Float[np.ndarray, " T"]]:
        """For each clip one number a frame; NaN where it was not measured."""
        for pair, rows in zip(self.pairs, self.measured, strict=True):
            yield rows[row].frames.get(key, np.full(note_of(pair).frames, np.nan))

    def keys_of_frames(self, name: str) -> Iterator[Float[np.ndarray, " T"]]:
        """For each clip the key of each frame; a clip's own is repeated."""
        for pair, keys in zip(self.pairs, self.keys, strict=True):
            value = np.array(np.nan if keys[name] is None else keys[name], np.float64)
            yield np.broadcast_to(value, note_of(pair).frames)

    def blinks(self, row: str) -> BlinkCounts:
        """The blinks of all clips."""
        counts = BlinkCounts()
        for rows in self.measured:
            clip = rows[row].clip
            counts += BlinkCounts(*(int(clip[f"blinks_{k}"]) for k in ("right", "spurious", "missed")))
        return counts


def _of_clip(measured: Measured, key: str) -> float:
    if key in measured.clip:
        return measured.clip[key]
    values = _finite(measured.frames.get(key, np.zeros(0)))
    return float(values.mean()) if len(values) else np.nan


def report_of(out: Path, pairs: Sequence[Pair], config: EvaluateConfig, command: str) -> Report:
    """The report of a protocol whose pairs are all measured."""
    results = Results(out, pairs)
    frames = sum(note_of(pair).frames for pair in pairs)
    people = len({pair.driver.person for pair in pairs})
    sections: list[Section] = [Heading("All clips", _all_note(results, frames, people))]
    sections += _overall(results, config)
    sections += _comparisons(results)
    sections.append(
        Heading("By what makes it hard", "Mean over frames; bins in which no frame falls are left out.")
    )
    sections += _by_bins(results)
    sections += _spectra(results)
    sections += _clips(results)
    settings = {"config": asdict(config), "pairs": [asdict(note_of(pair)) for pair in pairs]}
    return Report(_TITLES[config.protocol], command, _strings(settings), tuple(sections))


def report_of_sections(
    sections: Sequence[Section], config: EvaluateConfig, command: str, settings: Mapping[str, JSON]
) -> Report:
    """The report of a protocol that has no pairs of pictures; `settings` besides the configuration."""
    told = _strings({"config": asdict(config), **settings})
    return Report(_TITLES[config.protocol], command, told, tuple(sections))


_TITLES = {
    "self": "Self-reenactment",
    "cross": "Cross-person reenactment",
    "predict": "Imagined motion",
    "target": "Motion toward a target",
    "speed": "Speed",
}


def _all_note(results: Results, frames: int, people: int) -> str:
    shown = f"{len(results.pairs)} clips of {people} people, {frames} frames"
    return (
        f"{shown}. Row {TRUTH}: the driver's own frames, which is what can be reached where nothing is perfect "
        f"(identity, warping error, jitter); row {FROZEN}: the source, unmoved. Means over clips with their 95 % "
        "intervals."
    )


def _overall(results: Results, config: EvaluateConfig) -> list[Section]:
    tables: list[Section] = []
    if results.has_truth:
        tables.append(_table(results, "Pictures", PICTURE, _missing(results, config)))
        regions = "Mean absolute difference in the hulls of the true face, mouth and eyes; outside: all but the face."
        tables.append(_table(results, "L1 by region", REGION, regions))
        tables.append(_table(results, "PSNR, SSIM and MS-SSIM by region", STRUCTURE, "The same regions."))
        tables.append(_table(results, "Sharpness by region", SHARPNESS, "Laplacian energy over the truth's."))
    tables.append(_faces(results, flattered_rows(config)))
    if any(_measured(results, column) for column in TIME):
        tables.append(_table(results, "Time", TIME, ""))
    return [*tables, _sets(results, config)]


def _missing(results: Results, config: EvaluateConfig) -> str:
    missing = [] if config.lpips_weights else ["LPIPS not measured: needs --lpips-weights FILE."]
    if not _measured(results, _MS_SSIM):
        missing.append(f"MS-SSIM not measured: needs clips of {SMALLEST_MS_SSIM_PX} px.")
    return " ".join(missing)


def _measured(results: Results, column: Column) -> bool:
    return any(np.isfinite(results.per_clip(row, column.key)).any() for row in results.rows)


def _table(results: Results, title: str, columns: Sequence[Column], note: str) -> Table:
    shown = [column for column in columns if _measured(results, column)]
    meaning = "; ".join(f"{c.title}: {c.meaning}" for c in shown if c.meaning)
    rows = tuple((row, tuple(_mean(results.per_clip(row, c.key)) for c in shown)) for row in results.rows)
    notes = [f"{meaning}." if meaning else "", note]
    return Table(
        title,
        tuple(c.title for c in shown),
        rows,
        " ".join(filter(None, notes)),
        tuple(c.better for c in shown),
        references=REFERENCES,
    )


def _faces(results: Results, flattered: Sequence[str]) -> Table:
    """Identity, landmarks, coefficients; `flattered` rows learned from the network that measures identity."""
    of_motion = "AED and APD: of departures from the driver's frame at rest."
    table = _table(results, "Faces", FACE, "" if results.has_truth else of_motion)
    rows = tuple((name, (*cells, results.blinks(name).f1)) for name, cells in table.rows)
    note = f"{table.note} Blink F1: blinks of all clips, at most {BLINK_TOLERANCE} frames early or late."
    if "CSIM" not in table.columns:
        note += ' CSIM not measured: needs pip install "faceanime[identity]" or --identity-weights FILE.'
    elif flattered:
        note += f" {' and '.join(flattered)} learned to please the network of CSIM: give another, --identity-weights."
    columns, better = (*table.columns, "blink F1"), (*table.better, HIGHER)
    return Table(table.title, columns, rows, note, better, references=REFERENCES)


def _mean(values: Float[np.ndarray, " C"]) -> Cell:
    values = _finite(values)
    return mean_over_clips(values) if len(values) else float("nan")


def _finite(values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " M"]:
    return values[np.isfinite(values)]


def _sets(results: Results, config: EvaluateConfig) -> Table:
    """Metrics of all frames together."""
    paths = {"fid": config.fid_weights, "fvd": config.fvd_weights}
    sets = {(row, name): _features(results, row, name) for row in results.rows for name in paths}
    rows = tuple(
        (row, tuple(_frechet(sets[row, name], sets[TRUTH, name]) for name in paths)) for row in results.rows
    )
    notes = [
        f"{name.upper()} not measured: needs --{name}-weights FILE."
        if path is None
        else f"{name.upper()} of {len(sets[TRUTH, name])} samples."
        for name, path in paths.items()
    ]
    note = "Against the drivers' frames. Few samples make it too large: compare only numbers of as many."
    titles = tuple(name.upper() for name in paths)
    return Table(
        "Sets of pictures", titles, rows, " ".join([note, *notes]), (LOWER,) * 2, references=REFERENCES
    )


def _features(results: Results, row: str, name: str) -> Float[np.ndarray, "N C"]:
    found = [rows[row].features[name] for rows in results.measured if name in rows[row].features]
    return np.concatenate(found) if found else np.zeros((0, 1))


def _frechet(ours: Float[np.ndarray, "N C"], real: Float[np.ndarray, "M C"]) -> float:
    return frechet_distance(ours, real) if min(len(ours), len(real)) > 1 else float("nan")


def _comparisons(results: Results) -> list[Section]:
    """Errors beside a frozen source's, and whether the differences are real."""
    tables: list[Section] = []
    if results.has_truth:
        shares = tuple((row, tuple(_share(results, row, c.key) for c in REGION)) for row in results.methods)
        titles, note = tuple(c.title for c in REGION), "Below 1: better than not moving."
        better = tuple(c.better for c in REGION)
        tables.append(Table("L1 as a share of a frozen source's", titles, shares, note, better))
    kinds = {"L1 by region": REGION, "pictures": PICTURE} if results.has_truth else {}
    for what, columns in (kinds | {"faces": FACE}).items():
        tables.append(_differences(results, f"Differences: {what}", columns))
    return tables


def _share(results: Results, row: str, key: str) -> float:
    ours, frozen = (_finite(results.per_clip(name, key)) for name in (row, FROZEN))
    return float(ours.mean() / frozen.mean()) if len(ours) and len(frozen) and frozen.any() else float("nan")


def _differences(results: Results, title: str, columns: Sequence[Column]) -> Table:
    """Each method less the frozen source, and less each method that stands before it."""
    shown = [column for column in columns if _measured(results, column)]
    rows = tuple(
        (f"{row} - {rival}", tuple(_difference(results, row, rival, c.key) for c in shown))
        for index, row in enumerate(results.methods)
        for rival in (FROZEN, *results.methods[:index])
    )
    note = "Paired over clips: where 0 lies outside the interval the two differ."
    return Table(title, tuple(c.title for c in shown), rows, note)


def _difference(results: Results, row: str, rival: str, key: str) -> Cell:
    ours, theirs = results.per_clip(row, key), results.per_clip(rival, key)
    both = np.isfinite(ours) & np.isfinite(theirs)
    return paired_difference(ours[both], theirs[both]) if both.any() else float("nan")


def _by_bins(results: Results) -> list[Section]:
    kinds = (
        ("Rotation from the source, degrees", "rotation_deg", ROTATION_EDGES),
        ("Mouth opening, eye distances", "opening", OPENING_EDGES),
        (
            "Skin tone, typology angle in degrees (over 55 very light, under -30 dark)",
            "skin_tone_deg",
            TONE_EDGES,
        ),
        ("Size of the face in the video, px", "face_px", SIZE_EDGES),
    )
    metrics = REGION[:3] if results.has_truth else (FACE[3], FACE[4])
    return [_binned_table(results, title, key, edges, metrics) for title, key, edges in kinds]


def _binned_table(
    results: Results, title: str, key: str, edges: Sequence[float], metrics: Sequence[Column]
) -> Table:
    """Rows are bins, columns methods, for each metric."""
    rows_shown = [FROZEN, *results.methods]
    columns = ("frames", *(f"{c.title}: {row}" for c in metrics for row in rows_shown))
    keys = np.concatenate(list(results.keys_of_frames(key)))
    found = [
        binned(np.concatenate(list(results.of_frames(row, column.key))), keys, edges)
        for column in metrics
        for row in rows_shown
    ]
    rows = []
    for bins in zip(*found, strict=True):
        count = max(one.count for one in bins)
        if count:
            rows.append((_span(bins[0]), (count, *(one.mean for one in bins))))
    return Table(title, columns, tuple(rows), "", digits=2)


def _span(bin_: Bin) -> str:
    if bin_.low == -np.inf:
        text = f"under {bin_.high:g}"
    elif bin_.high == np.inf:
        text = f"{bin_.low:g} and more"
    else:
        text = f"{bin_.low:g} to {bin_.high:g}"
    return text.replace("-", "\N{MINUS SIGN}")


def _spectra(results: Results) -> list[Section]:
    """Mean power of landmark motion; clips of other lengths are read at the same frequencies."""
    frequency = np.linspace(0.5, 12.0, 24)
    series = {}
    for row in results.rows:
        spectra = [rows[row].spectrum for rows in results.measured]
        powers = [np.interp(frequency, *spectrum, right=np.nan) for spectrum in spectra if spectrum]
        if powers and row != FROZEN:
            series[row] = (frequency, np.mean(powers, axis=0))
    note = "What trembles more than the filmed face does above 6 Hz flickers; what moves less is stiff."
    plot = Plot("Spectrum of landmark motion", "Hz", "px² / Hz", series, note, log_y=True)
    return [plot] if series else []


def _clips(results: Results) -> list[Section]:
    """Every clip, worst first; pictures and videos of the worst."""
    method = results.methods[0]
    key = "l1_face" if results.has_truth else "expression"
    badness = np.nan_to_num(results.per_clip(method, key), nan=np.inf)
    columns: tuple[Column, ...] = (FACE[0], FACE[3], FACE[4])
    badness_is = "expression distance"
    if results.has_truth:
        badness = badness / np.maximum(results.per_clip(FROZEN, key), 1e-6)
        columns, badness_is = REGION, "face / frozen: L1 of the face over that of a frozen source"
    order = np.argsort(-badness, kind="stable")
    measured = [[_of_clip(rows[method], c.key) for c in columns] for rows in results.measured]
    titles = tuple(c.title for c in columns)
    if results.has_truth:
        titles = ("face / frozen", *titles)
        measured = [[float(bad), *cells] for bad, cells in zip(badness, measured, strict=True)]
    rows = tuple((results.pairs[i].name, tuple(measured[i])) for i in order)
    note = f"Worst first, by {badness_is}, row {method}. All sheets and videos lie in folders beside report.html."
    sections: list[Section] = [
        Heading("Clips", note),
        Table(f"Every clip: {method}", titles, rows, "", digits=2),
    ]
    for rank, i in enumerate(order):
        pair = results.pairs[i]
        if rank < WORST:
            sections.append(Sheet(pair.name, read_image(results.out / "sheets" / f"{pair.name}.png")))
        if rank < VIDEOS:
            video = results.out / "videos" / f"{pair.name}.mp4"
            shown = ", ".join(["source", *(row for row in results.rows if row != FROZEN)])
            sections.append(Video(f"{pair.name}, moving", video, f"From left to right: {shown}."))
    return sections


def _strings(value: Any) -> Any:
    """Paths as text."""
    if isinstance(value, dict):
        return {key: _strings(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strings(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value
