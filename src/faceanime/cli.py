"""The command line: find the verb, read its options, run it, and turn a failure into one line and an exit status.

Exit status 0: done; 2: an error that the user can correct; 130: stopped by the user. Any other failure is a bug and
keeps its traceback.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any, Protocol, cast, runtime_checkable

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from faceanime.commands.mistakes import CommandLine, explain
from faceanime.core.config import nearest
from faceanime.core.errors import Cancelled, ConfigError, FaceAnimeError, Remedy, SettingName
from faceanime.core.platforms import check_this_platform


@runtime_checkable
class Command(Protocol):
    """A dataclass: its fields are the options, their docstrings the help.

    A mapping `INSTEAD` may name options that do something else, and therefore need no other option.
    """

    def run(self) -> None:
        """Do the work. Raises FaceAnimeError for errors that the user can correct."""


@dataclass(frozen=True)
class Verb:
    """One command: where its class is, loaded only when it is called, the first sentence of its docstring, and an
    example of its use."""

    module: str
    command: str
    summary: str
    example: str

    def load(self) -> type[Command]:
        """Import the command's class."""
        command: type[Command] = getattr(import_module(f"faceanime.commands.{self.module}"), self.command)
        return command


_GROUPS = {
    "Videos": {
        "animate": Verb(
            "animate",
            "Animate",
            "Animate a portrait with the motion of a video, a picture or a motion file.",
            "faceanime animate me.jpg --driving talk -o out.mp4",
        ),
        "predict": Verb(
            "predict",
            "Predict",
            "Predict how a portrait moves on, without a driver.",
            "faceanime predict me.jpg -o out.mp4",
        ),
        "morph": Verb(
            "morph",
            "Morph",
            "Predict a motion from a portrait to the face of another picture.",
            "faceanime morph me.jpg --target laughing.jpg -o out.mp4",
        ),
        "demo": Verb(
            "demo",
            "Demo",
            "Animate a public-domain portrait with the bundled motions.",
            "faceanime demo -o out/demo",
        ),
    },
    "Motions and 3D faces": {
        "reconstruct": Verb(
            "reconstruct",
            "Reconstruct",
            "Write the motion or the 3D face of a video or picture.",
            "faceanime reconstruct video.mp4 -o x.motion.safetensors",
        ),
        "edit": Verb(
            "edit",
            "Edit",
            "Cut, join, retime, mirror, amplify or loop motions; add blinks and keyframes.",
            "faceanime edit talk --mirror -o x.motion.safetensors",
        ),
    },
    "Face models": {
        "models import": Verb(
            "models",
            "ModelsImport",
            "Import a face model of another format, for the option --model of other commands.",
            "faceanime models import ict FaceXModel",
        ),
        "models list": Verb(
            "models",
            "ModelsList",
            "List the face models: the bundled one and those that were imported.",
            "faceanime models list",
        ),
        "models show": Verb(
            "models",
            "ModelsShow",
            "Describe a face model, and draw it as a picture: turned, its first directions, its named axes.",
            "faceanime models show ict -o ict.png",
        ),
    },
    "Training and measuring": {
        "prepare": Verb(
            "prepare",
            "Prepare",
            "Turn videos into clips for training, with their 3D faces.",
            "faceanime prepare VIDEOS -o DATA",
        ),
        "train generator": Verb(
            "train_generator",
            "TrainGenerator",
            "Train the networks of a renderer.",
            "faceanime train generator --data DATA -o RUN",
        ),
        "train dynamics": Verb(
            "train_dynamics",
            "TrainDynamics",
            "Train a motion predictor.",
            "faceanime train dynamics --data DATA -o RUN",
        ),
        "train morphable": Verb(
            "train_morphable",
            "TrainMorphable",
            "Learn a morphable model from clips and portraits of many people.",
            "faceanime train morphable --data DIR -o DIR",
        ),
        "evaluate": Verb(
            "evaluate",
            "Evaluate",
            "Measure renderers, predictors and other methods against filmed faces.",
            "faceanime evaluate --data DATA -o OUT",
        ),
        "evaluate pairs": Verb(
            "evaluate",
            "EvaluatePairs",
            "Write the sources and drivers of an evaluation as input for other methods.",
            "faceanime evaluate pairs --data DATA -o OUT",
        ),
    },
    "This installation": {
        "doctor": Verb(
            "doctor",
            "Doctor",
            "Check what this machine has, what it lacks, and how fast it is.",
            "faceanime doctor",
        ),
    },
}
COMMANDS: dict[str, Verb] = {name: verb for verbs in _GROUPS.values() for name, verb in verbs.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    args = list(sys.argv[1:] if argv is None else argv)
    options = _OptionNames(args)
    try:
        check_this_platform()
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
        from importlib.metadata import version  # slow to import

        print(f"faceanime {version('faceanime')}")
    else:
        name = _command_name(args)
        verb, rest = COMMANDS[name], args[len(name.split()) :]
        kind = verb.load()
        instead = next((act for option, act in getattr(kind, "INSTEAD", {}).items() if option in rest), None)
        if instead is not None:
            instead()
            return
        command = _parse(kind, rest, f"faceanime {name}", verb.example)
        if command is not None:
            command.run()


def _overview() -> str:
    width = max(map(len, COMMANDS))
    groups = [
        "\n".join([f"{title}:", *(f"  {name:<{width}}  {verb.summary}" for name, verb in verbs.items())])
        for title, verbs in _GROUPS.items()
    ]
    return "\n\n".join(
        [
            "usage: faceanime COMMAND [OPTIONS]",
            "Turn one portrait into a video, guided by 3D face dynamics.",
            *groups,
            "faceanime COMMAND --help lists the options of a command; faceanime --version prints the version.",
        ]
    )


def _command_name(args: list[str]) -> str:
    """The command that the arguments begin with; its name may be two words."""
    for words in (2, 1):
        name = " ".join(args[:words])
        if name in COMMANDS:
            return name
    family = [name for name in COMMANDS if name.startswith(f"{args[0]} ")]
    if family:
        raise ConfigError(f"faceanime {args[0]} is incomplete, expected one of {', '.join(family)}")
    kind = "option" if args[0].startswith("-") else "command"
    hint = nearest(args[0], list(COMMANDS)) or "; faceanime --help lists the commands"
    raise ConfigError(f"unknown {kind} {args[0]}{hint}")


def _parse(command: type[Command], args: list[str], prog: str, example: str) -> Command | None:
    """The command with its options set, or None after printing the help that was asked for.

    tyro explains a mistake in a box of many lines on stderr; it becomes one line here.
    """
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return _tyro(command, prog, args)
    except SystemExit as stop:
        if not stop.code:
            return None
    line = CommandLine(command, args, _options_of(command), example, _verbs_with)
    raise ConfigError(f"{explain(line, box.getvalue())} ({prog} --help lists the options)")


def _tyro(command: type[Command], prog: str, args: list[str]) -> Command:
    """Read the options by tyro, in whose help and values None does not occur."""
    registry = ConstructorRegistry()
    registry.struct_rule(_PlainDefaults())
    return tyro.cli(command, prog=prog, args=args, config=(tyro.conf.DisallowNone,), registry=registry)


class _PlainDefaults:
    """A rule for tyro about defaults in help: none where that is None, () or off; a switch that is on says so.

    The option's text says what happens without a value.
    """

    def __init__(self) -> None:
        self._asking = False

    def __call__(self, info: StructTypeInfo) -> StructConstructorSpec | None:
        if self._asking:  # of tyro's own rules, which come after this one
            return None
        self._asking = True
        spec = ConstructorRegistry.get_struct_spec(info)
        self._asking = False
        if not isinstance(spec, StructConstructorSpec):
            return None
        return replace(spec, fields=tuple(map(_plain, spec.fields)))


def _plain(field: StructFieldSpec) -> StructFieldSpec:
    """An option with a default that says something; one that is called no_... has no opposite."""
    if field.default is True:
        hint = "(on by default)"
    elif field.default is False or field.default in (None, ()):  # 0 == False, and is worth saying
        hint = ""
    else:
        return field
    kinds = (tyro.conf.FlagCreatePairsOff,) if field.name.startswith("no_") else ()
    shown = tyro.conf.arg(help_behavior_hint=hint)
    return replace(field, type=cast(Any, Annotated[(field.type, shown, *kinds)]))


def _options_of(command: type[Command]) -> list[str]:
    """The options of a command, as its help page lists them."""
    page = io.StringIO()
    try:
        with redirect_stdout(page):
            _tyro(command, "faceanime", ["--help"])
    except SystemExit:
        pass
    return re.findall(r"(?<![\w-])--?[a-z][\w.-]*", page.getvalue())


def _verbs_with(option: str) -> list[str]:
    """The verbs for videos and motions that have an option."""
    verbs = _GROUPS["Videos"] | _GROUPS["Motions and 3D faces"]
    return [name for name, verb in verbs.items() if option in _options_of(verb.load())]


class _OptionNames:
    """Maps a setting's dotted name to the option of the command that `args` begin with.

    A command may leave out the groups of its options: detect.threshold is --detect.threshold or --threshold. None
    for a setting that the command does not offer.
    """

    def __init__(self, args: list[str]) -> None:
        self._args = args

    @cached_property
    def _known(self) -> list[str]:
        return _options_of(COMMANDS[_command_name(self._args)].load())

    def __call__(self, setting: str) -> str | None:
        names = setting.replace("_", "-").split(".")
        candidates = ("--" + ".".join(names[first:]) for first in range(len(names)))
        return next((option for option in candidates if option in self._known), None)


class _WarningFormatter(logging.Formatter):
    """A warning in one line, and in parentheses the option that may help; an error as when the program ends with it."""

    def __init__(self, name: SettingName) -> None:
        super().__init__("%(message)s")
        self._name = name

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, FaceAnimeError):
            return record.msg.message(self._name)
        text = super().format(record)
        remedy: Remedy | None = getattr(record, "remedy", None)
        hint = remedy.text(self._name) if remedy is not None else None
        return text if hint is None else f"{text} ({hint})"


class _Once:
    """A filter that lets each warning pass once: a file that is read twice is odd twice."""

    def __init__(self) -> None:
        self._passed: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message is new."""
        message = record.getMessage()
        is_new = message not in self._passed
        self._passed.add(message)
        return is_new


@contextmanager
def _warnings_on_stderr(name: SettingName) -> Iterator[None]:
    """Print the package's warnings on stderr, their settings named by `name`."""
    log, handler = logging.getLogger("faceanime"), logging.StreamHandler()
    handler.setFormatter(_WarningFormatter(name))
    handler.addFilter(_Once())
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _fail(message: str, status: int) -> int:
    print(f"faceanime: {' '.join(message.split())}", file=sys.stderr)
    return status
