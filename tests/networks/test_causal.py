"""The causal transformer: nothing is heard of what comes later, and the cache changes nothing."""

from __future__ import annotations

import torch

from models_backend.networks.causal import CausalTransformer, Transformer


def net() -> CausalTransformer:
    torch.manual_seed(0)
    made = CausalTransformer(Transformer(width=16, layers=2, heads=4, dropout=0.3), 11, 9).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.2 * torch.randn(parameter.shape)
    return made


def test_logits_hear_only_tokens_before():
    made, tokens = net(), torch.randint(11, (2, 9), generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 3) % 11
    with torch.no_grad():
        moved = (made(tokens) - made(changed)).abs().amax((0, 2))
    assert moved[:6].max() == 0 and moved[6:].min() > 1e-3


def test_cached_logits_are_the_uncached_ones():
    made, tokens = net(), torch.randint(11, (3, 9), generator=torch.Generator().manual_seed(1))
    previous = torch.cat([made.start(3), tokens[:, :-1]], 1)
    with torch.no_grad():
        whole, cache = made(tokens), made.fresh()
        pieces = [made.advance(previous[:, :4], cache, 0)]
        pieces += [made.advance(previous[:, i : i + 1], cache, i) for i in range(4, 9)]
    assert torch.allclose(torch.cat(pieces, 1), whole, atol=1e-5)
