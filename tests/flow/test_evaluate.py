"""`faceanime evaluate`: from filmed people to a report; a continued evaluation gives the same bytes."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from program import Outcome, Program, pictures

from faceanime import cli
from faceanime.core.config import to_json
from faceanime.core.errors import Cancelled
from faceanime.core.progress import SilentProgress
from faceanime.core.weights import bundled
from faceanime.dataset.shards import MOTION, NOTE, write_shards
from faceanime.dynamics.editing import motion_from_keyframes
from faceanime.dynamics.motion_file import MotionNote, load_motion, save_motion
from faceanime.dynamics.retarget_config import RetargetConfig
from faceanime.evaluate import realism, speed
from faceanime.evaluate.evaluation_config import EvaluateConfig
from faceanime.evaluate.reenactment import measure_pairs
from faceanime.face.detect import MediapipeDetector
from faceanime.generator.config import RendererConfig
from faceanime.generator.generator_file import save_generator
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.media.image import write_image
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import MorphableModel, load_model
from faceanime.pipeline import Animator, AnimatorConfig
from faceanime.train.data.config import PrepareConfig
from faceanime.train.data.preparation import prepare

SIZE = 192
SELF_TABLES = ("Pictures", "L1 by region", "Sharpness by region", "Faces", "Time", "Fréchet distances")


class Stopping(SilentProgress):
    """Cancels in the second pair."""

    def advance(self, steps: int = 1) -> None:
        self.cancel()


def network(path: Path, nodes: list[onnx.NodeProto], inputs: dict[str, list[int | str]]) -> Path:
    """A network file with one output, `y`."""
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in inputs.items()]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", values, [result]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="session")
def people(made: Path, model: MorphableModel, astronaut: np.ndarray) -> Path:
    """Two prepared people: one nods for 12 frames, too few for spectra and FVD, the other talks for 20."""
    return filmed(made, "people", astronaut, model)


def filmed(made: Path, called: str, astronaut: np.ndarray, model: MorphableModel, anns: str = "nod") -> Path:
    """Ann with the bundled motion `anns`, and Bob, her mirror image, who talks.

    They are rendered without networks, so that new weights change nothing.
    """
    animator = Animator(AnimatorConfig(RendererConfig("geometric")), model)
    videos = made / called
    videos.mkdir()
    # shifted by 8 px: without that the detector finds a second face in the suit
    other = np.pad(astronaut[:, 8:], ((0, 0), (0, 8), (0, 0)), "edge")[:, ::-1]
    for name, picture, motion, frames in (
        ("ann", astronaut, anns, 12),
        ("bob", np.ascontiguousarray(other), "talk", 20),
    ):
        drawn = animator.animate(
            animator.portrait(picture), load_motion(bundled(f"motions/{motion}.motion.safetensors"))
        )
        with VideoWriter(videos / f"{name}.mp4", Fraction(25), 320, 320) as writer:
            for pixels, _ in zip(drawn, range(frames), strict=False):
                writer.write(pixels)
    (videos / "clips.csv").write_text("file,split,person\nann.mp4,test,ann\nbob.mp4,test,bob\n")
    config = PrepareConfig(size=SIZE, min_s=0.4, min_face_px=40.0, min_sharpness=0.0)
    detector, out = MediapipeDetector(), made / f"filmed {called}"
    assert prepare([videos], out, config, detector, load_model(), SilentProgress()).kept == {"test": 2}
    return made / f"filmed {called}"


@pytest.fixture(scope="session")
def pairs(made: Path, people: Path) -> Path:
    assert cli.main(["evaluate", "pairs", "--data", str(people), "-o", str(made / "pairs")]) == 0
    return made / "pairs"


@pytest.fixture(scope="session")
def names(pairs: Path) -> list[str]:
    return [note["name"] for note in json.loads((pairs / "pairs.json").read_text())]


@pytest.fixture(scope="session")
def others(made: Path, pairs: Path, names: list[str]) -> tuple[Path, ...]:
    """Three other methods: the drivers themselves, the drivers 2 px lower and enlarged, and grey pictures."""
    shifted, grey = made / "shifted", made / "grey"
    for name in names:
        for t, frame in enumerate(pictures(pairs / "drivers" / f"{name}.mp4")):
            for folder, pixels in (
                (shifted, np.roll(frame, 2, axis=0).repeat(2, axis=0).repeat(2, axis=1)),
                (grey, np.full_like(frame, 128)),
            ):
                (folder / name).mkdir(parents=True, exist_ok=True)
                write_image(folder / name / f"{t}.png", pixels)
    return pairs / "drivers", shifted, grey


@pytest.fixture(scope="session")
def networks(made: Path) -> dict[str, Path]:
    """Networks whose outputs are known: the mean difference, and mean colors."""
    difference = [
        helper.make_node("Sub", ["a", "b"], ["c"]),
        helper.make_node("Abs", ["c"], ["d"]),
        helper.make_node("ReduceMean", ["d"], ["y"], axes=[1, 2, 3], keepdims=0),
    ]
    picture: list[int | str] = ["N", 3, "H", "W"]
    color = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)]
    of_clip = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3, 4], keepdims=0)]
    return {
        "lpips": network(made / "lpips.onnx", difference, {"a": picture, "b": picture}),
        "fid": network(made / "fid.onnx", color, {"x": ["N", 3, 299, 299]}),
        "fvd": network(made / "fvd.onnx", of_clip, {"x": ["N", 3, 16, 224, 224]}),
    }


@pytest.fixture(scope="session")
def config(others: tuple[Path, ...], networks: dict[str, Path]) -> EvaluateConfig:
    return EvaluateConfig(
        predictions=others,
        every=4,
        lpips_weights=networks["lpips"],
        fid_weights=networks["fid"],
        fvd_weights=networks["fvd"],
    )


@pytest.fixture(scope="session")
def options(config: EvaluateConfig) -> list[str]:
    """The configuration as command-line options."""
    words = ["--every", str(config.every), "--predictions", *map(str, config.predictions)]
    for name in ("lpips", "fid", "fvd"):
        words += [f"--{name}-weights", str(getattr(config, f"{name}_weights"))]
    return words


@pytest.fixture(scope="session")
def evaluated(made: Path, people: Path, options: list[str]) -> Path:
    """Protocol self with all rows and networks, never stopped."""
    out = made / "evaluated"
    assert cli.main(["evaluate", "--data", str(people), "-o", str(out), *options]) == 0
    return out


def table(out: Path, title: str) -> dict[str, dict[str, Any]]:
    """The rows of a table in report.json, with the means of estimates."""
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    (found,) = [s for s in report["sections"] if s["kind"] == "table" and s["title"] == title]
    return {
        row["name"]: {
            column: cell["mean"] if isinstance(cell, dict) else cell for column, cell in row["cells"].items()
        }
        for row in found["rows"]
    }


def note(out: Path, title: str) -> str:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return next(str(s["note"]) for s in report["sections"] if s["title"] == title)


def refused(outcome: Outcome, *words: str) -> None:
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert [word for word in words if word not in outcome.err] == []


def test_pairs_are_written_for_other_methods(pairs: Path, names: list[str]) -> None:
    assert len(names) == 2
    for note in json.loads((pairs / "pairs.json").read_text()):
        driver = pictures(pairs / "drivers" / f"{note['name']}.mp4")
        assert driver.shape == (note["frames"], SIZE, SIZE, 3)
        (source,) = pictures(pairs / "sources")[[names.index(note["name"])]]
        np.testing.assert_array_equal(source, driver[note["source_frame"]])


def test_the_drivers_own_frames_score_as_the_truth_does(evaluated: Path) -> None:
    for title in SELF_TABLES:
        rows = table(evaluated, title)
        assert rows["drivers"] == rows["filmed"], title
    picture, face = table(evaluated, "Pictures")["drivers"], table(evaluated, "Faces")["drivers"]
    assert picture == {"L1": 0.0, "PSNR": 100.0, "SSIM": 1.0, "MS-SSIM": 1.0, "LPIPS": 0.0}
    perfect = {"AKD": 0.0, "MKR": 0.0, "AED": 0.0, "APD": 0.0, "gaze": 0.0, "blink F1": 1.0}
    assert perfect.items() <= face.items()
    assert table(evaluated, "Time")["drivers"]["jitter"] == 1.0
    assert table(evaluated, "Fréchet distances")["drivers"]["FID"] == pytest.approx(0.0, abs=1e-9)


def test_a_shift_scores_worse(evaluated: Path) -> None:
    picture, face = table(evaluated, "Pictures")["shifted"], table(evaluated, "Faces")["shifted"]
    assert picture["L1"] > 2.0
    assert picture["PSNR"] < 30.0
    assert picture["SSIM"] < 0.95
    assert picture["LPIPS"] == pytest.approx(picture["L1"] / 127.5, rel=1e-4)  # which this network measures
    assert face["AKD"] == pytest.approx(2.0 * 256 / SIZE, abs=0.5)
    assert face["AED"] < 0.2  # the expression is the same


def test_the_renderer_is_closer_than_the_frozen_source(evaluated: Path) -> None:
    face = table(evaluated, "Faces")
    assert face["geometric"]["AKD"] < 0.7 * face["frozen"]["AKD"]
    assert face["geometric"]["AED"] < 0.7 * face["frozen"]["AED"]
    assert table(evaluated, "L1 relative to the frozen source")["geometric"]["mouth"] < 1.0
    assert table(evaluated, "Differences: L1 by region")["geometric - frozen"]["mouth"] < 0.0


def test_without_a_face_nothing_is_measured(evaluated: Path) -> None:
    face = table(evaluated, "Faces")["grey"]
    assert face["MKR"] == 1.0
    assert face["AKD"] is face["AED"] is face["APD"] is face["gaze"] is None
    assert table(evaluated, "Time")["grey"]["jitter"] is None
    assert table(evaluated, "Faces")["drivers"]["blink F1"] == 1.0
    assert face["blink F1"] == 0.0  # bob blinks


def test_a_set_of_one_sample_has_no_distance(evaluated: Path) -> None:
    assert table(evaluated, "Fréchet distances")["geometric"]["FVD"] is None  # one clip has 16 frames
    assert "FVD of 1 samples" in note(evaluated, "Fréchet distances")
    assert table(evaluated, "Fréchet distances")["grey"]["FID"] > 0.01


def test_bins_count_every_measured_frame(evaluated: Path) -> None:
    for title in ("Rotation from the source, degrees", "Size of the face in the video, px"):
        assert sum(row["frames"] for row in table(evaluated, title).values()) == 5 + 3  # of 12 and 20 frames


def test_the_page_shows_the_clips(evaluated: Path, names: list[str]) -> None:
    page = (evaluated / "report.html").read_text(encoding="utf-8")
    assert page.count("<video ") == page.count("<img src=") == len(names)
    assert "http://" not in page
    assert "https://" not in page
    text = (evaluated / "report.md").read_text(encoding="utf-8")
    assert "| geometric |" in text
    assert "nan" not in text
    assert text.startswith("# Self-reenactment\n\n    faceanime evaluate --data DIR -o OUT --predictions ")


def test_stopped_and_started_again_gives_the_same_report(
    program: Program,
    evaluated: Path,
    people: Path,
    config: EvaluateConfig,
    options: list[str],
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Cancelled, match="measured pairs are kept"):
        measure_pairs(people, out, config, Stopping())
    (first,) = (out / "measured").glob("*.json")
    (out / "videos" / ".faceanime-0.mp4").write_bytes(b"what a kill without warning leaves")
    before = first.stat().st_mtime_ns
    program.makes(out, "evaluate", "--data", people, *options, said=out / "report.html")
    for name in ("report.json", "report.md", "report.html"):
        assert (out / name).read_bytes() == (evaluated / name).read_bytes(), name
    assert first.stat().st_mtime_ns == before  # it was not measured again


def test_other_settings_need_another_folder(
    program: Program, evaluated: Path, people: Path, options: list[str]
) -> None:
    before = (evaluated / "report.json").read_bytes()
    outcome = program("evaluate", "--data", people, *options, "--seed", "3", "-o", evaluated)
    refused(outcome, "other settings (seed was 0, now 3)", "try another --out")
    assert (evaluated / "report.json").read_bytes() == before


def test_a_result_that_has_changed_is_measured_again(
    program: Program, people: Path, pairs: Path, names: list[str], tmp_path: Path
) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    shutil.copytree(pairs / "drivers", mine)
    command = ("evaluate", "--data", people, "--predictions", mine, "--every", "8", "--renderer", "-o", out)
    assert program(*command).status == 0
    assert table(out, "Pictures")["mine"]["L1"] == 0.0
    assert "LPIPS not measured: needs the setting lpips_weights" in note(out, "Pictures")
    assert "LPIPS" not in table(out, "Pictures")["mine"]
    with VideoWriter(mine / f"{names[1]}.mp4", Fraction(25), SIZE, SIZE) as writer:
        for frame in pictures(pairs / "drivers" / f"{names[1]}.mp4"):
            writer.write(np.roll(frame, 2, axis=0))
    assert program(*command).status == 0
    assert table(out, "Pictures")["mine"]["L1"] > 1.0


def test_results_that_do_not_fit_are_one_line(
    program: Program, people: Path, others: tuple[Path, ...], names: list[str], tmp_path: Path
) -> None:
    command = ("evaluate", "--data", people, "--every", "8", "-o", tmp_path / "out", "--predictions")
    (tmp_path / "none").mkdir()
    refused(program(*command, tmp_path / "none"), f"no result of pair {names[0]}", f"{names[0]}.mp4")
    assert not (tmp_path / "out").exists()
    shutil.copytree(others[1], tmp_path / "short")
    (tmp_path / "short" / names[0] / "3.png").unlink()
    refused(program(*command, tmp_path / "short"), f"pair {names[0]} has 11 frames, expected the driver's 12")
    refused(program(*command, tmp_path / "frozen"), "two rows would be called frozen")
    refused(program(*command, others[0], "--fid-weights", tmp_path / "no.onnx"), "no.onnx")
    assert not (tmp_path / "out").exists()  # other settings are no obstacle


@pytest.mark.parametrize("protocol", ["self", "cross", "predict", "target", "speed"])
def test_data_that_were_not_prepared_are_one_line(program: Program, protocol: str, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    outcome = program("evaluate", "--protocol", protocol, "--data", data, "-o", out)
    refused(outcome, "no shard of split test", "faceanime prepare")
    assert not out.exists()


def test_a_missing_extra_is_named_before_anything_is_read(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # what Python itself writes to forbid an import
    outcome = program("evaluate", "--data", tmp_path / "none", "-o", tmp_path / "out")
    refused(outcome, 'pip install "faceanime[eval]"')
    assert not (tmp_path / "out").exists()


def test_people_animate_each_other(
    program: Program, made: Path, astronaut: np.ndarray, model: MorphableModel, tmp_path: Path
) -> None:
    """With closed mouths: a source that smiles cannot smile further. Both move their faces."""
    animator, out = Animator(AnimatorConfig(RendererConfig("geometric")), model), tmp_path / "out"
    shutting = {"smile": [(0.0, 0.0), (1.0, -1.0)], "lips_part": [(0.0, 0.0), (1.0, -1.0)]}
    portrait = animator.portrait(astronaut)
    motion = animator.retarget(
        portrait, motion_from_keyframes(shutting, 1.0, Fraction(5), model), RetargetConfig(rest=False)
    )
    calm = list(animator.render(portrait, motion))[-1]
    people = filmed(made, "calm people", calm, model, anns="surprise")
    command = ("evaluate", "--protocol", "cross", "--data", people, "--every", "8", "--renderer", "geometric")
    program.makes(out, *command, said=out / "report.html")
    report = json.loads((out / "report.json").read_text())
    pairs = report["settings"]["pairs"]
    assert [(p["source"][:3], p["driver"][:3]) for p in pairs] == [("bob", "ann"), ("ann", "bob")]
    faces = table(out, "Faces")
    assert "AKD" not in faces["geometric"]  # landmarks of two people cannot be compared
    for metric in ("AED", "APD"):
        assert faces["filmed"][metric] < faces["geometric"][metric] < faces["frozen"][metric]
    assert "departures from the reference frame of the driver" in note(out, "Faces")
    assert faces["frozen"].get("CSIM", 1.0) == pytest.approx(1.0, abs=0.02)
    assert faces["filmed"].get("CSIM", 0.0) < 0.995
    assert "Pictures" not in [section["title"] for section in report["sections"]]
    for words in (
        "FID not measured: needs the setting fid_weights",
        "FVD not measured: needs the setting fvd_weights",
    ):
        assert words in note(out, "Fréchet distances")


def test_speed_is_measured_once(
    program: Program, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "ROUNDS", 1)
    out = tmp_path / "out"
    command = ("evaluate", "--protocol", "speed", "--data", people)
    program.makes(out, *command, said=out / "report.html")
    rates = table(out, "Frames per second")["geometric"]
    assert list(rates) == ["256 px", "512 px", "1024 px"]
    assert rates["256 px"] > rates["1024 px"] > 0.2
    before = (out / "report.json").read_bytes()
    program.makes(out, *command, said=out / "report.html")
    assert (out / "report.json").read_bytes() == before


@pytest.fixture(scope="session")
def motions(made: Path) -> Path:
    """Shards of motions without pictures, which prediction does not need: four in train and two in test."""
    files, data = made / "motion_files", made / "motions"
    files.mkdir()
    data.mkdir()
    names = {"train": ("talk", "look-around", "smile", "surprise"), "test": ("nod", "shake")}
    for split, some in names.items():
        for name in some:
            motion = load_motion(bundled(f"motions/{name}.motion.safetensors"))
            frames = np.arange(110) % len(motion)
            motion = replace(
                motion,
                expression=motion.expression[frames],
                pose=motion.pose[frames],
                valid=motion.valid[frames],
            )
            save_motion(motion, files / f"{name}.{MOTION}", MotionNote("MIT", "keyframes"))
            (files / f"{name}.{NOTE}").write_text(json.dumps({"person": name, "split": split}))
        write_shards(data, split, [f for f in files.iterdir() if f.name.split(".")[0] in some], 10)
    return data


@pytest.mark.parametrize(
    ("protocol", "title", "best", "worse"),
    [
        ("predict", "Prediction", "flow, best of 10 at temperature 0.25", "flow, one draw"),
        ("target", "Toward a target", "flow, best of 10 at temperature 0.25", "flow, one draw"),
    ],
)
def test_imagined_motion_is_measured(
    program: Program,
    motions: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
    title: str,
    best: str,
    worse: str,
) -> None:
    monkeypatch.setattr(realism, "CLASSIFIER_SPLITS", 1)
    out = tmp_path / "out"
    command = ("evaluate", "--protocol", protocol, "--data", motions)
    program.makes(out, *command, said=out / "report.html")
    rows = table(out, title)
    assert rows[best]["vertices %, 10"] < rows[worse]["vertices %, 10"]
    assert all(np.isfinite(cell) for cells in rows.values() for cell in cells.values())


def test_too_few_clips_for_prediction_are_one_line(
    program: Program, people: Path, motions: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(motions, data)
    shutil.copy(people / "test-000000.tar", data)
    outcome = program("evaluate", "--protocol", "predict", "--data", data, "-o", tmp_path / "out")
    refused(outcome, "less than 2 people with a clip of 60 frames in split test")


def test_the_settings_are_written_down(evaluated: Path, config: EvaluateConfig) -> None:
    assert (evaluated / "settings.json").read_text(encoding="utf-8") == to_json(config)


def test_own_networks_are_rows(program: Program, people: Path, tmp_path: Path, model: MorphableModel) -> None:
    run = tmp_path / "run"
    run.mkdir()
    save_generator(run / "generator.safetensors", Pgfg(PgfgConfig(32, 4, 8, 6)), model, {})
    flow = bundled("generator_fast.safetensors")
    out = tmp_path / "out"
    command = (
        "evaluate",
        "--data",
        people,
        "--every",
        "9",
        "--renderer",
        "geometric",
        "--generator",
        run / "generator.safetensors",
        flow,
    )
    program.makes(out, *command, said=out / "report.html")
    rows = table(out, "L1 by region")
    assert list(rows) == ["filmed", "frozen", "geometric", "run", "generator_fast"]
    assert rows["generator_fast"]["outside"] < rows["run"]["outside"]  # untrained
    twice = program("evaluate", "--data", people, "--generator", flow, flow, "-o", tmp_path / "twice")
    refused(twice, "two rows would be called generator_fast")
