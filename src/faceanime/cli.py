"""The command line: finds the verb, reads its options, runs it, and turns a failure into a line and a status.

Status 0: done; 2: the user can mend it; 130: stopped by the user. Anything else is a bug: it keeps its
traceback.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cached_property
from importlib.metadata import version
from typing import Protocol, runtime_checkable

import tyro

from faceanime.core.config import nearest
from faceanime.core.errors import Cancelled, ConfigError, FaceAnimeError, Remedy, SettingName


@runtime_checkable
class Command(Protocol):
    """A dataclass: its fields are the options, their docstrings the help."""

    def run(self) -> None:
        """Do the work. Raises: FaceAnimeError for what the user can mend."""


def _animate() -> type[Command]:
    """Bring a portrait to life with the motion of a video, a picture or a motion file."""
    from faceanime.commands.animate import Animate

    return Animate


def _reconstruct() -> type[Command]:
    """Write the 3D face of a picture or video, or its motion, as a file."""
    from faceanime.commands.reconstruct import Reconstruct

    return Reconstruct


def _predict() -> type[Command]:
    """Imagine how a portrait moves on: a motion that nobody filmed."""
    from faceanime.commands.predict import Predict

    return Predict


def _morph() -> type[Command]:
    """Imagine the way from a portrait's face to that of another picture."""
    from faceanime.commands.morph import Morph

    return Morph


def _edit() -> type[Command]:
    """Cut, join, retime, mirror, strengthen or loop motions; add blinks and keyframes."""
    from faceanime.commands.edit import Edit

    return Edit


def _prepare() -> type[Command]:
    """Turn videos into clips to learn from: tracked, cropped, judged, with their 3D faces."""
    from faceanime.commands.prepare import Prepare

    return Prepare


def _train_dynamics() -> type[Command]:
    """Learn to imagine motion from prepared clips."""
    from faceanime.commands.train_dynamics import TrainDynamics

    return TrainDynamics


def _train_generator() -> type[Command]:
    """Learn to repair what geometry cannot carry, from prepared clips."""
    from faceanime.commands.train_generator import TrainGenerator

    return TrainGenerator


def _train_morphable() -> type[Command]:
    """Learn a morphable model from clips and portraits of many people."""
    from faceanime.commands.train_morphable import TrainMorphable

    return TrainMorphable


def _evaluate() -> type[Command]:
    """Measure what the renderers draw, and others' results, against filmed faces."""
    from faceanime.commands.evaluate import Evaluate

    return Evaluate


def _evaluate_pairs() -> type[Command]:
    """Write the sources and drivers of an evaluation, for other methods to be run on."""
    from faceanime.commands.evaluate import EvaluatePairs

    return EvaluatePairs


def _demo() -> type[Command]:
    """Animate a public-domain portrait with the bundled motions."""
    from faceanime.commands.demo import Demo

    return Demo


def _doctor() -> type[Command]:
    """Say what this machine has, what it lacks, and how fast it is."""
    from faceanime.commands.doctor import Doctor

    return Doctor


