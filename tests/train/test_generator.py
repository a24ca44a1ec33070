"""Training generators: from prepared clips to weights, and each loss by what it changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clay import DENSE_PAINTING, PAINTING, SMALL, pairs_of
from faceanime.core.errors import Cancelled, ConfigError, WeightsError
from faceanime.core.progress import SilentProgress
from faceanime.generator.blocks import GeneratedFace
from faceanime.generator.conditions import SKIN
from faceanime.generator.generator_file import load_generator, save_generator
from faceanime.generator.windows import WindowSizes
from faceanime.morphable.model import MorphableModel
from faceanime.train.generator.flow_trainer import FlowTrainer
from faceanime.train.generator.generator_trainer import GeneratorConfig
from faceanime.train.generator.pairs import PairIndex
from faceanime.train.generator.training import GeneratorRun, train_generator, train_generator_on
from faceanime.train.generator.trainings import load_training, new_trainer
from faceanime.train.generator.window_samples import Batch, batched, open_windows
from faceanime.train.loop import Run
from logs import StoppingLog


def test_it_learns(rendered: Path, model: MorphableModel) -> None:
    """A network that memorizes a few windows."""
    config = replace(
        SMALL, steps=400, validation_windows=6, adversarial_from=1000, learning_rate=3e-3, ema=0.9
    )
    with pairs_of(rendered, "val", model) as pairs:
        trainer = FlowTrainer(config)
        samples = trainer.samples(pairs)
    before = trainer.validate(samples)
    batch = {part: batched(windows) for part, windows in samples.items()}
    for _ in range(60):
        trainer.advance(batch)
    after = trainer.validate(samples)
    for region in ("inside", "lips", "lids", "eyeball"):
        assert before[region] == pytest.approx(before[f"{region} canvas"], rel=1e-3)
        assert after[region] < 0.9 * before[region]
        assert after[f"{region} canvas"] == before[f"{region} canvas"]


def test_critics_learn(rendered: Path, model: MorphableModel) -> None:
    config = replace(SMALL, adversarial_from=0, face_share=1.0)
    with pairs_of(rendered, "train", model) as pairs:
        trainer = FlowTrainer(config)
        critics = {name: value.clone() for name, value in trainer.critics.state_dict().items()}
        losses = trainer.advance(trainer.draw(pairs, 0))
    parts = {part for part in ("mouth", "eye", "face") if f"{part}/picture" in losses}
    assert "mouth" in parts
    moved = {
        name.split(".")[0]
        for name, value in trainer.critics.state_dict().items()
        if not torch.equal(value, critics[name])
    }
    assert moved == parts
    for part in parts:
        assert {f"{part}/critic", f"{part}/believed", f"{part}/matched"} <= losses.keys()


@pytest.mark.parametrize(
    ("weight", "loss", "strong"),
    [
        ("synthesis", "synthesis", 50.0),
        ("detail", "detail", 50.0),
        ("mask", "mask", 50.0),
        ("adversarial", "believed", 50.0),
        ("matching", "matched", 100.0),
    ],
)
def test_every_loss_lowers_what_it_measures(
    rendered: Path, model: MorphableModel, weight: str, loss: str, strong: float
) -> None:
    """Against the same steps with next to no weight on it."""
    judged = weight in ("adversarial", "matching", "detail")
    base = replace(
        SMALL,
        mask=0.0,
        warm_up=0,
        steps=1000,
        learning_rate=3e-3,
        adversarial=20.0 if weight == "matching" else SMALL.adversarial,
        matching=0.0,
        adversarial_from=0 if judged else 1000,
        critic_learning_rate=0.0,
    )
    reached = []
    for value in (1e-6, strong):
        config = replace(base, **{weight: value})
        with pairs_of(rendered, "train", model) as pairs:
            trainer = FlowTrainer(config)
            drawn = trainer.draw(pairs, 0)
        scale = 1.0 if weight == "adversarial" else value  # the others are returned times their weights
        reached.append([trainer.advance(drawn)[f"mouth/{loss}"] / scale for _ in range(60)][-1])
    assert reached[1] < reached[0] - 0.01 * abs(reached[0])


def test_the_laplacian_loss_teaches_by_itself(rendered: Path, model: MorphableModel) -> None:
    """L1 wants the same, so it has next to no weight here."""
    small = replace(SMALL, picture=1e-6, synthesis=0.0, mask=0.0, warm_up=0)
    config = replace(small, steps=1000, learning_rate=3e-3, adversarial_from=1000)
    with pairs_of(rendered, "train", model) as pairs:
        trainer = FlowTrainer(config)
        drawn = trainer.draw(pairs, 0)
    losses = [trainer.advance(drawn)["mouth/laplacian"] for _ in range(25)]
    assert losses[-1] < 0.95 * losses[0]


def _mean_change(light: Batch) -> float:
    weight = light["gate"] * light["maps"][..., SKIN : SKIN + 1]
    return float((weight * np.abs(light["truth"] - light["canvas"])).sum() / (3.0 * weight.sum()))


def test_light_can_be_taught_by_itself(rendered: Path, model: MorphableModel) -> None:
    """Faces that are to be darker become darker, and no other network learns."""
    shares = {"mouth_share": 0.0, "eye_share": 0.0, "face_share": 0.0, "light_share": 1.0}
    config = replace(SMALL, **shares, warm_up=0, steps=1000, learning_rate=3e-3, adversarial_from=0)
    with pairs_of(rendered, "train", model) as pairs:
        trainer = FlowTrainer(config)
        batches = trainer.draw(pairs, 0)
    assert set(batches) == {"light"}
    light = batches["light"]
    other = light["maps"][..., SKIN : SKIN + 1] == 0  # no loss sees it
    light["truth"] = np.where(other, 1.0, 0.8 * (light["canvas"] + 1.0) - 1.0).astype(np.float32)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    losses = [trainer.advance(batches) for _ in range(30)]
    assert set(losses[0]) == {"light/picture"} <= set(trainer.loss_names)
    assert losses[-1]["light/picture"] < 0.5 * losses[0]["light/picture"]
    assert losses[0]["light/picture"] == pytest.approx(_mean_change(light), rel=1e-3)
    moved = {
        name for name, value in trainer.network.named_parameters() if not torch.equal(value, before[name])
    }
    assert moved
    assert all(name.startswith("light.") for name in moved)


def test_without_a_truth_only_critics_teach(rendered: Path, model: MorphableModel) -> None:
    config = replace(SMALL, mask=0.0, warm_up=0)
    with pairs_of(rendered, "train", model) as pairs:
        pair = next(p for p in map(pairs.draw_foreign, map(np.random.default_rng, range(9))) if p)
        own = dict(open_windows(pairs, PairIndex(1, 0, 1)))["mouth"]
        sample = dict(open_windows(pairs, pair))["mouth"]
    trainer = FlowTrainer(config)
    losses = trainer.advance({"mouth": batched([sample])})
    assert losses["mouth/picture"] == losses["mouth/laplacian"] == 0.0
    assert "mouth/critic" not in losses
    assert not any(weight.grad.any() for weight in trainer.network.parameters() if weight.grad is not None)
    hearing = FlowTrainer(replace(config, adversarial_from=0))
    losses = hearing.advance({"mouth": batched([sample])})  # nothing true to compare with
    assert "mouth/critic" not in losses
    pictures = []

    def watch(_: object, __: object, made: GeneratedFace) -> None:
        made.image.retain_grad()
        pictures.append(made.image)

    hearing.network.register_forward_hook(watch)
    losses = hearing.advance({"mouth": batched([own, sample])})
    assert losses["mouth/critic"] > 0.0
    assert pictures[0].grad[1].any()


def test_a_run_can_begin_with_the_weights_of_another(
    tmp_path: Path, data: Path, rendered: Path, model: MorphableModel
) -> None:
    """With windows of another size too, and of another face model; not with other widths."""
    begun = new_trainer(replace(SMALL, seed=5)).average
    older = replace(model, id="0123456789ab")
    save_generator(
        tmp_path / "start.safetensors", begun, older, {"parts": {"mouth": 7}, "recogniser": "dlib"}
    )
    small = replace(SMALL.network, windows=WindowSizes(32, 32, 32))
    config = replace(SMALL, network=small, steps=1, validate_every=1, learning_rate=0.0, ema=0.0)
    start = tmp_path / "start.safetensors"
    run = GeneratorRun(data, tmp_path / "run", rendered=rendered, start=start)
    path = train_generator_on(run, config, SilentProgress())
    learned = dict(load_generator(path, model)[0].named_parameters())
    for name, value in begun.named_parameters():
        torch.testing.assert_close(learned[name], value, atol=1e-3, rtol=1e-3)
    header = load_generator(path, model)[1]
    assert {part["step"] for part in header["parts"].values()} == {0}  # nothing has become better
    assert [row.split(",")[0] for row in (tmp_path / "run/curve.csv").read_text().splitlines()] == [
        "step",
        "0",
        "1",
    ]
    assert header["began_with"]["parts"] == {"mouth": 7}
    assert header["recogniser"] == "dlib"  # its start has learned from it
    assert header["rights"] == ["CC-BY-4.0"]
    with pytest.raises(ConfigError, match="holds flow-guided, but the run's network is pgfg"):
        new_trainer(PAINTING).begin_with(start)
    wide = replace(SMALL, network=replace(SMALL.network, face=(4, 8, 8, 8, 12)))
    with pytest.raises(ConfigError, match="other widths"):
        new_trainer(wide).begin_with(start)
    with pytest.raises(ConfigError, match="leave one of them out"):
        train_generator_on(replace(run, resume=True), config, SilentProgress())


def test_a_run_can_begin_with_the_weights_and_critics_of_another(
    tmp_path: Path, rendered: Path, model: MorphableModel
) -> None:
    before = new_trainer(replace(SMALL, seed=5))
    run = tmp_path / "run"
    run.mkdir()
    save_generator(run / "generator.safetensors", before.average, model, {"step": 7})
    before.save(run / "checkpoint.safetensors")
    trainer = new_trainer(SMALL)
    trainer.begin_with(run)
    assert isinstance(before, FlowTrainer)
    assert isinstance(trainer, FlowTrainer)
    learned = dict(trainer.critics.named_parameters())
    for name, value in before.critics.named_parameters():
        assert torch.equal(learned[name], value)
    assert trainer.step == 0
    (run / "checkpoint.safetensors").unlink()
    with pytest.raises(WeightsError, match="checkpoint"):
        trainer.begin_with(run)


def test_a_teacher_is_learned_from(tmp_path: Path, rendered: Path, model: MorphableModel) -> None:
    """One that sees larger windows, and makes all mouths green; windows without a truth learn from it as well."""
    windows = replace(SMALL.network.windows, mouth_px=64)
    teacher = new_trainer(replace(SMALL, network=replace(SMALL.network, windows=windows))).average
    with torch.no_grad():
        teacher.nets["mouth"].output_layer.bias[:] = torch.tensor([-0.3, 0.3, -0.3, 4.0])
    save_generator(tmp_path / "teacher.safetensors", teacher, model, {})
    config = replace(
        SMALL, teacher=tmp_path / "teacher.safetensors", taught=1.0, mask=0.0, steps=1000, warm_up=0,
        learning_rate=3e-3, adversarial_from=1000, synthesis=0.0, laplacian=0.0, eye_share=0.0, face_share=0.0,
    )  # fmt: skip
    with pairs_of(rendered, "train", model) as pairs:
        trainer = FlowTrainer(config)
        drawn = trainer.draw(pairs, 0)
        again = trainer.draw(pairs, 0)
    mouths = drawn["mouth"]
    np.testing.assert_array_equal(mouths["taught"], again["mouth"]["taught"])
    greener = (mouths["taught"] - mouths["canvas"]) * mouths["gate"]
    assert greener[..., 1].sum() > 0.0 > greener[..., 0].sum()
    mouths["paired"][:] = 0.0  # nothing is known of any
    losses = [trainer.advance(drawn)["mouth/picture"] for _ in range(25)]
    assert losses[-1] < 0.5 * losses[0]
    save_generator(tmp_path / "pgfg.safetensors", new_trainer(PAINTING).average, model, {})
    with pytest.raises(ConfigError, match="expected flow-guided"):
        new_trainer(replace(config, teacher=tmp_path / "pgfg.safetensors"))
    with pytest.raises(ConfigError, match="taught is 2"):
        replace(config, taught=2.0)


@pytest.mark.parametrize("config", [SMALL, DENSE_PAINTING], ids=["flow-guided", "pgfg"])
def test_a_stopped_run_goes_on_bit_for_bit(
    tmp_path: Path, rendered: Path, model: MorphableModel, config: GeneratorConfig
) -> None:
    with pairs_of(rendered, "train", model) as train, pairs_of(rendered, "val", model) as val:
        whole = train_generator(new_trainer(config), train, val, Run(tmp_path / "whole"), SilentProgress())
        parts, log = tmp_path / "parts", StoppingLog()
        with pytest.raises(Cancelled):
            train_generator(new_trainer(config), train, val, Run(parts, log=log), log.progress)
        with pytest.raises(ConfigError, match="try resume"):
            train_generator(new_trainer(config), train, val, Run(parts), SilentProgress())
        again = Run(parts, resume=True)
        resumed = train_generator(new_trainer(config), train, val, again, SilentProgress())
        with pytest.raises(ConfigError, match="with other settings"):
            other = new_trainer(replace(config, steps=7))
            train_generator(other, train, val, again, SilentProgress())
        with pytest.raises(ConfigError, match="with other data; resume it with the data"):
            train_generator(new_trainer(config), val, val, again, SilentProgress())
    assert resumed.read_bytes() == whole.read_bytes()
    checkpoints = [path.parent / "checkpoint.safetensors" for path in (whole, resumed)]
    assert checkpoints[0].read_bytes() == checkpoints[1].read_bytes()


def test_the_best_of_every_part_is_kept(
    tmp_path: Path, rendered: Path, model: MorphableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mouth that gets worse does not take eyes that get better back with it."""
    config = replace(SMALL, learning_rate=1e-2, warm_up=0, eye_share=1.0, ema=0.5)
    kept = []

    def validate(trainer: FlowTrainer, _: object) -> dict[str, float]:
        kept.append({name: value.clone() for name, value in trainer.average.state_dict().items()})
        step = float(trainer.step)
        return {"mouth score": step, "eye score": -step, "face score": 1.0, "light score": float("inf")}

    monkeypatch.setattr(FlowTrainer, "validate", validate)
    with pairs_of(rendered, "train", model) as train, pairs_of(rendered, "val", model) as val:
        path = train_generator(new_trainer(config), train, val, Run(tmp_path / "whole"), SilentProgress())
        states, log = [*kept], StoppingLog()
        with pytest.raises(Cancelled):  # after the first validation
            train_generator(new_trainer(config), train, val, Run(tmp_path / "parts", log=log), log.progress)
        again = Run(tmp_path / "parts", resume=True)
        parts = train_generator(new_trainer(config), train, val, again, SilentProgress())
    assert parts.read_bytes() == path.read_bytes()
    network, header = load_generator(path, model)
    steps = {name: part["step"] for name, part in header["parts"].items()}
    assert steps == {"mouth": 3, "eye": 6, "face": 3}  # light could not be scored
    assert len(states) == 2
    for name, value in network.named_parameters():
        first, last = (state[name].half().float() for state in states)
        assert torch.equal(value, last if name.startswith(("nets.eye.", "light.")) else first), name
        if name.startswith(("nets.eye.output_layer", "nets.mouth.output_layer")):
            assert not torch.equal(first, last), name


