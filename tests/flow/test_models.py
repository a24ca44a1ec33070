"""Face models are imported, listed, shown and used by the commands; what is wrong is told in one line."""

from pathlib import Path

import numpy as np
import pytest
from program import Program

from faceanime.core.weights import read_header
from faceanime.dynamics.motion_file import load_motion
from faceanime.media.image import read_image
from faceanime.media.video import read_frames
from faceanime.morphable.model import MorphableModel, load_model
from foreign_models import foreign, write_surrey


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of imported models."""
    monkeypatch.setenv("FACEANIME_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def imported(program: Program, models: Path, model: MorphableModel, tmp_path: Path) -> Path:
    """An imported model that is called `other`."""
    write_surrey(tmp_path / "surrey", foreign(model))
    done = program("models", "import", "surrey", tmp_path / "surrey", "--name", "other")
    path = models / "other.safetensors"
    assert done.status == 0
    assert done.out.startswith(f"{path} (MorphableModel(")
    return path


def test_an_imported_model_moves_a_portrait(
    program: Program, imported: Path, portrait_path: Path, tmp_path: Path
) -> None:
    motion = tmp_path / "talk.motion.safetensors"
    done = program("edit", "talk", "--end", "0.4", "--to", "other", "-o", motion)
    assert (done.status, done.out) == (0, f"{motion}\n")
    assert "% of the eye distance on average" in done.err
    other = load_model(imported)
    assert load_motion(motion).model_id == other.id
    assert f"converted to face model {other.id}" in read_header(motion)["provenance"]
    program.makes(
        tmp_path / "out.mp4",
        *("animate", portrait_path, "--driving", motion, "--model", "other"),
        *("--renderer", "geometric", "--size", "128"),
    )
    frames = [frame.pixels.astype(int) for frame in read_frames(tmp_path / "out.mp4")]
    assert len(frames) == len(load_motion(motion))
    assert max(np.abs(frame - frames[0]).max() for frame in frames) > 20
    again = tmp_path / "again.motion.safetensors"  # its own model is found by its id
    program.makes(again, "edit", motion, "--mirror")
    assert load_motion(again).model_id == other.id
    program.makes(tmp_path / "face.obj", "reconstruct", portrait_path, "--model", imported)


def test_models_are_listed_and_shown(
    program: Program, imported: Path, model: MorphableModel, tmp_path: Path
) -> None:
    listed = program("models", "list")
    assert listed.status == 0
    assert f"faceanime  {model.id}" in listed.out
    assert "non-commercial" in next(line for line in listed.out.splitlines() if line.startswith("other"))
    shown = program("models", "show", "other", "-o", tmp_path / "sheet.png")
    assert shown.status == 0
    assert "licence     non-commercial and academic use only" in shown.out
    assert read_image(tmp_path / "sheet.png").shape[1] > 1000
    by_id = program("models", "show", load_model(imported).id)
    assert by_id.out == shown.out


def test_networks_of_another_model_are_refused_at_once(
    program: Program, imported: Path, portrait_path: Path, tmp_path: Path
) -> None:
    done = program(
        "animate", portrait_path, "--driving", "talk", "--model", "other", "-o", tmp_path / "x.mp4"
    )
    assert done.status == 2
    assert "cannot draw other" in done.err
    assert "use --renderer geometric" in done.err
    done = program(
        *("animate", portrait_path, "--driving", "talk", "--model", "other", "--renderer", "geometric"),
        *("-o", tmp_path / "x.mp4"),
    )
    assert done.status == 2
    assert "faceanime edit MOTION --to MODEL" in done.err


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("models", "import", "flam", "x.pkl"), "unknown kind of face model flam"),
        (("models", "import", "flame", "none.pkl"), "none.pkl: no such file or folder"),
        (("models", "import", "flame", "x.pkl", "--name", "../x"), "a model cannot be called '../x'"),
        (("models", "show", "nobody"), "no face model nobody; there are faceanime"),
        (("edit", "talk", "--to", "nobody", "-o", "x.motion.safetensors"), "no face model nobody"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    args: tuple[str, ...], line: str, program: Program, models: Path
) -> None:
    done = program(*args)
    assert done.status == 2
    assert line in done.err
    assert done.err.count("\n") == 1


def test_an_imported_model_is_not_replaced_unasked(
    program: Program, imported: Path, model: MorphableModel, tmp_path: Path
) -> None:
    before = imported.read_bytes()
    done = program("models", "import", "surrey", tmp_path / "surrey", "--name", "other")
    assert (done.status, "exists; choose another --name" in done.err) == (2, True)
    assert imported.read_bytes() == before


def test_the_motion_of_an_unknown_model_is_told(program: Program, models: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from faceanime.dynamics.motion_file import bundled_motion, save_motion

    motion = tmp_path / "x.motion.safetensors"
    save_motion(replace(bundled_motion("nod"), model_id="0123456789ab"), motion)
    done = program("edit", motion, "--mirror", "-o", tmp_path / "y.motion.safetensors")
    assert done.status == 2
    assert "belongs to face model 0123456789ab" in done.err
