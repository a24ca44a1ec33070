"""Measure a protocol of `faceanime evaluate` and make its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faceanime.core.progress import Progress
from faceanime.core.threads import single_threaded_math
from faceanime.dynamics.predictor_path import predictor_path
from faceanime.evaluate.evaluation_config import EvaluateConfig, Protocol
from faceanime.evaluate.measurement_store import claim_folder
from faceanime.evaluate.reenactment import measure_pairs, pairs_of
from faceanime.evaluate.reenactment_pairs import note_of
from faceanime.evaluate.reenactment_report import reenactment_sections
from faceanime.evaluate.reenactment_results import Results
from faceanime.evaluate.report import Report, Section
from faceanime.evaluate.speed import speed_tables
from faceanime.morphable.model import load_model

_TITLES: Mapping[Protocol, str] = {
    "self": "Self-reenactment",
    "cross": "Cross-person reenactment",
    "predict": "Imagined motion",
    "target": "Motion toward a target",
    "speed": "Speed",
}

_Contents = tuple[list[Section], dict[str, Any]]
"""The sections of a report, and its settings besides the configuration."""


def evaluate(data: Path, out: Path, config: EvaluateConfig, command: str, progress: Progress) -> Report:
    """Measure what was not measured before, and make the report; `command` is what reproduces it.

    Raises ConfigError, MediaError, NoFaceError, OutputError, WeightsError, Cancelled.
    """
    match config.protocol:
        case "self" | "cross":
            sections, settings = _reenactment(data, out, config, progress)
        case "speed":
            sections, settings = _speed(data, out, config, progress)
        case "predict" | "target":
            sections, settings = _imagined_motion(data, out, config, progress)
    settings = {"config": asdict(config), **settings}
    return Report(_TITLES[config.protocol], command, _with_text_paths(settings), tuple(sections))


def _reenactment(data: Path, out: Path, config: EvaluateConfig, progress: Progress) -> _Contents:
    pairs = measure_pairs(data, out, config, progress)
    sections = reenactment_sections(Results(out, pairs), config)
    return sections, {"pairs": [asdict(note_of(pair)) for pair in pairs]}


def _speed(data: Path, out: Path, config: EvaluateConfig, progress: Progress) -> _Contents:
    pair = pairs_of(data, config, load_model())[0]
    claim_folder(out, config)
    return list(speed_tables(pair, out, config, progress)), {"pair": pair.name}


def _imagined_motion(data: Path, out: Path, config: EvaluateConfig, progress: Progress) -> _Contents:
    from faceanime.evaluate.motion_benchmark import load_benchmark
    from faceanime.evaluate.motion_prediction import prediction_tables, target_tables
    from faceanime.evaluate.realism import realism_sections

    weights = predictor_path(config.predictor)
    with single_threaded_math:  # a second thread slows down many steps of small networks
        paper = predictor_path(config.paper_predictor)
        benchmark = load_benchmark(data, config.split, weights, paper, progress)
        claim_folder(out, config)
        progress.stage("imagining motion", None)
        sections: list[Section] = (
            list(target_tables(benchmark))
            if config.protocol == "target"
            else [*prediction_tables(benchmark), *realism_sections(benchmark)]
        )
    return sections, benchmark.settings


def _with_text_paths(value: Any) -> Any:
    """The value with paths as text."""
    if isinstance(value, dict):
        return {key: _with_text_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_paths(item) for item in value]
    return str(value) if isinstance(value, Path) else value
