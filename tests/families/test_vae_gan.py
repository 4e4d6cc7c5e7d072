"""VAE-GAN: conformance, who hears what (algorithm 1), and the likeness that the discriminator sees."""

from __future__ import annotations

import pytest
import torch
from conformance import SPECS, Conformance, batch, built, fresh_networks, seeded

from models_backend.contract.fields import build
from models_backend.families.vae_gan import VAEGAN, Config


class TestVAEGAN(Conformance):
    key, family = "vae_gan", VAEGAN


def only(**weights) -> VAEGAN:
    """A member in which only what is named counts."""
    silent = {"features": 0.0, "pixels": 0.0, "adversary": 0.0, "beta": 0.0}
    small = {"latent": 4, "encoder": {"type": "mlp", "width": 8}, "decoder": {"type": "mlp", "width": 8}}
    return VAEGAN(build(Config, silent | small | weights), SPECS["points"])


def gradients(family: VAEGAN) -> dict[str, float]:
    """The size of the gradient in encoder and decoder after the autoencoder's loss."""
    nets = fresh_networks(family)
    loss = next(family.losses(nets, batch(VAEGAN, family.spec)))
    loss.value.backward()
    sizes = {"encoder": 0.0, "decoder": 0.0}
    for name, parameter in nets["vae"].named_parameters():
        side = "encoder" if name.startswith("encoder") else "decoder" if name.startswith("decoder") else None
        if side and parameter.grad is not None:
            sizes[side] += float(parameter.grad.abs().sum())
    return sizes


def test_deceit_moves_the_decoder_only():
    found = gradients(only(adversary=1.0))
    assert found["encoder"] == 0 and found["decoder"] > 0


@pytest.mark.parametrize("part", ["features", "pixels"])
def test_likeness_moves_both(part):
    found = gradients(only(**{part: 1.0}))
    assert found["encoder"] > 0 and found["decoder"] > 0


def test_the_prior_moves_the_encoder_only():
    found = gradients(only(beta=1.0, annealing={"type": "full"}))
    assert found["encoder"] > 0 and found["decoder"] == 0


def test_likeness_is_zero_for_the_same_and_half_the_squared_distance_of_features():
    family = built(VAEGAN, SPECS["image"])
    judge = fresh_networks(family)["discriminator"].eval().requires_grad_(False)
    x, other = (torch.randn(6, 1, 8, 8, generator=seeded(s)) for s in (0, 1))
    assert float(family.likeness(judge, x, x)) == 0
    wanted = 0.5 * (judge.describe(x) - judge.describe(other)).square().flatten(1).sum(1).mean()
    assert float(family.likeness(judge, x, other)) == pytest.approx(float(wanted), rel=1e-5)


def test_the_judge_is_stepped_on_items_that_do_not_lead_back():
    family = built(VAEGAN, SPECS["points"])
    nets = fresh_networks(family)
    _, second = family.losses(nets, batch(VAEGAN, family.spec))
    for parameter in nets["vae"].parameters():
        parameter.grad = None
    second.value.backward()
    assert second.network == "discriminator"
    assert all(p.grad is None or not p.grad.abs().sum() for p in nets["vae"].parameters())
