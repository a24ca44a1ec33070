"""The report of the protocols self and cross: means, differences, bins, and all clips, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from faceanime.evaluate.evaluation_config import FROZEN, TRUTH, EvaluateConfig
from faceanime.evaluate.image_metrics import SMALLEST_MS_SSIM_PX
from faceanime.evaluate.pair_evaluator import BLINK_TOLERANCE, PICTURE_REGIONS
from faceanime.evaluate.perceptual_metrics import frechet_distance
from faceanime.evaluate.reenactment_results import REFERENCE_ROWS, Results, finite
from faceanime.evaluate.rendered_rows import rows_trained_on_metric_network
from faceanime.evaluate.report import HIGHER, LOWER, Better, Cell, Heading, Plot, Section, Sheet, Table, Video
from faceanime.evaluate.statistics import Bin, mean_over_clips, means_by_bin, paired_difference
from faceanime.media.image import read_image


@dataclass(frozen=True)
class Column:
    """A metric as the report shows it; `metric` is its name in a `Measurement`."""

    metric: str
    title: str
    better: Better
    meaning: str = ""


PICTURE_COLUMNS = (
    Column("l1_crop", "L1", LOWER, "mean absolute difference, grey levels of 255"),
    Column("psnr_crop", "PSNR", HIGHER, "dB"),
    Column("ssim_crop", "SSIM", HIGHER, "Wang et al. 2004"),
    Column("ms_ssim_crop", "MS-SSIM", HIGHER, "Wang et al. 2003"),
    Column("lpips_crop", "LPIPS", LOWER, "Zhang et al. 2018"),
)
REGION_COLUMNS = tuple(Column(f"l1_{region}", region, LOWER) for region in PICTURE_REGIONS)
STRUCTURE_COLUMNS = tuple(
    Column(f"{key}_{region}", f"{title}: {region}", HIGHER)
    for key, title in (("psnr", "PSNR"), ("ssim", "SSIM"), ("ms_ssim", "MS-SSIM"))
    for region in PICTURE_REGIONS
)
SHARPNESS_COLUMNS = tuple(Column(f"sharpness_{region}", region, "") for region in PICTURE_REGIONS)
_CSIM = Column("identity", "CSIM", HIGHER, "cosine similarity of identity to the source")
_AED = Column(
    "expression",
    "AED",
    LOWER,
    "mean absolute difference of re-fitted expression coefficients (PIRenderer)",
)
_APD = Column("pose_deg", "APD", LOWER, "mean absolute difference of yaw, pitch, roll, degrees (PIRenderer)")
FACE_COLUMNS = (
    _CSIM,
    Column("keypoints_px", "AKD", LOWER, "mean distance of mesh points, px of 256"),
    Column("missing", "MKR", LOWER, "fraction of frames without a face where the driver shows one"),
    _AED,
    _APD,
    Column("gaze_deg", "gaze", LOWER, "angle between the gazes, degrees, without blinks"),
)
TIME_COLUMNS = (
    Column("temporal", "temporal error", LOWER, "mean absolute difference of frame differences"),
    Column(
        "warping",
        "warping error",
        LOWER,
        "difference from the previous frame warped along the true motion (Lai et al.)",
    ),
    Column("jitter", "jitter", "", "landmark motion above 6 Hz relative to the driver's; 1 is best"),
)
ROTATION_EDGES_DEG = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, np.inf)
"""Borders of the bins of the head's rotation from the source; chosen by eye."""
OPENING_EDGES = (-np.inf, 0.05, 0.1, 0.2, 0.3, np.inf)
"""Borders of the bins of mouth openings, in distances between the eyes' centers (`EYE_DISTANCE`); chosen by eye."""
SKIN_TONE_EDGES_DEG = (-np.inf, -30.0, 10.0, 28.0, 41.0, 55.0, np.inf)
"""Borders of the six skin tone groups of the individual typology angle, from dark to very light."""
FACE_SIZE_EDGES_PX = (0.0, 100.0, 130.0, 160.0, np.inf)
"""Borders of the bins of the face's size in the video; chosen by eye."""
SHEETS_SHOWN, VIDEOS_SHOWN = 10, 30
"""Numbers of clips, worst first, that are shown as contact sheets and as videos; the others are in folders only."""
_SPECTRUM_HZ = np.linspace(0.5, 12.0, 24)
"""Frequencies at which spectra of clips of different lengths are compared."""


