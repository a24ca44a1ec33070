"""Laws of the paper's generator; they hold for untrained networks."""

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch.nn.functional import pixel_unshuffle
from torch.utils.flop_counter import FlopCounterMode

from faceanime.core.errors import ConfigError, ShapeError
from faceanime.generator.blocks import convolution, doubled, doubled_convolution
from faceanime.generator.dense_blocks import DenseBlock
from faceanime.generator.pgfg import HEAT_MAPS, PAPER_FULL, PAPER_SMALL, Pgfg, PgfgConfig
from faceanime.morphable.mediapipe_schema import MEDIAPIPE

TINY = PgfgConfig(size_px=16, width=4, widest=8, latent=6)
DENSE = replace(TINY, size_px=32, blocks="dense", fold=2)


def some_input(config: PgfgConfig, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    size_px, channels = config.size_px, config.prior.channels(MEDIAPIPE)
    source = torch.rand(batch, 3, size_px, size_px) * 2 - 1
    before, after = torch.rand(2, batch, channels, config.prior_px, config.prior_px) * 2 - 1
    return source, before, after


@pytest.fixture(params=[TINY, DENSE], ids=["residual", "dense"])
def generator(request: pytest.FixtureRequest) -> Pgfg:
    torch.manual_seed(0)
    return Pgfg(request.param).eval()


@pytest.fixture
def latents(generator: Pgfg) -> list[torch.Tensor]:
    """Those that the decoder has been given."""
    given: list[torch.Tensor] = []
    generator.decoder.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    return given


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        replace(TINY, size_px=8),
        replace(TINY, size_px=64),
        replace(TINY, prior=HEAT_MAPS.prior),
        replace(TINY, fold=2),
        DENSE,
        replace(DENSE, fold=1, layers=3),
        replace(DENSE, prior=HEAT_MAPS.prior),
    ],
)
def test_a_picture_is_a_blend_of_what_is_drawn_and_the_source(config: PgfgConfig) -> None:
    given = some_input(config)
    face = Pgfg(config)(*given)
    assert face.image.shape == given[0].shape
    assert face.out.abs().max() <= 1.0
    assert 0.0 <= face.mask.min() <= face.mask.max() <= 1.0
    between = torch.lerp(given[0], face.out, face.mask.expand_as(face.out))
    torch.testing.assert_close(face.image, between)


@pytest.mark.parametrize("opened", [False, True])
def test_a_shut_mask_gives_the_source_bit_for_bit_and_an_open_one_what_is_drawn(
    generator: Pgfg, opened: bool
) -> None:
    torch.nn.init.zeros_(generator.decoder.mask.weight)
    torch.nn.init.constant_(generator.decoder.mask.bias, 200.0 if opened else -200.0)
    given = some_input(generator.config)
    face = generator(*given)
    assert torch.equal(face.image, face.out if opened else given[0])


def test_equal_priors_leave_the_sources_own_encoding(generator: Pgfg, latents: list[torch.Tensor]) -> None:
    source, prior, _ = some_input(generator.config)
    generator(source, prior, prior)
    assert torch.equal(latents[0], generator.image_encoder(pixel_unshuffle(source, generator.config.fold))[1])


def test_swapped_priors_negate_the_residual(generator: Pgfg, latents: list[torch.Tensor]) -> None:
    source, before, after = some_input(generator.config)
    generator(source, before, after)
    generator(source, after, before)
    own = generator.image_encoder(pixel_unshuffle(source, generator.config.fold))[1]
    assert (latents[0] - own).abs().max() > 1e-3
    torch.testing.assert_close(latents[0] - own, own - latents[1])


def test_each_picture_of_a_batch_stands_alone(generator: Pgfg) -> None:
    given = some_input(generator.config, batch=3)
    whole, alone = generator(*given), generator(*(x[1:2] for x in given))
    torch.testing.assert_close(whole.image[1:2], alone.image)


@pytest.mark.parametrize("config", [TINY, DENSE], ids=["residual", "dense"])
def test_every_weight_learns(config: PgfgConfig) -> None:
    generator = Pgfg(config)
    generator(*some_input(config)).image.square().sum().backward()
    for name, weight in generator.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        taught = name != "prior_encoder.output_layer.bias"  # in the difference of the priors it cancels
        assert weight.grad.any() == taught, name