COMMANDS: dict[str, Callable[[], type[Command]]] = {
    "animate": _animate,
    "reconstruct": _reconstruct,
    "predict": _predict,
    "morph": _morph,
    "edit": _edit,
    "prepare": _prepare,
    "train dynamics": _train_dynamics,
    "train generator": _train_generator,
    "train morphable": _train_morphable,
    "evaluate": _evaluate,
    "evaluate pairs": _evaluate_pairs,
    "demo": _demo,
    "doctor": _doctor,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    args = list(sys.argv[1:] if argv is None else argv)
    options = _OptionNames(args)
    try:
        with _warnings_on_stderr(options):
            _run(args)
        sys.stdout.flush()
    except Cancelled as error:
        return _fail(error.message(options), 130)
    except KeyboardInterrupt:
        return _fail("stopped by the user", 130)
    except FaceAnimeError as error:
        return _fail(error.message(options), 2)
    except ImportError as error:
        if error.name != "cv2" and "libGL" not in str(error):
            raise
        return _fail(
            f"OpenCV cannot be loaded ({error}); apt install libgl1 libglib2.0-0, or pip install --no-deps "
            "--force-reinstall opencv-contrib-python-headless==4.11.0.86",
            2,
        )
    except BrokenPipeError:
        # Whoever read our output has left; what is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _run(args: list[str]) -> None:
    if not args or args[0] in ("-h", "--help"):
        print(_overview())
    elif args[0] == "--version":
        print(f"faceanime {version('faceanime')}")
    else:
        name = _command_name(args)
        command = _parse(COMMANDS[name](), args[len(name.split()) :], f"faceanime {name}")
        if command is not None:
            command.run()


def _overview() -> str:
    width = max(map(len, COMMANDS))
    verbs = "\n".join(f"  {name:<{width}}  {load.__doc__}" for name, load in COMMANDS.items())
    return (
        "usage: faceanime COMMAND [OPTIONS]\n\n"
        f"Bring a portrait to life.\n\n{verbs}\n\n"
        "faceanime COMMAND --help lists the options of one; faceanime --version names this version."
    )


def _command_name(args: list[str]) -> str:
    """The command that the arguments begin with; its name may be two words."""
    for words in (2, 1):
        name = " ".join(args[:words])
        if name in COMMANDS:
            return name
    family = [name for name in COMMANDS if name.startswith(f"{args[0]} ")]
    if family:
        raise ConfigError(f"faceanime {args[0]} needs one more word: {', '.join(family)}")
    kind = "option" if args[0].startswith("-") else "command"
    hint = nearest(args[0], list(COMMANDS)) or "; faceanime --help lists the commands"
    raise ConfigError(f"unknown {kind} {args[0]}{hint}")


def _parse(command: type[Command], args: list[str], prog: str) -> Command | None:
    """The command with its options set, or None after printing the help that was asked for.

    tyro explains a mistake in a box of many lines on stderr; it becomes one line here.
    """
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return tyro.cli(command, prog=prog, args=args, config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as stop:
        if not stop.code:
            return None
    mistake = _unknown_option(command, args) or _first_paragraph(box.getvalue())
    raise ConfigError(f"{mistake} ({prog} --help lists the options)")


def _options_of(command: type[Command]) -> list[str]:
    """The options of a command, as its help page lists them."""
    page = io.StringIO()
    try:
        with redirect_stdout(page):
            tyro.cli(command, args=["--help"], config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit:
        pass
    return re.findall(r"(?<![\w-])--?[a-z][\w.-]*", page.getvalue())


class _OptionNames:
    """Maps a setting's dotted name to the option of the command that `args` begin with.

    A command may leave out the groups of its options: detect.threshold is --detect.threshold or --threshold. None
    for a setting that the command does not offer.
    """

    def __init__(self, args: list[str]) -> None:
        self._args = args

    @cached_property
    def _known(self) -> list[str]:
        return _options_of(COMMANDS[_command_name(self._args)]())

    def __call__(self, setting: str) -> str | None:
        names = setting.replace("_", "-").split(".")
        candidates = ("--" + ".".join(names[first:]) for first in range(len(names)))
        return next((option for option in candidates if option in self._known), None)


class _WarningFormatter(logging.Formatter):
    """A warning in one line, and in parentheses the option that may help."""

    def __init__(self, name: SettingName) -> None:
        super().__init__("%(message)s")
        self._name = name

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        remedy: Remedy | None = getattr(record, "remedy", None)
        hint = remedy.text(self._name) if remedy is not None else None
        return text if hint is None else f"{text} ({hint})"


@contextmanager
def _warnings_on_stderr(name: SettingName) -> Iterator[None]:
    """Print the package's warnings on stderr, their settings named by `name`."""
    log, handler = logging.getLogger("faceanime"), logging.StreamHandler()
    handler.setFormatter(_WarningFormatter(name))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _unknown_option(command: type[Command], args: list[str]) -> str | None:
    """Name the first option that the command does not have, and the one most like it."""
    known = _options_of(command)
    for arg in args:
        name = arg.split("=")[0]
        if re.match(r"--?[a-zA-Z]", name) and name.replace("_", "-") not in known:
            return f"unknown option {name}{nearest(name, known)}"
    return None


def _first_paragraph(box: str) -> str:
    """The text of a box below its title, up to the next rule or empty line; the frame may be blanks."""
    lines: list[str] = []
    for line in box.splitlines()[1:]:
        text = line.strip("│╰╯ ")
        if text.strip("─-"):
            lines.append(text)
        elif lines:
            break
    return " ".join(lines)


def _fail(message: str, status: int) -> int:
    print(f"faceanime: {' '.join(message.split())}", file=sys.stderr)
    return status
