"""The doctor names what is broken, and the command then fails."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from faceanime import cli
from faceanime import system_check as doctor
from faceanime.system_check import SystemReport, core_share, diagnose, frames_per_second


@pytest.fixture(scope="module")
def report() -> SystemReport:
    return diagnose()


def test_this_machine_is_fine(report: SystemReport) -> None:
    assert report.problems == []
    assert set(report.frames_per_s) == {"decode", "encode", "landmarks", "geometric", "flow"}


def test_everything_essential_is_missed(report: SystemReport, tmp_path: Path) -> None:
    broken = dataclasses.replace(
        report,
        opencv="libGL.so.1: cannot open shared object file",
        packages={**report.packages, "torch": None},
        encoders={**report.encoders, "libx264": False, "libwebp_anim": False},
        weights={"a.safetensors": "a.safetensors is damaged"},
    )
    problems = "\n".join(broken.problems)
    assert len(broken.problems) == 4
    for cause in ("torch is not installed", "libGL.so.1", "a.safetensors is damaged", "libx264"):
        assert cause in problems


def test_a_damaged_bundled_file_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "face.safetensors").write_bytes(b"half")
    monkeypatch.setattr(doctor, "files", lambda package: tmp_path)
    assert cli.main(["doctor", "--json"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "face.safetensors is damaged" in said.err
    assert "damaged" in json.loads(said.out)["weights"]["face.safetensors"]


def test_the_verdict_is_a_sentence_about_this_machine(report: SystemReport) -> None:
    speeds = report.frames_per_s | {"landmarks": 50.0, "flow": 25.0}
    idle = dataclasses.replace(report, cpu_count=8, core_share=0.99, frames_per_s=speeds)
    assert idle.verdict == "faceanime works here; a film of 10 s at 512 px takes about 10 s."
    assert "about 15 s" in dataclasses.replace(idle, cpu_count=1).verdict
    busy = dataclasses.replace(idle, core_share=0.31)
    assert "as busy as now (this program got 31 % of a core), and less when it is idle." in busy.verdict
    broken = dataclasses.replace(idle, packages={**report.packages, "torch": None})
    assert broken.verdict == "faceanime does not work here: 1 problem to mend."


def test_a_busy_core_is_noticed() -> None:
    assert 0.0 < core_share(0.05) <= 1.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor.time, "perf_counter", iter([0.0, 0.5, 1.0, 1.0]).__next__)
        patch.setattr(doctor.time, "thread_time", iter([0.0, 0.25]).__next__)
        assert core_share(0.9) == pytest.approx(0.25)


def test_speed_is_counted_after_a_warm_up() -> None:
    calls: list[None] = []
    rate = frames_per_second(lambda: calls.append(None), seconds=0.02)
    assert 0 < (len(calls) - 1) / rate < 1
