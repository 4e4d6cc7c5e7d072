"""Networks that denoise: shapes, initialisation, what they listen to, and that they can learn."""

from __future__ import annotations

import pytest
import torch

from models_backend.contract.family import DataSpec
from models_backend.networks import denoisers, unet
from models_backend.networks.embeddings import sinusoidal
from models_backend.networks.points import PointMLP, PointNetwork
from models_backend.networks.unet import ImageNetwork, UNet

SMALL = UNet(16, [1, 2], blocks=1, attention=[4])


def image_spec(side: int, channels: int = 1) -> DataSpec:
    return DataSpec("image", (channels, side, side))


def stir(net: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return net


@pytest.mark.parametrize("side", [4, 5, 7, 8, 9, 13, 16])
def test_any_side_fits(side):
    net = stir(ImageNetwork(UNet(16, [1, 1, 2], blocks=1, attention=[]), 3, side))
    x = torch.randn(2, 3, side, side)
    assert net(x, torch.tensor([1.0, 500.0])).shape == x.shape


def test_the_first_stage_of_a_deep_network_fits():
    spec = image_spec(32)
    net = stir(denoisers.make(denoisers.Automatic("tiny"), spec))
    deep = stir(ImageNetwork(UNet(16, [1, 1, 1, 1], blocks=1, attention=[]), 1, 32))
    for x in (torch.randn(2, 1, 4, 4), torch.randn(2, 1, 3, 5)):
        assert net(x, torch.ones(2)).shape == deep(x, torch.ones(2)).shape == x.shape


@pytest.mark.parametrize("net", [ImageNetwork(SMALL, 1, 8), PointNetwork(PointMLP(16, 2), 2)], ids=["unet", "mlp"])
def test_output_is_exactly_zero_at_first(net):
    x = torch.randn(3, *((1, 8, 8) if isinstance(net, ImageNetwork) else (2,)))
    assert torch.equal(net(x, torch.rand(3) * 999), torch.zeros_like(x))


def test_second_convolutions_begin_at_zero():
    net = ImageNetwork(SMALL, 1, 8).unet
    convolutions = [m for n, m in net.named_modules() if n.endswith("conv2")]
    assert convolutions and all(float(m.weight.detach().abs().sum()) == 0 for m in [*convolutions, net.conv_out])


@pytest.mark.parametrize(
    "make", [lambda: ImageNetwork(SMALL, 1, 8), lambda: PointNetwork(PointMLP(16, 2), 2)], ids=["unet", "mlp"]
)
def test_time_and_item_change_the_output(make):
    net = stir(make()).eval()
    x = torch.randn(1, *((1, 8, 8) if isinstance(net, ImageNetwork) else (2,)), generator=torch.Generator().manual_seed(0))
    base = net(x, torch.tensor([10.0]))
    assert not torch.allclose(base, net(x, torch.tensor([11.0])), atol=1e-6)
    assert not torch.allclose(base, net(x + 0.1, torch.tensor([10.0])), atol=1e-6)


def test_skips_matter():
    """Without its skip connections the network says something else."""
    net = stir(ImageNetwork(SMALL, 1, 8)).eval()
    x, t = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([100.0])
    whole = net(x, t)
    for block in net.unet.up_blocks:
        block.register_forward_pre_hook(without_skips, with_kwargs=True)
    assert not torch.allclose(whole, net(x, t), atol=1e-4)


def without_skips(block, args, kwargs):
    name = "res_hidden_states_tuple"
    if name in kwargs:
        return args, kwargs | {name: tuple(torch.zeros_like(s) for s in kwargs[name])}
    return (args[0], tuple(torch.zeros_like(s) for s in args[1]), *args[2:]), kwargs


def test_eight_pictures_are_learnt_by_heart():
    torch.manual_seed(0)
    net = ImageNetwork(UNet(16, [1, 2], blocks=1, attention=[], groups=4), 1, 8)
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(8, 1, 8, 8, generator=generator).sign()
    steps, optimiser, errors = 250, torch.optim.Adam(net.parameters()), []
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    for _ in range(steps):
        variance = torch.rand(16, generator=generator) * 0.5 + 0.4
        eps = torch.randn(16, 1, 8, 8, generator=generator)
        sigma, alpha = variance.sqrt()[:, None, None, None], (1 - variance).sqrt()[:, None, None, None]
        loss = (net(alpha * x0.repeat(2, 1, 1, 1) + sigma * eps, 1000 * variance) - eps).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
        errors.append(float(loss.detach()))
    assert sum(errors[-10:]) / 10 < 0.02 < errors[0]


def test_parameter_count_follows_the_config():
    count = lambda config: sum(p.numel() for p in ImageNetwork(config, 1, 8).parameters())  # noqa: E731
    assert count(UNet(32, [1, 2], 1, [])) > 3 * count(UNet(16, [1, 2], 1, []))
    assert count(UNet(16, [1, 2], 2, [])) > count(UNet(16, [1, 2], 1, []))
    assert count(UNet(16, [1, 2], 1, [8])) > count(UNet(16, [1, 2], 1, []))


def test_head_size_and_groups_are_taken_from_the_config():
    net = ImageNetwork(UNet(32, [1, 2], blocks=1, attention=[4], head=16, groups=4), 1, 8).unet
    assert net.mid_block.attentions[0].heads == 4 and net.conv_norm_out.num_groups == 4
    assert ImageNetwork(SMALL, 1, 8).unet.mid_block.attentions[0].heads == 2  # heads are never wider than the first level


def test_gradient_checkpointing_changes_no_value():
    net = stir(ImageNetwork(SMALL, 1, 8)).train()
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([3.0, 700.0])
    plain = torch.autograd.grad(net(x, t).square().sum(), net.unet.conv_in.weight)[0]
    net.enable_gradient_checkpointing()
    again = torch.autograd.grad(net(x, t).square().sum(), net.unet.conv_in.weight)[0]
    assert torch.allclose(plain, again, rtol=1e-4)


# ------------------------------------------------------------------------------------------------ choosing


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
@pytest.mark.parametrize(("side", "depth"), [(8, 2), (16, 3), (32, 4), (64, 4), (9, 2)])
def test_automatic_networks_end_at_about_four_pixels(size, side, depth):
    chosen = denoisers.resolved(denoisers.Automatic(size), image_spec(side))
    assert isinstance(chosen, UNet) and len(chosen.multipliers) == min(depth, 2 if size == "tiny" else 4)
    assert denoisers.mismatches(chosen, image_spec(side)) == []


def test_automatic_networks_suit_the_data():
    points = DataSpec("points", (2,))
    assert isinstance(denoisers.make(denoisers.Automatic("tiny"), points), PointNetwork)
    assert isinstance(denoisers.make(denoisers.Automatic("tiny"), image_spec(8)), ImageNetwork)


def test_published_size():
    """Ho 2020 on CIFAR-10: 35.7 million parameters."""
    with torch.device("meta"):
        net = unet._unet(denoisers.resolved(denoisers.Automatic("base"), image_spec(32, 3)), 3, 32)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(35.7e6, rel=0.01)


@pytest.mark.parametrize(
    ("network", "spec", "word"),
    [
        (UNet(), DataSpec("points", (2,)), "mlp"),
        (PointMLP(), image_spec(8), "unet"),
        (UNet(multipliers=[1, 1, 1, 1]), image_spec(4), "take fewer"),
    ],
)
def test_networks_that_do_not_fit_say_what_would(network, spec, word):
    (found,) = denoisers.mismatches(network, spec)
    assert found.startswith("network") and word in found


# ------------------------------------------------------------------------------------------------ embeddings


def test_sinusoids_are_bounded_distinct_and_start_at_zero():
    told = sinusoidal(torch.tensor([0.0, 1.0, 2.0, 999.0]), 32)
    assert told.shape == (4, 32) and float(told.abs().max()) <= 1
    assert torch.equal(told[0], torch.cat([torch.zeros(16), torch.ones(16)]))
    assert float(torch.cdist(told, told).fill_diagonal_(9).min()) > 0.1
