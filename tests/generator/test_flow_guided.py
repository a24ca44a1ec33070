"""The flow-guided generator: it changes what its gate lets it, within its budget."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from faceanime.core.errors import ConfigError, ShapeError
from faceanime.generator.conditions import MAPS
from faceanime.generator.flow_guided import FAST, QUALITY, FlowGuided, FlowGuidedConfig
from faceanime.generator.generator_file import load_generator, save_generator
from faceanime.generator.windows import PARTS, WindowPart, WindowSizes
from faceanime.morphable.model import MorphableModel

SMALL = FlowGuidedConfig(
    windows=WindowSizes(48, 32, 32, 32),
    mouth=(4, 6, 8, 8, 8),
    eye=(4, 6, 8, 8, 8),
    face=(4, 6, 8, 8, 8),
    light=(4, 6, 8, 8),
    prior=(4, 4, 4),
)
PAINTED: tuple[WindowPart, ...] = ("mouth", "eye", "face")


def given(config: FlowGuidedConfig, part: WindowPart, count: int = 2) -> list[Tensor]:
    side = config.windows.of(part)
    return [2 * torch.rand(count, n, side, side) - 1 for n in (3, len(MAPS))] + [
        torch.rand(count, 1, side, side),
        *(2 * torch.rand(count, 3, side, side) - 1 for _ in range(2)),
    ]


def shaken(seed: int, config: FlowGuidedConfig = SMALL) -> FlowGuided:
    """A network that paints, its batch norms used."""
    torch.manual_seed(seed)
    network = FlowGuided(config)
    for part in PAINTED:
        torch.nn.init.normal_(network.nets[part].output_layer.weight, std=0.1)
    torch.nn.init.normal_(network.light.output_layer.weight, std=0.1)
    for _ in range(3):
        for part in PARTS:
            network(part, *given(config, part))
    return network.eval()


@pytest.mark.parametrize("part", PARTS)
def test_an_untrained_network_changes_nothing(part: WindowPart) -> None:
    tensors = given(SMALL, part)
    face = FlowGuided(SMALL)(part, *tensors)
    torch.testing.assert_close(face.image, tensors[0])
    assert face.mask.shape == tensors[2].shape
    assert (face.mask <= tensors[2]).all()


@pytest.mark.parametrize("part", PARTS)
def test_a_shut_gate_keeps_every_bit(part: WindowPart) -> None:
    tensors = given(SMALL, part)
    tensors[2][..., ::2] = 0.0
    face = shaken(0)(part, *tensors)
    assert torch.equal(face.image[..., ::2], tensors[0][..., ::2])
    assert not torch.equal(face.image[..., 1::2], tensors[0][..., 1::2])


def test_priors_condition_the_network_by_their_difference() -> None:
    """By E(p_t) - E(p_s): any two equal priors give the same picture."""
    network, tensors = shaken(1), given(SMALL, "mouth")
    still = [network("mouth", *tensors[:3], prior, prior).image for prior in tensors[3:]]
    assert torch.equal(*still)
    assert not torch.equal(network("mouth", *tensors).image, still[0])


def test_folded_is_without_batch_norm_less_colored_and_less_lit() -> None:
    network = shaken(2)
    folded = network.folded()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    for part in PAINTED:
        tensors = given(SMALL, part)
        changes = [net(part, *tensors).image - tensors[0] for net in (folded, network)]
        light = [change.mean(dim=1, keepdim=True) for change in changes]
        torch.testing.assert_close(*light, atol=1e-5, rtol=1e-5)
        color = [change - grey for change, grey in zip(changes, light, strict=True)]
        torch.testing.assert_close(color[0], 0.25 * color[1], atol=1e-5, rtol=1e-5)
    tensors = given(SMALL, "light")
    torch.testing.assert_close(folded.gain(*tensors).log(), 0.6 * network.gain(*tensors).log())


def test_light_is_a_smooth_gain_within_bounds() -> None:
    """It follows no edge of the window: neighbors are lit alike."""
    network, tensors = shaken(4), given(SMALL, "light")
    tensors[2] = torch.ones_like(tensors[2])
    torch.nn.init.normal_(network.light.output_layer.weight, std=10.0)
    with torch.inference_mode():
        gain, image = network.gain(*tensors), network("light", *tensors).image
    assert 0.6 < gain.min() < 0.7 < 1.5 < gain.max() < 1.65
    across = gain.log().diff(dim=-1).abs().max()
    assert across < 0.3  # from one extreme to the other within a step of the coarse grid, 4 px
    torch.testing.assert_close(image, (tensors[0] + 1.0) * gain - 1.0)


@pytest.mark.parametrize(("config", "least", "most"), [(FAST, 1.5, 5.0), (QUALITY, 3.0, 6.0)])
def test_a_frame_costs_what_it_may(config: FlowGuidedConfig, least: float, most: float) -> None:
    """All five windows of a frame, 10^9 operations (2 x multiply-adds)."""
    network = FlowGuided(config).folded()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        for part, count in (("light", 1), ("mouth", 1), ("eye", 2), ("face", 1)):
            network(part, *given(config, part, count))
    assert least < counter.get_total_flops() / 1e9 < most


def test_a_file_gives_the_network_back(tmp_path: Path, model: MorphableModel) -> None:
    network, tensors = shaken(3), given(SMALL, "eye")
    path = tmp_path / "generator.safetensors"
    save_generator(path, network, model, {"step": 7})
    loaded, header = load_generator(path, model)
    assert isinstance(loaded, FlowGuided)
    assert (loaded.config, header["step"], header["network"]) == (SMALL, 7, "flow-guided")
    torch.testing.assert_close(
        loaded("eye", *tensors).image, network("eye", *tensors).image, atol=0.02, rtol=0.0
    )


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^eye is \(8, 8\), expected 5 widths"):
        FlowGuidedConfig(eye=(8, 8))
    tensors = given(SMALL, "eye")
    with pytest.raises(ShapeError, match="window"):
        FlowGuided(SMALL)("mouth", *tensors)
