"""Where faceanime cannot run it says so in a line, and the requirements agree with that."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from faceanime import cli
from faceanime.core import platforms
from faceanime.core.errors import FaceAnimeError
from faceanime.core.platforms import check_platform, check_this_platform

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
RUNS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")]
INTEL_MAC = ("darwin", "x86_64")


def required(system: str, machine: str) -> dict[str, list[str]]:
    """The versions that are asked for on a machine, by package."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    found: dict[str, list[str]] = {}
    for line in project["dependencies"]:
        requirement = Requirement(line)
        environment = {"sys_platform": system, "platform_machine": machine}
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found.setdefault(requirement.name, []).append(str(requirement.specifier))
    return found


@pytest.mark.parametrize("machine", RUNS)
def test_machines_on_which_it_runs(machine: tuple[str, str]) -> None:
    for python in ((3, 11), (3, 12)):
        check_platform(*machine, python)
    versions = required(*machine)
    assert {name: len(each) for name, each in versions.items() if len(each) != 1} == {}
    assert {"torch", "mediapipe"} <= versions.keys()
    assert versions["mediapipe"] == ["==0.10.18" if machine == ("linux", "aarch64") else "==0.10.21"]


def test_constraints_allow_what_is_required() -> None:
    pins = [
        Requirement(line) for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines() if "==" in line
    ]
    for system, machine in RUNS:
        asked = required(system, machine)["mediapipe"][0]
        environment = {"sys_platform": system, "platform_machine": machine}
        there = [
            pin
            for pin in pins
            if pin.name == "mediapipe" and (not pin.marker or pin.marker.evaluate(environment))
        ]
        assert [str(pin.specifier) for pin in there] in ([asked], [])


def test_an_intel_mac_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FaceAnimeError, match="Intel processor: torch has had no build"):
        check_platform(*INTEL_MAC, (3, 12))
    assert "torch" not in required(
        *INTEL_MAC
    )  # so that the installation gets as far as the start, which says why
    monkeypatch.setattr(platforms.sys, "platform", INTEL_MAC[0])
    assert cli.main(["--version"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("faceanime: faceanime does not run on macOS with an Intel processor")
    assert said.count("\n") == 1


@pytest.mark.parametrize("python", [(3, 10), (3, 13), (3, 14)])
def test_another_python_is_named(python: tuple[int, int]) -> None:
    with pytest.raises(
        FaceAnimeError, match=rf"needs Python 3.11 or 3.12, found {python[0]}\.{python[1]}: mediapipe"
    ):
        check_platform("linux", "x86_64", python)


def test_this_machine_is_fine() -> None:
    check_this_platform()