def test_layers_of_a_dense_block_read_all_features_before_them() -> None:
    """The last layer's output is shown; each weight of what it reads matters."""
    block = DenseBlock(4, 3, layers=3, normalized=False).eval()
    assert [layer.in_channels for layer in block.layers] == [4, 6, 8]
    assert block.transition.in_channels == 10
    with torch.no_grad():
        for index, layer in enumerate(block.layers):
            layer.weight.zero_()
            layer.bias.fill_(1.0 + index)
        block.transition.weight.zero_()
        block.transition.bias.zero_()
        block.transition.weight[0, 1] = 1.0  # the block's input
        block.transition.weight[1, 4] = 1.0  # the first layer
        block.transition.weight[2, 9] = 1.0  # the last one
    features = torch.rand(1, 4, 5, 5)
    made = block(features)
    torch.testing.assert_close(made[:, 0], features[:, 1])
    torch.testing.assert_close(made[:, 1:], torch.tensor([1.0, 3.0])[None, :, None, None].expand(1, 2, 5, 5))


@pytest.mark.parametrize("blocks", ["dense", "residual"])
def test_an_untrained_network_draws_no_grid(blocks: Literal["dense", "residual"]) -> None:
    """The pixels that share one place begin alike."""
    config = replace(DENSE, blocks=blocks)
    face = Pgfg(config).eval()(*some_input(config))
    for drawn in (face.out, face.mask):
        assert drawn.std() > 0.0
        torch.testing.assert_close(doubled(drawn[..., ::2, ::2]), drawn)


def test_the_rival_differs_by_its_prior_alone() -> None:
    assert replace(HEAT_MAPS, prior=PAPER_SMALL.prior) == PAPER_SMALL


def test_the_presets_are_as_large_as_they_say() -> None:
    """GFLOP = 2 x multiply-adds / 1e9; convolved after doubling, as released, the first would be 265.2."""
    for config, parameters, gflop in ((PAPER_FULL, 114.6e6, 172.2), (PAPER_SMALL, 1.698e6, 1.341)):
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            generator = Pgfg(config).eval()
            generator(*some_input(config, batch=1))
        assert sum(p.numel() for p in generator.parameters()) == pytest.approx(parameters, rel=1e-3)
        assert counter.get_total_flops() / 1e9 == pytest.approx(gflop, rel=2e-3)


def test_a_picture_of_another_size_is_refused(generator: Pgfg) -> None:
    config, side = generator.config, 2 * generator.config.size_px
    with pytest.raises(ShapeError, match=rf"source has shape \(2, 3, {side}, {side}\)"):
        generator(*some_input(replace(config, size_px=side)))
    with pytest.raises(
        ShapeError, match=rf"source_prior has shape \(2, {HEAT_MAPS.prior.channels(MEDIAPIPE)}, 16, 16\)"
    ):
        generator(*some_input(replace(config, prior=HEAT_MAPS.prior)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size_px": 120}, "size_px is 120, expected a power of two of at least 8"),
        ({"size_px": 4}, "size_px is 4"),
        ({"size_px": 0}, "size_px is 0"),
        ({"width": 0}, "width is 0"),
        ({"widest": 32}, "width is 64, expected 1 to widest, which is 32"),
        ({"latent": 0}, "latent"),
        ({"layers": 0}, "layers"),
        ({"fold": 3}, "fold is 3, expected a divisor of size_px, which is 128"),
        ({"fold": 32}, "size_px is 4"),
    ],
)
def test_senseless_sizes_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        PgfgConfig(**wrong)
    assert "\n" not in str(caught.value)


def test_what_is_doubled_and_convolved_is_the_same_in_less_work() -> None:
    torch.manual_seed(0)
    layer, features = convolution(5, 3), torch.randn(2, 5, 6, 4, requires_grad=True)
    expected, made = layer(doubled(features)), doubled_convolution(features, layer)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)
    weight = torch.randn_like(made)
    gradients = [
        torch.autograd.grad((result * weight).sum(), [features, layer.weight, layer.bias], retain_graph=True)
        for result in (expected, made)
    ]
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)