@pytest.mark.parametrize("config", [SMALL, PAINTING], ids=["flow-guided", "pgfg"])
def test_from_shards_to_weights(
    tmp_path: Path, data: Path, rendered: Path, model: MorphableModel, config: GeneratorConfig
) -> None:
    path = train_generator_on(GeneratorRun(data, tmp_path, rendered=rendered), config, SilentProgress())
    network, header = load_generator(path, model)
    assert network.network == config.kind
    assert network.config == config.network
    assert set(header["parts"]) == set(network.parts)
    assert all(part["step"] in (3, 6) for part in header["parts"].values())
    assert header["recogniser"] == {"pgfg": "dlib", "flow-guided": None}[config.kind]
    rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "3", "6"]
    assert len({len(row.split(",")) for row in rows}) == 1
    scores = {f"{part} score" for part in network.parts}
    assert scores | set(new_trainer(config).loss_names) <= set(rows[0].split(","))
    assert load_training(tmp_path / "config.json") == config


@pytest.mark.parametrize("config", [SMALL, PAINTING], ids=["flow-guided", "pgfg"])
def test_half_precision_learns_alike(rendered: Path, model: MorphableModel, config: GeneratorConfig) -> None:
    """bfloat16, whether or not this processor is quick at it."""
    config = replace(config, warm_up=0, **({"adversarial_from": 0} if config is SMALL else {}))
    losses = []
    with pairs_of(rendered, "train", model) as pairs:
        for precision in ("float32", "bfloat16"):
            trainer = new_trainer(replace(config, precision=precision))
            drawn = trainer.draw(pairs, 0)
            losses.append([trainer.advance(drawn) for _ in range(3)][-1])
            assert all(value.dtype == torch.float32 for value in trainer.network.parameters())
    picture = "mouth/picture" if config.kind == "flow-guided" else "picture"
    assert 0.0 != losses[1][picture] != losses[0][picture]
    assert losses[1][picture] == pytest.approx(losses[0][picture], rel=0.1)


def test_a_run_is_kept_every_few_minutes(
    tmp_path: Path, rendered: Path, model: MorphableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed between two validations goes on from there."""
    monkeypatch.setattr("faceanime.train.loop.SAVE_EVERY_S", 0.0)
    config = replace(SMALL, steps=2, validate_every=100)
    with pairs_of(rendered, "train", model) as train, pairs_of(rendered, "val", model) as val:
        trainer = new_trainer(config)
        advance, checkpoint = trainer.advance, tmp_path / "checkpoint.safetensors"

        def killed(drawn: object) -> object:
            if trainer.step == 1:
                assert checkpoint.exists()
                raise MemoryError
            return advance(drawn)

        trainer.advance = killed
        with pytest.raises(MemoryError):
            train_generator(trainer, train, val, Run(tmp_path), SilentProgress())
        again = new_trainer(config)
        again.load(checkpoint)
        assert again.step == 1