def reenactment_sections(results: Results, config: EvaluateConfig) -> list[Section]:
    """The report of a protocol whose pairs are all measured."""
    return [
        Heading("All clips", _overview(results)),
        *_overall_tables(results, config),
        *_comparison_tables(results),
        Heading("By difficulty", "Means over frames; bins without frames are not shown."),
        *_binned_tables(results),
        *_spectrum_plot(results),
        *_clip_sections(results),
    ]


def _overview(results: Results) -> str:
    return (
        f"{len(results.pairs)} clips of {results.person_count} people, {results.frame_count} frames. "
        f"Row {TRUTH}: the driver's own frames, the best that identity, warping error and jitter can reach; "
        f"row {FROZEN}: the source, repeated. Means over clips with 95 % confidence intervals."
    )


def _overall_tables(results: Results, config: EvaluateConfig) -> list[Table]:
    tables = []
    if results.has_truth:
        tables += [
            _table(results, "Pictures", PICTURE_COLUMNS, _unmeasured_pictures(results, config)),
            _table(
                results,
                "L1 by region",
                REGION_COLUMNS,
                "Mean absolute difference within the convex hulls of the true face, mouth and eyes; outside: "
                "everything but the face.",
            ),
            _table(results, "PSNR, SSIM and MS-SSIM by region", STRUCTURE_COLUMNS, "The same regions."),
            _table(
                results, "Sharpness by region", SHARPNESS_COLUMNS, "Laplacian energy relative to the truth's."
            ),
        ]
    tables.append(_face_table(results, rows_trained_on_metric_network(config)))
    if any(results.is_measured(column.metric) for column in TIME_COLUMNS):
        tables.append(_table(results, "Time", TIME_COLUMNS))
    return [*tables, _distribution_table(results, config)]


def _unmeasured_pictures(results: Results, config: EvaluateConfig) -> str:
    missing = [] if config.lpips_weights else ["LPIPS not measured: needs the setting lpips_weights."]
    if not results.is_measured("ms_ssim_crop"):
        missing.append(f"MS-SSIM not measured: needs clips of {SMALLEST_MS_SSIM_PX} px.")
    return " ".join(missing)


def _table(results: Results, title: str, columns: Sequence[Column], note: str = "") -> Table:
    shown = [column for column in columns if results.is_measured(column.metric)]
    meanings = "; ".join(f"{c.title}: {c.meaning}" for c in shown if c.meaning)
    rows = tuple((row, tuple(_mean(results.per_clip(row, c.metric)) for c in shown)) for row in results.rows)
    notes = [f"{meanings}." if meanings else "", note]
    return Table(
        title,
        tuple(c.title for c in shown),
        rows,
        " ".join(filter(None, notes)),
        tuple(c.better for c in shown),
        references=REFERENCE_ROWS,
    )


def _face_table(results: Results, flattered_rows: Sequence[str]) -> Table:
    """Identity, landmarks, coefficients and blinks; CSIM flatters the rows trained with its network."""
    departures = "AED and APD: of departures from the reference frame of the driver."
    table = _table(results, "Faces", FACE_COLUMNS, "" if results.has_truth else departures)
    rows = tuple((name, (*cells, results.blinks(name).f1)) for name, cells in table.rows)
    note = f"{table.note} Blink F1: blinks of all clips, at most {BLINK_TOLERANCE} frames early or late."
    if _CSIM.title not in table.columns:
        note += ' CSIM not measured: needs pip install "faceanime[identity]" or the setting identity_weights.'
    elif flattered_rows:
        note += (
            f" CSIM flatters {' and '.join(flattered_rows)}, trained with the network that measures it; "
            "the setting identity_weights chooses another network."
        )
    columns: tuple[str, ...] = (*table.columns, "blink F1")
    better: tuple[Better, ...] = (*table.better, HIGHER)
    return Table(table.title, columns, rows, note, better, references=REFERENCE_ROWS)


