"""Runs every verb of the command line on tiny inputs, in one process, and writes the exit status of each as JSON.

Usage: every_verb.py FOLDER STATUS.json
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnx
import skimage.data
from onnx import TensorProto, helper

from clay import SMALL, add_clip, small_motion
from faceanime import cli
from faceanime.core.config import save_config
from faceanime.dataset.shards import write_shards
from faceanime.dynamics.flow_predictor import FlowConfig
from faceanime.media.image import write_image
from faceanime.media.video import read_frames
from faceanime.media.video_writer import VideoWriter
from faceanime.morphable.model import load_model
from faceanime.train.dynamics.config import DynamicsConfig
from foreign_models import foreign, write_surrey

DYNAMICS = DynamicsConfig(
    flow=FlowConfig(window=8, width=8, layers=1, heads=2),
    steps=2,
    batch=2,
    observed=4,
    future=4,
    validate_every=2,
)
GENERATOR = replace(SMALL, steps=1, validate_every=1, validation_windows=1, adversarial_from=0)
SIDE = ("--size", "128")


def main(folder: Path, report: Path) -> None:
    statuses: dict[str, int] = {}

    def run(verb: str, *args: str | Path) -> None:
        os.environ["GUARD_CONTEXT"] = verb
        began = time.process_time()
        statuses[verb] = max(statuses.get(verb, 0), cli.main([*verb.split(), *map(str, args)]))
        report.write_text(json.dumps(statuses))
        print(f"--- {verb}: {time.process_time() - began:.1f} s", file=sys.stderr, flush=True)

    portrait, other = write_portraits(folder)
    motion, video = folder / "a.motion.safetensors", folder / "videos" / "a.mp4"
    video.parent.mkdir()
    predict = ("--seconds", "0.5", "--motion-out", motion, *SIDE)
    run("predict", portrait, "-o", folder / "predicted.gif", *predict)
    run("animate", portrait, "--driving", motion, "-o", video, *SIDE)
    run("animate", portrait, "--driving", video, "-o", folder / "again.webp", *SIDE)
    run("morph", portrait, "--target", other, "-o", folder / "morphed", "--seconds", "0.2", *SIDE)
    run("edit", motion, "--mirror", "-o", folder / "b.motion.safetensors")
    os.environ["FACEANIME_MODELS"] = str(folder / "models")
    write_surrey(folder / "surrey", foreign(load_model()))
    run("models import", "surrey", folder / "surrey")
    run("models list")
    run("models show", "surrey", "-o", folder / "surrey.png")
    run("reconstruct", portrait, "-o", folder / "face.glb")
    write_video_table(video)
    small_faces = ("--min-s", "0.2", "--min-face-px", "20", "--min-sharpness", "0")
    run("prepare", video.parent, "-o", folder / "data", *SIDE, *small_faces)
    train(run, folder, video)
    evaluate(run, folder)
    run("demo", "--motions", "wink", "--size", "64", "--out", folder / "demo")
    run("doctor", "--json")


def write_portraits(folder: Path) -> tuple[Path, Path]:
    """The public-domain portrait that scikit-image carries, and its mirror image."""
    picture = np.ascontiguousarray(skimage.data.astronaut()[:320, 64:384])  # type: ignore[no-untyped-call]
    paths = folder / "portrait.png", folder / "other.png"
    write_image(paths[0], picture)
    write_image(paths[1], np.ascontiguousarray(picture[:, ::-1]))
    return paths


def write_video_table(video: Path) -> None:
    """Two people for `prepare`: the video and its mirror image."""
    frames = list(read_frames(video))
    height, width = frames[0].pixels.shape[:2]
    with VideoWriter(video.with_name("b.mp4"), 25, width, height) as writer:  # type: ignore[arg-type]
        for frame in frames:
            writer.write(np.ascontiguousarray(frame.pixels[:, ::-1]))
    rows = ("file,split,person", "a.mp4,test,ann", "b.mp4,test,bob")
    (video.parent / "clips.csv").write_text("\n".join(rows) + "\n")


def train(run, folder: Path, video: Path) -> None:  # type: ignore[no-untyped-def]
    clips, model = folder / "clips", load_model()
    clips.mkdir()
    for split, keys in (("train", "ab"), ("val", "c")):
        files = [f for k in keys for f in add_clip(clips, k, split, small_motion(model, ord(k)), model)]
        write_shards(clips, split, files, 100)
    save_config(DYNAMICS, folder / "dynamics.json")
    save_config(GENERATOR, folder / "generator.json")
    for verb, name in (("train dynamics", "dynamics"), ("train generator", "generator")):
        run(verb, "--data", clips, "--out", folder / name, "--config", folder / f"{name}.json")
    (video.parent / "clips.csv").write_text("file,split,person\na.mp4,train,ann\nb.mp4,train,bob\n")
    counts = ("identities", "eye-expressions", "brow-expressions", "mouth-expressions", "rounds")
    learn = [word for name in counts for word in (f"--config.{name}", "1")]
    run("train morphable", "--data", video.parent, "--out", folder / "morphable", *learn)


def evaluate(run, folder: Path) -> None:  # type: ignore[no-untyped-def]
    """With a network that onnxruntime runs: a distance of two pictures."""
    picture = ["N", 3, "H", "W"]
    nodes = [
        helper.make_node("Sub", ["a", "b"], ["c"]),
        helper.make_node("Abs", ["c"], ["d"]),
        helper.make_node("ReduceMean", ["d"], ["y"], axes=[1, 2, 3], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, picture) for name in "ab"]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "distance", inputs, [output])
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(network, str(folder / "distance.onnx"))
    data = ("--data", folder / "data")
    run("evaluate pairs", *data, "-o", folder / "pairs")
    run(
        "evaluate", *data, "-o", folder / "report", "--every", "8", "--renderer", "geometric",
        "--lpips-weights", folder / "distance.onnx",
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
