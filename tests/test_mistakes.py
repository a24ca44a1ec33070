"""What people type wrong, and the line that they read then."""

from __future__ import annotations

import re

import pytest

from faceanime import cli
from faceanime.commands.mistakes import PICTURE_NAMES, SYNONYMS, suggestion
from faceanime.dynamics.axis_table import AXIS_TEXTS
from faceanime.dynamics.editing import HEAD_AXES
from faceanime.morphable.axes import AXES

EXAMPLE = "faceanime animate me.jpg --driving talk -o out.mp4"


def said(capsys: pytest.CaptureFixture[str], command: str, status: int = 2) -> str:
    assert cli.main(command.split()) == status
    captured = capsys.readouterr()
    return captured.err.removeprefix("faceanime: ") if status else captured.out


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("animate --driving_video", "--driving"),
        ("animate --driving-image", "--driving"),
        ("animate --result_dir", "--out"),
        ("animate --output", "--out"),
        ("animate --outptu", "--out"),
        ("animate --resolution", "--size"),
        ("animate --hed", "--head"),
        ("animate --threshold", "--detect.threshold"),
        ("animate -d", "--driving"),
        ("predict --duration", "--seconds"),
        ("predict --length", "--seconds"),
        ("predict --checkpoint", "--generator"),
        ("animate --framerate", "--fps"),
        ("edit --fps", "--frame-rate"),
        ("animate --frame-rate", "--fps"),
        ("edit --fps=30", "--frame-rate"),
        ("train generator --gpu", "--device"),
    ],
)
def test_what_is_near_in_spelling_or_meaning_is_suggested(
    capsys: pytest.CaptureFixture[str], command: str, option: str
) -> None:
    wrong = command.split()[-1].split("=")[0]
    assert said(capsys, command).startswith(f"unknown option {wrong}; did you mean {option}? (")


@pytest.mark.parametrize("command", ["animate --device", "animate --gpu", "animate --verbose", "edit --zzz"])
def test_where_nothing_is_near_nothing_is_suggested(capsys: pytest.CaptureFixture[str], command: str) -> None:
    verb, wrong = command.split()
    assert said(capsys, command) == f"unknown option {wrong} (faceanime {verb} --help lists the options)\n"


@pytest.mark.parametrize(
    ("command", "verbs"),
    [
        ("animate --count", "predict"),
        ("animate --speed", "edit"),
        ("animate --motion_out", "predict, morph"),
        ("predict --driving", "animate"),
        ("reconstruct --list-axes", "edit"),
    ],
)
def test_the_verbs_that_have_an_option_are_named(
    capsys: pytest.CaptureFixture[str], command: str, verbs: str
) -> None:
    wrong = command.split()[-1]
    assert said(capsys, command).startswith(f"unknown option {wrong}; it is an option of {verbs} (")


def test_the_portrait_needs_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    text = f"write the portrait without an option, as in: {EXAMPLE} ("
    for name in ("--source_image", "-s", "--image"):
        assert said(capsys, f"animate {name} a.jpg").startswith(f"unknown option {name}; {text}")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("animate", f"missing the portrait, --driving and --out, as in: {EXAMPLE} ("),
        ("animate --driving talk -o c.mp4", f"missing the portrait, as in: {EXAMPLE}"),
        (
            "animate a.jpg b.jpg --driving talk -o c.mp4",
            "cannot write c.mp4: the videos of 2 portraits need a folder",
        ),
        ("animate a.jpg --driving b", f"missing --out, as in: {EXAMPLE} ("),
        ("predict a.jpg b.mp4", "missing --out, as in: faceanime predict "),
        ("predict --seed 3", "missing the portrait and --out, as in: faceanime predict "),
        ("morph a.jpg b.jpg", "missing --target and --out, as in: faceanime morph "),
        (
            "morph a.jpg b.jpg --target c.jpg -o d.mp4",
            "b.jpg is one argument too many; expected as in: faceanime morph",
        ),
        ("animate a.jpg --driving b -o c.mp4 --head abc", "--head is abc, expected a number ("),
        ("animate a.jpg --driving b -o c.mp4 --face x", "--face is x, expected largest or a whole number ("),
        ("animate a.jpg --driving b -o c.mp4 --crop yes", "--crop takes no value, found yes after it ("),
        (
            "animate a.jpg --driving b -o c.mp4 --geometric.no-still-background on",
            "--geometric.no-still-background takes no value, found on after it (",
        ),
        ("animate a.jpg --driving b c -o d.mp4", "c is one argument too many"),
        ("animate a.jpg --driving", "--driving needs a value ("),
        (
            "predict a.jpg -o b.mp4 --style tlak",
            "--style is tlak, expected one of any, talk, idle, look-around; did you",
        ),
        ("edit talk -o x.motion.safetensors --seed 1.5", "--seed is 1.5, expected a whole number ("),
        ("animate a.jpg --driving b -o c.mp4 --start 1:02", "--start is 1:02, expected seconds: 62 ("),
        (
            "animate a.jpg --driving b -o c.mp4 --end 1:01:02.5",
            "--end is 1:01:02.5, expected seconds: 3662.5 (",
        ),
        (
            "predict https://example.org/b.png -o c.mp4",
            "cannot read https://example.org/b.png: addresses are not fetched; download the file first",
        ),
        ("edit talk -o x.motion.safetensors --start soon", "--start is soon, expected a number ("),
        (
            "edit talk -o x.motion.safetensors --axes nosuch.json",
            "no file of keyframes nosuch.json: write one such as {",
        ),
        (
            "reconstruct talk -o x.glb",
            "talk is a motion: nothing is to be reconstructed; faceanime edit talk copies",
        ),
        ("reconstruct a.motion.safetensors -o x.glb", "a.motion.safetensors is a motion: "),
        (
            "morph a.jpg --target talk -o b.mp4",
            "talk is a motion: --target is a picture; faceanime animate PORTRAIT",
        ),
        ("prepare", "missing the videos and --out, as in: faceanime prepare VIDEOS -o DATA ("),
    ],
)
def test_a_mistake_says_what_was_expected(
    capsys: pytest.CaptureFixture[str], command: str, message: str
) -> None:
    assert said(capsys, command).startswith(message)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_example_of_a_command_is_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, ran = cli.COMMANDS[name].load(), []
    monkeypatch.setattr(kind, "run", lambda self: ran.append(type(self)))
    program, *args = cli.COMMANDS[name].example.split()
    assert program == "faceanime"
    assert cli.main(args) == 0
    assert ran == [kind]


def test_synonyms_name_options_that_some_command_has() -> None:
    known = {option for verb in cli.COMMANDS.values() for option in cli._options_of(verb.load())}
    assert {option for ours in SYNONYMS.values() for option in ours} <= known
    assert not {f"--{name}" for name in PICTURE_NAMES} & known


def test_an_exact_name_beats_a_synonym() -> None:
    assert suggestion("--video", ["--video", "--driving"]) == "--video"


def test_axes_are_listed_without_any_other_option(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "edit --list-axes", status=0).splitlines()
    assert [line.split()[0] for line in lines] == [*AXES, *HEAD_AXES]
    assert all(re.fullmatch(r"\w+ +-?[\d.]+ to [\d.]+ \S.*?  +[a-z].*", line) for line in lines)
    assert said(capsys, "edit talk --list-axes -o x", status=0).splitlines() == lines
    assert all(text.low <= 0 < text.high for text in AXIS_TEXTS.values())