def _mean(values: Float[np.ndarray, " C"]) -> Cell:
    values = finite(values)
    return mean_over_clips(values) if len(values) else float("nan")


def _distribution_table(results: Results, config: EvaluateConfig) -> Table:
    """Metrics of all frames of a row together."""
    paths = {"fid": config.fid_weights, "fvd": config.fvd_weights}
    features = {(row, name): results.features(row, name) for row in results.rows for name in paths}
    rows = tuple(
        (row, tuple(_frechet(features[row, name], features[TRUTH, name]) for name in paths))
        for row in results.rows
    )
    notes = [
        f"{name.upper()} not measured: needs the setting {name}_weights."
        if path is None
        else f"{name.upper()} of {len(features[TRUTH, name])} samples."
        for name, path in paths.items()
    ]
    note = "Distance from the drivers' frames. Small sets have larger distances: compare only sets of equal size."
    titles = tuple(name.upper() for name in paths)
    better: tuple[Better, ...] = (LOWER, LOWER)
    return Table(
        "Fréchet distances", titles, rows, " ".join([note, *notes]), better, references=REFERENCE_ROWS
    )


def _frechet(result: Float[np.ndarray, "N C"], truth: Float[np.ndarray, "M C"]) -> float:
    return frechet_distance(result, truth) if min(len(result), len(truth)) > 1 else float("nan")


def _comparison_tables(results: Results) -> list[Table]:
    """Errors relative to the frozen source, and paired differences of rows."""
    tables = []
    groups: dict[str, Sequence[Column]] = {"faces": FACE_COLUMNS}
    if results.has_truth:
        relative = tuple(
            (row, tuple(_relative_to_frozen(results, row, c.metric) for c in REGION_COLUMNS))
            for row in results.methods
        )
        titles, better = tuple(c.title for c in REGION_COLUMNS), tuple(c.better for c in REGION_COLUMNS)
        note = "Below 1: better than not moving."
        tables.append(Table("L1 relative to the frozen source", titles, relative, note, better))
        groups = {"L1 by region": REGION_COLUMNS, "pictures": PICTURE_COLUMNS, **groups}
    return [
        *tables,
        *(_difference_table(results, f"Differences: {what}", columns) for what, columns in groups.items()),
    ]


def _relative_to_frozen(results: Results, row: str, metric: str) -> float:
    own, frozen = (finite(results.per_clip(name, metric)) for name in (row, FROZEN))
    return float(own.mean() / frozen.mean()) if len(own) and len(frozen) and frozen.any() else float("nan")


def _difference_table(results: Results, title: str, columns: Sequence[Column]) -> Table:
    """Each method minus the frozen source, and minus each method listed before it."""
    shown = [column for column in columns if results.is_measured(column.metric)]
    rows = tuple(
        (f"{row} - {rival}", tuple(_difference(results, row, rival, c.metric) for c in shown))
        for index, row in enumerate(results.methods)
        for rival in (FROZEN, *results.methods[:index])
    )
    note = "Paired over clips: two rows differ if 0 is outside the interval."
    return Table(title, tuple(c.title for c in shown), rows, note)


def _difference(results: Results, row: str, rival: str, metric: str) -> Cell:
    own, other = results.per_clip(row, metric), results.per_clip(rival, metric)
    both = np.isfinite(own) & np.isfinite(other)
    return paired_difference(own[both], other[both]) if both.any() else float("nan")


def _binned_tables(results: Results) -> list[Table]:
    groups = (
        ("Rotation from the source, degrees", "rotation_deg", ROTATION_EDGES_DEG),
        ("Mouth opening, distances between the eyes' centers", "opening", OPENING_EDGES),
        (
            "Skin tone, typology angle in degrees (over 55 very light, under -30 dark)",
            "skin_tone_deg",
            SKIN_TONE_EDGES_DEG,
        ),
        ("Size of the face in the video, px", "face_px", FACE_SIZE_EDGES_PX),
    )
    metrics = REGION_COLUMNS[:3] if results.has_truth else (_AED, _APD)
    return [_binned_table(results, title, key, edges, metrics) for title, key, edges in groups]


