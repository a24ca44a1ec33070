"""Generators come back as they were, to half precision; what does not fit is refused in one line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from faceanime.core.errors import MorphableModelError, WeightsError
from faceanime.core.weights import bundled, load_weights, save_weights
from faceanime.generator.flow_guided import FlowGuided
from faceanime.generator.generator_file import (
    GENERATOR_KIND,
    GENERATOR_VERSION,
    current_name,
    load_generator,
    load_generator_of,
    save_generator,
)
from faceanime.generator.pgfg import Pgfg, PgfgConfig
from faceanime.morphable.model import MorphableModel

TINY = PgfgConfig(size_px=16, width=4, widest=8, latent=6)


@pytest.fixture
def generator() -> Pgfg:
    """One that has seen some pictures, so that its batch norm is not as it began."""
    torch.manual_seed(0)
    generator = Pgfg(TINY)
    for _ in range(3):
        generator(torch.randn(4, 3, 16, 16), *torch.randn(2, 4, 3, 16, 16))
    return generator


@pytest.fixture
def path(tmp_path: Path, generator: Pgfg, model: MorphableModel) -> Path:
    path = tmp_path / "generator.safetensors"
    save_generator(path, generator, model, {"step": 7, "interval": 4})
    return path


def rewrite(path: Path, version: int = GENERATOR_VERSION, **changes: str) -> None:
    tensors, header = load_weights(path, GENERATOR_KIND, GENERATOR_VERSION)
    save_weights(path, tensors, GENERATOR_KIND, {**header, **changes}, version)


def test_weights_come_back_to_half_precision(path: Path, generator: Pgfg, model: MorphableModel) -> None:
    loaded, header = load_generator(path, model)
    assert (header["step"], header["interval"], header["network"]) == (7, 4, "pgfg")
    assert loaded.config == TINY
    assert not loaded.training
    names = dict(generator.named_parameters()).keys()
    for name, value in generator.state_dict().items():
        expected = value.half().to(value.dtype) if name in names else value
        assert torch.equal(loaded.state_dict()[name], expected), name
    given = torch.randn(2, 3, 16, 16), *torch.randn(2, 2, 3, 16, 16)
    drawn = [network.eval()(*given).image for network in (generator, loaded)]
    torch.testing.assert_close(*drawn, atol=0.01, rtol=0.0)


def test_what_was_loaded_is_saved_as_the_same_bytes(
    path: Path, model: MorphableModel, tmp_path: Path
) -> None:
    loaded, header = load_generator(path, model)
    again = tmp_path / "again.safetensors"
    save_generator(again, loaded, model, header)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["generator_fast", "generator_quality"])
def test_every_bundled_tensor_is_in_the_network_unchanged(name: str, model: MorphableModel) -> None:
    path = bundled(f"{name}.safetensors")
    tensors, _ = load_weights(path, GENERATOR_KIND, GENERATOR_VERSION)
    found = {key: value.numpy() for key, value in load_generator(path, model)[0].state_dict().items()}
    assert {current_name(key) for key in tensors} == set(found)
    for key, value in tensors.items():
        np.testing.assert_array_equal(found[current_name(key)].astype(value.dtype), value)


def test_weights_under_the_former_names_of_layers_are_read(
    path: Path, model: MorphableModel, tmp_path: Path
) -> None:
    tensors, header = load_weights(path, GENERATOR_KIND, GENERATOR_VERSION)
    former = {"input_layer": "enter", "output_layer": "leave"}
    old = {".".join(former.get(layer, layer) for layer in key.split(".")): v for key, v in tensors.items()}
    assert set(old) != set(tensors)
    save_weights(tmp_path / "old.safetensors", old, GENERATOR_KIND, header, GENERATOR_VERSION)
    again, _ = load_generator(tmp_path / "old.safetensors", model)
    for name, value in load_generator(path, model)[0].state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_a_generator_of_another_face_model_is_refused(path: Path, model: MorphableModel) -> None:
    with pytest.raises(MorphableModelError):
        load_generator(path, replace(model, id="0123456789ab"))


def test_files_that_do_not_fit_are_refused(path: Path, model: MorphableModel, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        load_generator(tmp_path / "none.safetensors", model)
    with pytest.raises(WeightsError, match="expected generator"):
        save_weights(tmp_path / "other.safetensors", {}, "dynamics", {})
        load_generator(tmp_path / "other.safetensors", model)
    rewrite(path, config='{"size_px": 32}')
    with pytest.raises(WeightsError, match="its tensors do not fit its header"):
        load_generator(path, model)
    rewrite(path, config='{"sise_px": 32}')
    with pytest.raises(WeightsError, match=r"is damaged.*did you mean size_px"):
        load_generator(path, model)
    for untrue in ('{"width": 10000000, "widest": 10000000}', '{"latent": 1000000000000000000}'):
        rewrite(path, config=untrue)  # petabytes, if it were believed
        with pytest.raises(WeightsError, match="its tensors do not fit its header"):
            load_generator(path, model)
    rewrite(path, version=1)
    with pytest.raises(WeightsError, match="of version 1, which this version of faceanime cannot run"):
        load_generator(path, model)
    rewrite(path, network="gan")
    with pytest.raises(WeightsError, match="holds a network 'gan', expected flow-guided or pgfg"):
        load_generator(path, model)


def test_weights_that_ran_away_are_not_written(
    generator: Pgfg, model: MorphableModel, tmp_path: Path
) -> None:
    with torch.no_grad():
        generator.decoder.out.bias[0] = torch.inf
    path = tmp_path / "lost.safetensors"
    with pytest.raises(WeightsError, match="NaN or infinity"):
        save_generator(path, generator, model, {})
    assert not path.exists()


def test_a_network_of_another_family_is_refused(path: Path, model: MorphableModel) -> None:
    assert load_generator_of(Pgfg, path, model).config == TINY
    with pytest.raises(WeightsError, match="'pgfg', expected flow-guided"):
        load_generator_of(FlowGuided, path, model)
