"""Upsampling folded into one convolution: the same values and gradients as diffusers', with fewer multiplications."""

import copy

import pytest
import torch
from diffusers.models.upsampling import Upsample2D

from models_backend.networks import at_hand, upsampling


@pytest.fixture(params=[0, 1], ids=["in turn", "folded"], autouse=True)
def way(request, monkeypatch):
    monkeypatch.setattr(at_hand, "taken", lambda key, measure: request.param)
    return request.param


def test_it_is_folded_where_that_is_quicker_at_hand(monkeypatch, way):
    convolved = []
    monkeypatch.setattr(upsampling, "convolve", lambda *told: convolved.append(1) or torch.zeros(1, 6, 8, 8))
    net = Upsample2D(4, use_conv=True, out_channels=6)
    upsampling.apply_to(net)
    net(torch.randn(1, 4, 4, 4))
    assert len(convolved) == way


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (2, 5, 3, 7), (2, 4, 1, 1)])
def test_values_and_gradients_are_those_of_diffusers(shape):
    torch.manual_seed(0)
    plain = Upsample2D(shape[1], use_conv=True, out_channels=6).double()
    folded = copy.deepcopy(plain)
    assert upsampling.apply_to(folded) == 1
    x = torch.randn(shape, dtype=torch.float64)
    outs = []
    for net in (plain, folded):
        given = x.clone().requires_grad_()
        out = net(given)
        (out * torch.arange(out.numel()).view_as(out)).sum().backward()
        outs.append((out.detach(), given.grad, net.conv.weight.grad, net.conv.bias.grad))
    assert outs[1][0].shape == (shape[0], 6, 2 * shape[2], 2 * shape[3])
    for one, other in zip(*outs, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-9)


def test_compiled_networks_fold_it_whatever_is_quicker(monkeypatch):
    monkeypatch.setattr(upsampling, "convolve", lambda x, weight, bias: torch.full((1, 6, 8, 8), 7.0))
    net = Upsample2D(4, use_conv=True, out_channels=6)
    upsampling.apply_to(net)
    torch._dynamo.reset()
    assert torch.compile(net, backend="eager")(torch.randn(1, 4, 4, 4)).unique().tolist() == [7.0]


def test_another_size_than_double_goes_diffusers_way():
    torch.manual_seed(0)
    plain = Upsample2D(4, use_conv=True)
    folded = copy.deepcopy(plain)
    upsampling.apply_to(folded)
    x = torch.randn(1, 4, 3, 3)
    assert torch.equal(folded(x, (7, 7)), plain(x, (7, 7)))


def test_what_does_not_fit_stays_and_copies_keep_their_own_weights():
    transposed, bare = Upsample2D(4, use_conv_transpose=True), Upsample2D(4)
    assert upsampling.apply_to(torch.nn.ModuleList([transposed, bare])) == 0
    one = Upsample2D(4, use_conv=True)
    upsampling.apply_to(one)
    other = copy.deepcopy(one)
    x, before = torch.randn(1, 4, 4, 4), None
    before = other(x)
    one.conv.weight.data.zero_()
    assert torch.equal(other(x), before) and set(one.state_dict()) == {"conv.weight", "conv.bias"}