def _binned_table(
    results: Results, title: str, key: str, edges: Sequence[float], metrics: Sequence[Column]
) -> Table:
    """A row per bin, a column per metric and method."""
    methods = [FROZEN, *results.methods]
    columns = ("frames", *(f"{c.title}: {method}" for c in metrics for method in methods))
    keys = results.keys_per_frame(key)
    by_column = [
        means_by_bin(results.per_frame(method, column.metric), keys, edges)
        for column in metrics
        for method in methods
    ]
    rows = []
    for bins in zip(*by_column, strict=True):
        count = max(one.count for one in bins)
        if count:
            rows.append((_bin_name(bins[0]), (count, *(one.mean for one in bins))))
    return Table(title, columns, tuple(rows), digits=2)


def _bin_name(bin_: Bin) -> str:
    if bin_.low == -np.inf:
        name = f"under {bin_.high:g}"
    elif bin_.high == np.inf:
        name = f"{bin_.low:g} and more"
    else:
        name = f"{bin_.low:g} to {bin_.high:g}"
    return name.replace("-", "\N{MINUS SIGN}")


def _spectrum_plot(results: Results) -> list[Plot]:
    """Mean power of landmark motion over clips, by row; no plot if no clip is long enough."""
    series = {}
    for row in results.rows:
        spectra = [rows[row].spectrum for rows in results.measurements]
        powers = [np.interp(_SPECTRUM_HZ, *spectrum, right=np.nan) for spectrum in spectra if spectrum]
        if powers and row != FROZEN:
            series[row] = (_SPECTRUM_HZ, np.mean(powers, axis=0))
    note = f"More power above 6 Hz than row {TRUTH}: the face flickers. Less power: it moves too stiffly."
    plot = Plot("Spectrum of landmark motion", "Hz", "px² / Hz", series, note, log_y=True)
    return [plot] if series else []


def _clip_sections(results: Results) -> list[Section]:
    """A table of all clips, worst first, and pictures and videos of the worst."""
    method = results.methods[0]
    if results.has_truth:
        criterion = "face / frozen: L1 of the face relative to that of the frozen source"
        frozen = np.maximum(results.per_clip(FROZEN, "l1_face"), 1e-6)
        badness = np.nan_to_num(results.per_clip(method, "l1_face"), nan=np.inf) / frozen
        columns: dict[str, Float[np.ndarray, " C"]] = {"face / frozen": badness}
        columns |= {c.title: results.per_clip(method, c.metric) for c in REGION_COLUMNS}
    else:
        criterion = "expression distance"
        badness = np.nan_to_num(results.per_clip(method, _AED.metric), nan=np.inf)
        columns = {c.title: results.per_clip(method, c.metric) for c in (_CSIM, _AED, _APD)}
    order = np.argsort(-badness, kind="stable").tolist()
    rows = tuple(
        (results.pairs[i].name, tuple(float(values[i]) for values in columns.values())) for i in order
    )
    note = (
        f"Worst first, by {criterion}, row {method}. All sheets and videos are in folders beside report.html."
    )
    return [
        Heading("Clips", note),
        Table(f"Every clip: {method}", tuple(columns), rows, digits=2),
        *(section for rank, i in enumerate(order) for section in _shown_clip(results, i, rank)),
    ]


def _shown_clip(results: Results, index: int, rank: int) -> list[Section]:
    """The contact sheet and the video of a clip, if its rank (0 is the worst) is low enough."""
    name, out = results.pairs[index].name, results.out
    sections: list[Section] = []
    if rank < SHEETS_SHOWN:
        sections.append(Sheet(name, read_image(out / "sheets" / f"{name}.png")))
    if rank < VIDEOS_SHOWN:
        shown = ", ".join(["source", *(row for row in results.rows if row != FROZEN)])
        video = out / "videos" / f"{name}.mp4"
        sections.append(Video(f"{name}, video", video, f"From left to right: {shown}."))
    return sections
