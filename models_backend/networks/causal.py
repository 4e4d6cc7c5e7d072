"""A small causal transformer over tokens, with a cache for sampling one token at a time (as GPT-2)."""

from __future__ import annotations

from typing import Annotated

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contract.fields import Field

#: Keys and values (B, heads, T, head) of each layer so far; empty before the first token.
Cache = list[tuple[Tensor, Tensor] | None]


class Transformer(msgspec.Struct, frozen=True):
    """A transformer that reads tokens in order."""

    width: Annotated[int, Field("Width of a token; a multiple of the heads", low=8, high=4096, step=8, multiple_of="heads")] = (
        96
    )
    layers: Annotated[int, Field("Layers", low=1, high=64)] = 4
    heads: Annotated[int, Field("Attention heads in each layer", low=1, high=64)] = 4
    dropout: Annotated[float, Field("Share of activations dropped in training", low=0.0, high=0.9)] = 0.1


class Layer(nn.Module):
    """Attention to tokens before, then a perceptron; both added to what came in."""

    def __init__(self, config: Transformer):
        super().__init__()
        w = config.width
        self.heads, self.dropout = config.heads, config.dropout
        self.norm1, self.norm2 = nn.LayerNorm(w), nn.LayerNorm(w)
        self.inward, self.outward = nn.Linear(w, 3 * w), nn.Linear(w, w)
        self.mlp = nn.Sequential(nn.Linear(w, 4 * w), nn.GELU(), nn.Linear(4 * w, w))
        self.drop = nn.Dropout(config.dropout)

    def forward(self, h: Tensor, before: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """h (B, T, W) and what this layer kept -> the same, and what it keeps now."""
        q, k, v = (t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in self.inward(self.norm1(h)).chunk(3, 2))
        if before is not None:
            k, v = torch.cat([before[0], k], 2), torch.cat([before[1], v], 2)
        seen = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0,
                                              is_causal=before is None)  # fmt: skip
        h = h + self.drop(self.outward(seen.transpose(1, 2).flatten(2)))
        return h + self.drop(self.mlp(self.norm2(h))), (k, v)


class CausalTransformer(nn.Module):
    """p(token_t | tokens before t) for ``length`` tokens out of ``codes``; the first is asked from a start token."""

    def __init__(self, config: Transformer, codes: int, length: int):
        super().__init__()
        self.codes, self.length = codes, length
        self.tokens = nn.Embedding(codes + 1, config.width)  # the last is the start
        self.places = nn.Parameter(torch.zeros(length, config.width))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm, self.out = nn.LayerNorm(config.width), nn.Linear(config.width, codes)
        self.drop = nn.Dropout(config.dropout)
        _initialise(self, config.layers)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T) -> logits (B, T, codes); the logits at t have seen the tokens before t only."""
        return self.advance(self._shifted(tokens), [None] * len(self.layers), 0)

    def advance(self, previous: Tensor, cache: Cache, place: int) -> Tensor:
        """Logits (B, T, codes) at ``place`` and the T - 1 after it, from the tokens before each; ``cache`` grows in place.
        More than one token only where the cache is empty."""
        h = self.drop(self.tokens(previous) + self.places[place : place + previous.shape[1]])
        for i, layer in enumerate(self.layers):
            h, cache[i] = layer(h, cache[i])
        return self.out(self.norm(h)).float()

    def fresh(self) -> Cache:
        """The cache before the first token."""
        return [None] * len(self.layers)

    def start(self, count: int) -> Tensor:
        """What stands before the first token, (B, 1)."""
        return torch.full((count, 1), self.codes, device=self.places.device)

    def _shifted(self, tokens: Tensor) -> Tensor:
        return torch.cat([self.start(len(tokens)), tokens[:, :-1]], 1)


def _initialise(net: CausalTransformer, layers: int) -> None:
    """As GPT-2: normal with .02, what is added to the stream smaller by the root of how often."""
    for name, module in net.named_modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            residual = name.endswith(("outward", "mlp.2"))
            nn.init.normal_(module.weight, std=0.02 / (2 * layers) ** 0.5 if residual else 0.02)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
    nn.init.normal_(net.places, std=0.02)
