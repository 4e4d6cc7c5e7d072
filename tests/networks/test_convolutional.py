"""Encoders and decoders of any size; the bodies that families choose from."""

from __future__ import annotations

import pytest
import torch

from models_backend.networks.bodies import Auto, Conv, Mlp, body_problems, decoder, encoder, settled
from models_backend.networks.convolutional import pyramid
from models_backend.networks.critic import batch_spread
from models_backend.networks.reader import FEATURES, Reader


def test_pyramid_halves_upwards_to_at_most_four():
    assert pyramid(28, 28) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert pyramid(8, 8) == [(8, 8), (4, 4)] and pyramid(3, 3) == [(3, 3)]
    assert pyramid(17, 9) == [(17, 9), (9, 5), (5, 3), (3, 2)]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 9), (3, 17, 11), (1, 3, 3), (3, 32, 32)])
@pytest.mark.parametrize("norm", ["none", "group", "batch", "layer"])
def test_what_comes_out_has_the_shape_of_what_went_in(shape, norm):
    body = Conv(width=4, depth=1)
    z = encoder(body, shape, 6, norm)(torch.randn(2, *shape))
    assert z.shape == (2, 6)
    assert decoder(body, 6, shape, norm)(z).shape == (2, *shape)


def test_every_input_pixel_reaches_the_vector_and_every_latent_every_pixel():
    shape = (1, 11, 11)
    x = torch.randn(1, *shape, requires_grad=True)
    encoder(Conv(width=4), shape, 3)(x).sum().backward()
    assert (x.grad != 0).all()
    z = torch.randn(1, 3, requires_grad=True)
    picture = decoder(Conv(width=4), 3, shape)(z)
    for row, column in ((0, 0), (5, 5), (10, 10)):
        (slope,) = torch.autograd.grad(picture[0, 0, row, column], z, retain_graph=True)
        assert (slope != 0).all()


def test_auto_settles_by_what_the_items_are():
    assert settled(Auto(16, 1), (3, 8, 8)) == Conv(16, 1)
    assert settled(Auto(16, 1), (2,)) == Mlp(64, 3)
    assert body_problems(Auto(), (2,), "net") == [] and body_problems(Conv(), (3, 8, 8), "net") == []
    assert "net" in body_problems(Conv(), (2,), "net")[0]


def test_a_perceptron_without_hidden_layers_is_linear():
    net = encoder(Mlp(8, 0), (2,), 3)
    a, b = torch.randn(1, 2), torch.randn(1, 2)
    assert torch.allclose(net(a) + net(b) - net(torch.zeros(1, 2)), net(a + b), atol=1e-5)


def test_batch_spread_is_the_mean_deviation_and_has_a_gradient_at_zero():
    h = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert batch_spread(h)[:, 0].tolist() == pytest.approx([0.5, 0.5], abs=1e-3)
    same = torch.ones(3, 2, requires_grad=True)
    batch_spread(same).sum().backward()
    assert torch.isfinite(same.grad).all()


def test_reader_gives_logits_and_features():
    net = Reader((1, 8, 8), 10).eval()
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 10) and net.features(torch.zeros(2, 1, 8, 8)).shape == (2, FEATURES)
