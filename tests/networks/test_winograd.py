"""Convolutions by minimal filtering: equal to direct ones, with all derivatives."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from models_backend.networks import layout, precision, winograd


@pytest.fixture(autouse=True)
def small_counts(monkeypatch):
    monkeypatch.setattr(winograd, "LEAST_WORK", 0)
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1)


def seeded(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("batch, c, k, h, w", [(1, 3, 5, 4, 4), (3, 16, 8, 8, 12), (5, 8, 32, 16, 4)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_equal_to_the_direct_convolution(batch, c, k, h, w, memory_format):
    x, weight, bias = seeded(batch, c, h, w).to(memory_format=memory_format), seeded(k, c, 3, 3, seed=1), seeded(k, seed=2)
    direct = F.conv2d(x.double(), weight.double(), bias.double(), padding=1).float()
    assert torch.allclose(winograd.convolve(x, weight, bias), direct, atol=2e-4 * float(direct.std()))


def test_gradients_equal_those_of_the_direct_convolution():
    x, weight, bias = (t.requires_grad_() for t in (seeded(4, 6, 8, 8), seeded(5, 6, 3, 3, seed=1), seeded(5, seed=2)))
    g = seeded(4, 5, 8, 8, seed=3)
    direct = torch.autograd.grad(F.conv2d(x, weight, bias, padding=1), (x, weight, bias), g)
    here = torch.autograd.grad(winograd.convolve(x, weight, bias), (x, weight, bias), g)
    for a, b in zip(direct, here, strict=True):
        assert torch.allclose(a, b, atol=1e-4 * float(a.std()))


def test_gradients_of_gradients_are_right():
    """What a gradient penalty needs."""
    x, weight = seeded(2, 4, 4, 4).requires_grad_(), seeded(3, 4, 3, 3, seed=1).requires_grad_()

    def penalty(convolve):
        (slope,) = torch.autograd.grad(convolve(x, weight, None).tanh().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), (weight, x))

    for a, b in zip(penalty(lambda x, w, _: F.conv2d(x, w, padding=1)), penalty(winograd.convolve), strict=True):
        assert torch.allclose(a, b, atol=2e-4 * float(a.std()))


def test_pieces_do_not_change_the_result(monkeypatch):
    x, weight, g = seeded(7, 8, 8, 8), seeded(8, 8, 3, 3, seed=1), seeded(7, 8, 8, 8, seed=2)
    whole = torch.ops.nexus.winograd(x, weight), torch.ops.nexus.winograd_weight(x, g)
    monkeypatch.setattr(winograd, "PIECE_BYTES", 1)
    cut = torch.ops.nexus.winograd(x, weight), torch.ops.nexus.winograd_weight(x, g)
    assert winograd._pictures_at_once(torch.Size((7, 8, 8, 8)), 8) < 7
    for a, b in zip(whole, cut, strict=True):
        assert torch.allclose(a, b, atol=1e-4 * float(a.std()))


def test_a_network_computes_the_same_and_other_convolutions_are_left_alone(monkeypatch):
    monkeypatch.setattr(precision, "may_be_faster", lambda device: False)  # a CPU without half precision
    torch.manual_seed(0)
    bounded, grouped = spectral_norm(nn.Conv2d(16, 8, 3, padding=1)), nn.Conv2d(8, 8, 3, padding=1, groups=2)
    strided, pointwise = nn.Conv2d(16, 16, 3, 2, 1), nn.Conv2d(16, 16, 1)
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), strided, pointwise, bounded, grouped).eval()
    x, names = seeded(2, 3, 16, 16), list(net.state_dict())
    before = net(x)
    layout.arrange(net, torch.device("cpu"))
    assert sum("_conv_forward" in m.__dict__ for m in net.modules()) == 2 and list(net.state_dict()) == names
    assert torch.allclose(net(x), before, atol=1e-5)
    winograd.withdraw_from(net)
    assert torch.allclose(net(x), before, atol=1e-6)


@pytest.mark.parametrize("x", [seeded(1, 4, 6, 8), seeded(1, 4, 8, 8, dtype=torch.float64)])
def test_what_does_not_suit_goes_directly(x):
    weight = seeded(4, 4, 3, 3, seed=1, dtype=x.dtype)
    assert torch.equal(winograd.convolve(x, weight, None), F.conv2d(x, weight, padding=1))


def test_under_autocast_the_half_precision_kernel_is_used():
    with torch.autocast("cpu", torch.bfloat16):
        assert winograd.convolve(seeded(1, 4, 8, 8), seeded(4, 4, 3, 3), None).dtype == torch.bfloat16


def test_a_cpu_with_half_precision_keeps_its_own_kernels(monkeypatch):
    monkeypatch.setattr(precision, "may_be_faster", lambda device: True)
    net = layout.arrange(torch.nn.Sequential(torch.nn.Conv2d(32, 32, 3, padding=1)), torch.device("cpu"))
    assert "_conv_forward" not in net[0].__dict__
