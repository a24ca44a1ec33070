"""`faceanime models import`, `models list` and `models show`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from faceanime.core.errors import ConfigError
from faceanime.core.files import check_output, is_there
from faceanime.morphable.formats.kinds import check_format
from faceanime.morphable.model_path import known_models, model_path, models_folder, new_model_path


@dataclasses.dataclass(frozen=True)
class ModelsImport:
    """Import a face model of another format, for the option --model of other commands.

    docs/models.md says where to get each, and under which licence.
    """

    kind: tyro.conf.Positional[str]
    """Format: ict, bfm2009, bfm2017, 3ddfa, flame or surrey."""
    path: tyro.conf.Positional[Path]
    """File of the model, or the folder with its files."""
    name: str | None = None
    """Name of the imported model, by default that of its format."""
    overwrite: bool = False
    """Replace an imported model of the same name."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        check_format(self.kind)
        out = new_model_path(self.kind if self.name is None else self.name)
        if is_there(out) and not self.overwrite:
            raise ConfigError(f"{out} exists; choose another --name, or --overwrite it")
        # heavy to load, so after the checks
        from faceanime.commands.terminal_progress import TerminalProgress
        from faceanime.workflows import import_model_file

        with TerminalProgress() as progress:
            model = import_model_file(self.kind, self.path, out, progress)
        print(f"{out} ({model})")


@dataclasses.dataclass(frozen=True)
class ModelsList:
    """List the face models: the bundled one and those that were imported."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        from faceanime.core.weights import shapes_of

        rows: list[tuple[str, ...]] = [("name", "id", "vertices", "identity", "expression", "licence")]
        for known in known_models():
            shapes = shapes_of(known.path)
            counts = (*shapes["identity_basis"][::2], shapes["expression_basis"][2])
            rows.append((known.name, known.id, *map(str, counts), known.licence))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
        print(f"imported models are in {models_folder()}")


@dataclasses.dataclass(frozen=True)
class ModelsShow:
    """Describe a face model, and draw it as a picture: turned, its first directions, its named axes."""

    model: tyro.conf.Positional[Path]
    """Name or id of a model, or its file."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Picture to write, .png or .jpg; without it the model is only described."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError."""
        path = model_path(self.model)
        if self.out is not None:
            check_output(self.out)
        # heavy to load, so after the checks
        from faceanime.workflows import describe_model_file

        print(describe_model_file(path, self.out))
