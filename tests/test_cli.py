"""The command line as a shell sees it: real processes, their output and their status."""

from __future__ import annotations

import inspect
import io
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

import pytest
import tyro

from faceanime import cli
from faceanime.core.errors import Cancelled, ConfigError, MediaError, Remedy

PROGRAM = Path(sys.executable).with_name("faceanime")


def run(*args: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    return subprocess.run(
        [PROGRAM, *args], capture_output=True, text=True, timeout=60, check=False, env=environment
    )


def test_help_is_fast_and_lists_the_commands() -> None:
    started_s = time.monotonic()
    done = run("--help")
    assert time.monotonic() - started_s < 2
    assert done.returncode == 0
    assert done.stderr == ""
    assert all(name in done.stdout for name in cli.COMMANDS)
    assert run().stdout == done.stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = run(*name.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: faceanime {name}" in done.stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_overview_says_of_a_command_what_its_help_says(name: str) -> None:
    verb = cli.COMMANDS[name]
    assert (inspect.getdoc(verb.load()) or "").startswith(verb.summary)
    assert verb.summary.endswith(".")


@pytest.fixture(params=cli.COMMANDS)
def help_lines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of a command's help in a terminal of 80 columns, without the frame."""
    monkeypatch.setenv("COLUMNS", "80")
    with redirect_stdout(io.StringIO()) as page:
        assert cli.main([*request.param.split(), "--help"]) == 0
    return [line[2:78].rstrip() for line in page.getvalue().splitlines() if line.startswith("│ ")]


def test_help_breaks_lines_at_sentence_ends_or_where_they_are_full(help_lines: list[str]) -> None:
    for line, following in itertools.pairwise(help_lines):
        continued = following.startswith("  ") and re.search("  ", line)
        if continued and len(line) + len(f" {following.split()[0]}") <= 76:
            assert line.endswith("."), f"{line} | {following.strip()}"


def test_help_shows_a_default_of_zero() -> None:
    page = io.StringIO()
    with redirect_stdout(page):
        assert cli.main(["predict", "--help"]) == 0
    words = " ".join(line.strip("│ ") for line in page.getvalue().splitlines())
    assert "the same seed gives the same motion. (default: 0)" in " ".join(words.split())


def test_help_shows_one_default_of_an_option(help_lines: list[str]) -> None:
    page = " ".join(" ".join(help_lines).split())
    assert "None" not in page
    assert not re.search(r"\(default: (True|False)?\)", page)
    for option in re.split(r" (?=--[a-z])", page):
        assert not ("by default" in option and "(default" in option), option


@pytest.mark.parametrize("name", ["animate", "predict", "morph", "reconstruct"])
def test_help_shows_common_options_before_those_for_experts(name: str) -> None:
    page = run(*name.split(), "--help").stdout
    texts = re.findall(r"^│ (\S[^│]*?) +│\n│ ─", page, flags=re.MULTILINE)
    expert = [text.startswith("Expert: ") for text in texts if not text.startswith("Warp")]
    assert any(expert)
    assert expert == sorted(expert)


def test_every_command_that_writes_takes_the_short_name_of_out() -> None:
    for name in cli.COMMANDS.keys() - {"doctor", "models import", "models list"}:
        assert "-o PATH, --out PATH" in run(*name.split(), "--help").stdout, name


def test_no_command_loads_a_heavy_package_before_it_runs() -> None:
    heavy = {"torch", "mediapipe", "numba", "cv2", "scipy", "av", "jax", "matplotlib", "rich"}
    load = "import sys; from faceanime.cli import COMMANDS; [verb.load() for verb in COMMANDS.values()]"
    code = f"{load}; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["doctor", "--jsn"], "unknown option --jsn; did you mean --json?"),
        (["doctor", "--zzz=3"], "unknown option --zzz"),
        (["docter"], "unknown command docter; did you mean doctor?"),
        (["--jsn"], "unknown option --jsn"),
        (["doctor", "extra"], "extra is one argument too many; expected as in: faceanime doctor"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(args: list[str], message: str, encoding: str) -> None:
    done = run(*args, encoding=encoding)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"faceanime: {message}")
    assert done.stderr.count("\n") == 1


def test_doctor_speaks_json() -> None:
    done = run("doctor", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert report["encoders"]["libx264"]
    assert report["packages"]["mediapipe"] == "0.10.21"
    assert report["frames_per_s"]["encode"] > 0


def test_the_module_is_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "faceanime", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("faceanime 0.")


def test_a_reader_that_leaves_is_no_error() -> None:
    code = "import sys, faceanime.cli as cli; sys.exit(cli.main(['--help']))"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert child.stderr.read() == ""
    assert child.wait(60) == 0


@dataclass(frozen=True)
class Paint:
    """Stands in for any command."""

    portrait: tyro.conf.Positional[Path]
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    motion: Literal["relative", "absolute"] = "relative"
    size: int = 512
    side_by_side: bool = False

    def run(self) -> None:
        failures: dict[str, BaseException] = {
            "bad.jpg": MediaError("bad.jpg is\nno picture"),
            "stop.jpg": Cancelled("stopped by the user; nothing was written"),
            "kill.jpg": KeyboardInterrupt(),
            "large.jpg": ConfigError(
                "too large", Remedy("film.size", "a lower {}"), Remedy("film.crop"), Remedy("side_by_side")
            ),
        }
        if self.portrait.name in failures:
            raise failures[self.portrait.name]
        print(self)


@pytest.fixture
def paint(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr(
        cli,
        "COMMANDS",
        dict.fromkeys(
            ["paint", "train morphable"], SimpleNamespace(load=lambda: Paint, example="paint a.jpg -o b")
        ),
    )
    return lambda *args: cli.main(["paint", *args])


def test_options_reach_the_command(paint: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert paint("a.jpg", "-o", "b.mp4", "--side-by-side", "--motion", "absolute") == 0
    expected = Paint(Path("a.jpg"), Path("b.mp4"), motion="absolute", side_by_side=True)
    assert capsys.readouterr().out.strip() == str(expected)
    assert cli.main(["train", "morphable", "a.jpg", "-o", "b.mp4"]) == 0


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["bad.jpg", "-o", "b"], 2, "bad.jpg is no picture"),
        (["stop.jpg", "-o", "b"], 130, "stopped by the user; nothing was written"),
        (["kill.jpg", "-o", "b"], 130, "stopped by the user"),
        (["large.jpg", "-o", "b"], 2, "too large; try a lower --size or --side-by-side\n"),
        (["a.jpg", "--outptu", "b"], 2, "unknown option --outptu; did you mean --output?"),
        (["a.jpg", "-p", "b"], 2, "unknown option -p"),
        (["a.jpg", "-o", "b", "--motion", "up"], 2, "--motion is up, expected one of relative, absolute"),
        (["a.jpg", "-o", "b", "--size", "big"], 2, "--size is big, expected a whole number"),
        (["a.jpg", "-o"], 2, "--output needs a value"),
        (["a.jpg"], 2, "missing --output, as in: paint a.jpg -o b (faceanime"),
        ([], 2, "missing the portrait and --output, as in: paint a.jpg -o b (faceanime"),
        (["a.jpg", "b.jpg", "-o", "c"], 2, "b.jpg is one argument too many; expected as in: paint a.jpg"),
        (["a.jpg", "-o", "c", "--side-by-side", "no"], 2, "--side-by-side takes no value, found no"),
    ],
)
def test_failures_are_one_line(
    paint: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    status: int,
    message: str,
) -> None:
    assert paint(*args) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"faceanime: {message}")
    assert said.err.count("\n") == 1


def test_half_a_command_names_its_other_half(
    paint: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train"]) == 2
    assert (
        capsys.readouterr().err
        == "faceanime: faceanime train is incomplete, expected one of train morphable\n"
    )
