"""The patch discriminator sees patches only."""

from __future__ import annotations

import torch

from models_backend.networks.patch_critic import PatchCritic


def test_a_logit_does_not_hear_pixels_far_away():
    """Two levels see less than 24 pixels: the far corner's logit stays, the near one's moves (norms kept out)."""
    torch.manual_seed(0)
    critic = PatchCritic(1, 8, 2).eval()
    for layer in critic.modules():
        if isinstance(layer, torch.nn.GroupNorm):
            layer.forward = lambda h: h
    x = torch.randn(1, 1, 64, 64)
    changed = x.clone()
    changed[..., :4, :4] += 1.0
    with torch.no_grad():
        moved = (critic(changed) - critic(x)).abs()[0, 0]
    assert moved.shape == (16, 16) and moved[0, 0] > 0 and moved[8:, 8:].max() == 0


def test_any_size_goes_in():
    assert PatchCritic(3, 8, 3)(torch.randn(2, 3, 9, 7)).shape == (2, 1, 2, 1)
