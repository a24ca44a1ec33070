"""What is wrong with the options of a command, in one line.

tyro explains a mistake in a box of many lines. From that, and from the options themselves, these functions find a line
that says what was given, what was expected, and what to type instead.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from faceanime.core.config import nearest, nearest_of

SYNONYMS: dict[str, tuple[str, ...]] = {
    "checkpoint": ("--generator", "--predictor", "--resume"),
    "cuda": ("--device",),
    "d": ("--driving", "--data"),
    "drive": ("--driving",),
    "driven": ("--driving",),
    "driver": ("--driving",),
    "driving-image": ("--driving",),
    "driving-video": ("--driving",),
    "duration": ("--seconds",),
    "epochs": ("--steps",),
    "expression-scale": ("--lips",),
    "frame-rate": ("--fps",),
    "framerate": ("--fps", "--frame-rate"),
    "fps": ("--fps", "--frame-rate"),
    "gpu": ("--device",),
    "height": ("--size",),
    "input": ("--data",),
    "iterations": ("--steps",),
    "length": ("--seconds",),
    "max-steps": ("--steps",),
    "model": ("--generator", "--predictor"),
    "mouth": ("--lips",),
    "output": ("--out",),
    "output-dir": ("--out",),
    "pose": ("--head",),
    "quiet": (),
    "rate": ("--fps", "--frame-rate"),
    "resolution": ("--size",),
    "result": ("--out",),
    "result-dir": ("--out",),
    "save": ("--out",),
    "save-path": ("--out",),
    "show-axes": ("--list-axes",),
    "video": ("--driving",),
    "weights": ("--generator", "--predictor"),
    "width": ("--size",),
}
"""Names that other programs give to an option, and ours; the first of them that the command has is suggested."""
PICTURE_NAMES = {
    "image",
    "img",
    "input",
    "photo",
    "picture",
    "portrait",
    "s",
    "source",
    "source-image",
    "src",
    "i",
}
"""Names that other programs give to the option for the picture, which here is given without a name."""
_KINDS = {"FLOAT": "a number", "INT": "a whole number", "PATH": "a path"}

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
"""A time as players show it, such as 1:02 or 0:01:02.5."""


@dataclass(frozen=True)
class CommandLine:
    """A command and its arguments, as far as its mistakes are explained."""

    command: type
    args: Sequence[str]
    known: Sequence[str]
    """The options of the command, as its help page lists them."""
    example: str
    """A whole command line that works."""
    verbs_with: Callable[[str], list[str]]
    """The other verbs that have an option."""


def explain(line: CommandLine, box: str) -> str:
    """What is wrong, in one line; `box` is what tyro has written."""
    return (
        _unknown_option(line)
        or _missing(line, box)
        or _wrong_value(box)
        or _one_too_many(line, box)
        or _first_paragraph(box)
    )


def suggestion(name: str, known: Sequence[str]) -> str | None:
    """The option that was probably meant by `name`: the same by another name, or one that is spelled nearly so."""
    bare = _bare(name)
    options = {option.lstrip("-"): option for option in known if option.startswith("--")}
    for synonym, ours in SYNONYMS.items():
        there = [option for option in ours if option in known]
        if there and synonym not in options:
            options[synonym] = there[0]
    found = bare if bare in options else None if bare in SYNONYMS else nearest_of(bare, list(options))
    return None if found is None else options[found]


def _bare(name: str) -> str:
    """An option's name without its dashes, spelled as we do."""
    return name.lstrip("-").replace("_", "-").lower()


def _unknown_option(line: CommandLine) -> str | None:
    """Name the first option that the command does not have, and the verb that has it or what was probably meant."""
    for arg in line.args:
        name = arg.split("=")[0]
        if not re.match(r"--?[a-zA-Z]", name) or name.replace("_", "-") in line.known:
            continue
        path = _positional(line)
        if path is not None and name.lstrip("-").replace("_", "-") in PICTURE_NAMES:
            return f"unknown option {name}; write the {path} without an option, as in: {line.example}"
        meant, bare = suggestion(name, line.known), _bare(name)
        verbs = [] if meant is not None and bare in SYNONYMS else line.verbs_with(f"--{bare}")
        if verbs:
            return f"unknown option {name}; it is an option of {', '.join(verbs)}"
        return f"unknown option {name}" + ("" if meant is None else f"; did you mean {meant}?")
    return None


