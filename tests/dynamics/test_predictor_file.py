"""Predictors are read as they were written, those too that were written under the layers' former names."""

from pathlib import Path

import numpy as np
import pytest

from faceanime.core.errors import WeightsError
from faceanime.core.weights import bundled, load_weights, save_weights
from faceanime.dynamics.flow_predictor import FlowPredictor
from faceanime.dynamics.lstm_predictor import LstmPredictor
from faceanime.dynamics.predictor import Predictor
from faceanime.dynamics.predictor_file import PREDICTOR_KIND, current_key, load_predictor, save_predictor
from faceanime.morphable.model import MorphableModel


def test_every_bundled_tensor_is_in_the_network_unchanged(model: MorphableModel) -> None:
    tensors, _ = load_weights(bundled("dynamics.safetensors"), PREDICTOR_KIND)
    predictor = load_predictor(bundled("dynamics.safetensors"), model)[0]
    assert isinstance(predictor, FlowPredictor)
    found = {name: value.numpy() for name, value in predictor.state_dict().items()}
    assert {current_key(key) for key in tensors} == set(found)
    for key, value in tensors.items():
        np.testing.assert_array_equal(found[current_key(key)].astype(value.dtype), value)


def test_a_predictor_written_again_is_the_same(
    tmp_path: Path, model: MorphableModel, circling_lstm: Path
) -> None:
    for path in (bundled("dynamics.safetensors"), circling_lstm):
        predictor = load_predictor(path, model)[0]
        assert isinstance(predictor, FlowPredictor | LstmPredictor)
        save_predictor(tmp_path / "again.safetensors", predictor, model, {"note": "again"})
        again, header = load_predictor(tmp_path / "again.safetensors", model)
        assert header["note"] == "again"
        assert type(again) is type(predictor)
        assert isinstance(again, FlowPredictor | LstmPredictor)
        for name, value in predictor.state_dict().items():
            assert value.equal(again.state_dict()[name]), name


def test_both_kinds_are_predictors(model: MorphableModel, circling_lstm: Path) -> None:
    for path in (bundled("dynamics.safetensors"), circling_lstm):
        assert isinstance(load_predictor(path, model)[0], Predictor)


def test_a_network_of_another_kind_is_refused(tmp_path: Path, model: MorphableModel) -> None:
    path = tmp_path / "other.safetensors"
    save_weights(
        path, {"a": np.zeros(1, np.float32)}, PREDICTOR_KIND, {"network": "gru", "model_id": model.id}
    )
    with pytest.raises(WeightsError, match="'gru', expected lstm or flow"):
        load_predictor(path, model)
