"""One name means one thing: a public class, function or constant exists once in the package."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import faceanime

PACKAGE = Path(faceanime.__file__).parent
SHARED = {
    "KIND": "every module of `generator.config.RENDERERS` has one",
    "log": "the logger of a module",
}
"""Names that several modules may have, and why."""


def names_defined_by(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top level of a module defines; imports define none."""
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.If(body=body, orelse=orelse):
            for inner in (*body, *orelse):
                yield from names_defined_by(inner)
        case ast.Try(body=body, handlers=handlers, orelse=orelse):
            for inner in (*body, *orelse, *(each for handler in handlers for each in handler.body)):
                yield from names_defined_by(inner)


def modules_by_name(package: Path) -> dict[str, set[str]]:
    """The modules that define each public name."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(package.rglob("*.py")):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            for name in names_defined_by(statement):
                if not name.startswith("_"):
                    found[name].add(path.relative_to(package).as_posix())
    return found


def test_a_public_name_exists_once() -> None:
    modules = modules_by_name(PACKAGE)
    assert len(modules) > 500, "the names were not found"
    shared = {name: sorted(where) for name, where in modules.items() if len(where) > 1}
    assert {name: where for name, where in shared.items() if name not in SHARED} == {}
    assert set(shared) == set(SHARED), "an exception that nothing needs any more"


def test_names_in_every_kind_of_definition_are_found(tmp_path: Path) -> None:
    for module in ("a.py", "b.py"):
        tmp_path.joinpath(module).write_text(
            "from math import pi\n_P = pi\nA, (B, C) = 1, (2, 3)\nD: int = 4\nclass E: x = 1\ndef f(): y = 2\n"
            "try:\n    G = 1\nexcept ImportError:\n    G = 2\n",
            encoding="utf-8",
        )
    both = {"a.py", "b.py"}
    assert modules_by_name(tmp_path) == dict.fromkeys("ABCDEfG", both)
