"""Write docs/reference/python.md, the reference of the Python API, from the signatures and docstrings in the code.

    python docs/make_reference.py

`tests/test_make_reference.py` checks that the page is current. Everything is read from the source texts, so that the
page does not depend on what importing makes of them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faceanime

PAGE = Path(__file__).parent / "reference" / "python.md"
INTRODUCTION = """\
# Python

```python
import faceanime

faceanime.animate("me.jpg", "talk", "out.mp4", head=0.5)
```

More examples: [in Python](../animate.md#in-python). Importing the package alone loads nothing else;
`faceanime.__version__` is the version of the installation. An error that a user can cause or correct is a
`FaceAnimeError`, whose text is one line; any other exception is a bug. `PictureSource` is a picture in any form: a path
(`str` or `Path`), an array or a Pillow image; `DriverSource` is one too, or a motion (`Dynamics`), or the path of a
video or of a motion file, or the name of a bundled motion. `Pixels` is an array (H,W,3) uint8 of sRGB.

`python docs/make_reference.py` writes this page.
"""
SETTINGS = """\
## Settings

Frozen dataclasses: their fields are given by name, and `dataclasses.replace` changes some of them. A value out of its
range raises `ConfigError`.
"""
_LONGEST_CALL = 100
"""Characters of a signature on one line."""
Definition = ast.FunctionDef | ast.ClassDef


def main() -> None:
    """Write the page."""
    PAGE.write_text(reference(), encoding="utf-8")


def reference() -> str:
    """The whole page."""
    public = [getattr(faceanime, name) for name in faceanime.__all__]
    functions = [thing for thing in public if not isinstance(thing, type)]
    errors = [thing for thing in public if thing not in functions and issubclass(thing, Exception)]
    settings = [thing for thing in public if thing not in functions and any(_fields(thing))]
    classes = [thing for thing in public if thing not in (*functions, *errors, *settings)]
    return "\n".join(
        [
            INTRODUCTION,
            *("## Functions\n", *map(_function, functions)),
            *("## Classes\n", *map(_class, classes)),
            *("## Errors\n", *map(_error, errors)),
            *(SETTINGS, *map(_settings, settings)),
        ]
    ).replace("\n\n\n", "\n\n")


def _function(thing: Any) -> str:
    node = _definition(thing)
    assert isinstance(node, ast.FunctionDef)
    return f"### {node.name}\n\n{_signature(node, node.name)}\n{_docstring(node)}\n"


def _class(thing: type) -> str:
    """The docstring of a class, the call that makes one, its properties and its methods."""
    node = _definition(thing)
    lines = [f"### {node.name}\n", f"{_docstring(node)}\n"]
    for method in node.body:
        if not isinstance(method, ast.FunctionDef):
            continue
        if method.name == "__init__":
            lines += [_signature(method, node.name), _docstring(method)]
        elif not method.name.startswith("_"):
            name = f"{node.name}.{method.name}"
            decorators = {ast.unparse(each) for each in method.decorator_list}
            if decorators & {"property", "cached_property"}:
                lines.append(f"`{name}`: {_docstring(method)}\n")
            else:
                lines += [_signature(method, name), f"{_docstring(method)}\n"]
    return "\n".join(lines)


def _error(thing: type) -> str:
    return f"`{thing.__name__}`: {_docstring(_definition(thing))}\n"


def _settings(thing: type) -> str:
    """The docstring of settings and a table of their fields."""
    rows = "\n".join(_fields(thing))
    return f"### {thing.__name__}\n\n{_docstring(_definition(thing))}\n\n| field | default | |\n|---|---|---|\n{rows}\n"


def _fields(cls: type) -> Iterator[str]:
    """A row for each field of settings, those of the base classes first; none for a class without described fields."""
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("faceanime."):
            continue
        body = _definition(base).body
        for field, text in zip(body, body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(ast.Name(name), kind, value), ast.Expr(ast.Constant(str(words))):
                    default = (
                        ""
                        if value is None
                        else re.sub(r"field\(default_factory=(\w+)\)", r"\1()", ast.unparse(value))
                    )
                    cells = f"`{name}`: `{ast.unparse(kind)}`", f"`{default}`", " ".join(words.split())
                    yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _definition(thing: Any) -> Definition:
    """The syntax tree of a function or class."""
    path = sys.modules[thing.__module__].__file__
    assert path is not None
    body = ast.parse(Path(path).read_text(encoding="utf-8")).body
    return next(node for node in body if isinstance(node, Definition) and node.name == thing.__name__)


def _signature(function: ast.FunctionDef, name: str) -> str:
    """A code block with the call, one argument a line if it is long."""
    arguments = re.sub(r"^self(, )?", "", ast.unparse(function.args)).replace("=", " = ")
    returned = (
        ""
        if function.name == "__init__" or function.returns is None
        else f" -> {ast.unparse(function.returns)}"
    )
    call = f"{name}({arguments}){returned}"
    if len(call) > _LONGEST_CALL:
        lines = re.split(r", (?![^\[(]*[\])])", arguments)  # not within brackets
        call = f"{name}(\n" + "".join(f"    {line},\n" for line in lines) + f"){returned}"
    return f"```python\n{call}\n```\n"


def _docstring(node: Definition) -> str:
    """The docstring, with its example as a code block."""
    return re.sub(r"^>>> [^\0]*", r"```python\n\g<0>\n```", ast.get_docstring(node) or "", flags=re.MULTILINE)


if __name__ == "__main__":
    main()