def _missing(line: CommandLine, box: str) -> str | None:
    """The names of the required options in a box that lists them, each above its help; None for another box."""
    if "Missing from" not in box:
        return None
    required = box.partition("For full helptext")[0]
    names = re.findall(r"^[│ ] {5}(\S.*?)[│ ]*$", required, re.MULTILINE)
    options = [name.split(", ")[-1].split()[0] for name in names]
    path = _positional(line)
    texts = [option if option.startswith("-") or path is None else f"the {path}" for option in options]
    is_given = bool(line.args) and not line.args[0].startswith("-")
    if is_given:  # tyro misses it all the same where an argument too many follows
        texts = [text for text in texts if text != f"the {path}"] or texts
    elif _is_required(line, path) and f"the {path}" not in texts:
        texts = [f"the {path}", *texts]  # tyro does not miss an argument of which there may be several
    *others, last = texts
    return f"missing {', '.join(others)}{' and ' if others else ''}{last}, as in: {line.example}"


def _wrong_value(box: str) -> str | None:
    """The option whose value cannot be read, and the values that can."""
    text = " ".join(box.replace("│", " ").split())
    if choice := re.search(
        r"invalid choice '(.*?)' for argument '(?:-\w/)?([\w.-]+)'\. Expected one of \((.*?)\)", text
    ):
        value, option, choices = choice.groups()
        known = re.findall(r"'(.*?)'", choices)
        return f"{option} is {value}, expected one of {', '.join(known)}{nearest(value, known)}"
    if value := re.search(r"Missing value for argument '(?:-\w/)?([\w.-]+)'", text):
        return f"{value[1]} needs a value"
    if number := re.search(r"Error parsing ([\w.-]+): .*?(?:float: |base 10: |from \[)'(.*?)'", text):
        kind = "FLOAT" if "to float" in text else "INT" if "int()" in text else ""
        if matching := re.search(r"no type matching (\S+) could", text):
            kind = matching[1]
        if "FLOAT" in kind and (clock := _CLOCK.fullmatch(number[2])):
            seconds = 3600 * int(clock[1] or 0) + 60 * int(clock[2]) + float(clock[3])
            return f"{number[1]} is {number[2]}, expected seconds: {seconds:g}"
        words = [_KINDS.get(each, each.strip("{}")) for each in kind.split("|")]
        return f"{number[1]} is {number[2]}, expected {' or '.join(words)}"
    return None


def _one_too_many(line: CommandLine, box: str) -> str | None:
    """The argument that belongs to nothing: the value of a switch, or a second picture."""
    text = " ".join(box.replace("│", " ").split())
    if not (extra := re.search(r"Unrecognized options: (\S+)", text)):
        return None
    before = line.args[line.args.index(extra[1]) - 1] if extra[1] in line.args[1:] else ""
    if before.startswith("--"):
        return f"{before} takes {'no value' if _is_switch(line, before) else 'one value'}, found {extra[1]} after it"
    return f"{extra[1]} is one argument too many; expected as in: {line.example}"


def _is_switch(line: CommandLine, option: str) -> bool:
    group, dot, name = option.removeprefix("--").rpartition(".")
    return f"--{group}{dot}no-{name.removeprefix('no-')}" in line.known


def _positional(line: CommandLine) -> str | None:
    """The name of the command's first argument that is no option."""
    for field in dataclasses.fields(line.command):
        if "Positional" in str(field.type):
            return field.name
    return None


def _is_required(line: CommandLine, name: str | None) -> bool:
    """Whether a field of the command has no default."""
    fields = {field.name: field for field in dataclasses.fields(line.command)}
    return name in fields and fields[name].default is fields[name].default_factory is dataclasses.MISSING


def _first_paragraph(box: str) -> str:
    """The text of a box below its title, up to the next rule or empty line; the frame may be blanks."""
    lines: list[str] = []
    for each in box.splitlines()[1:]:
        text = each.strip("│╰╯ ")
        if text.strip("─-"):
            lines.append(text)
        elif lines:
            break
    return " ".join(lines)
