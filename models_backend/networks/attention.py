"""Attention of diffusers' networks on a CPU: by plain batched products or by the fused kernel, whichever is quicker on the
machine at hand for so many tokens. Few tokens are mostly quicker plainly; how many are few depends on the processor."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import at_hand


def plainly(batch: int, heads: int, queries: int, keys: int, width: int) -> bool:
    """Whether plain products are quicker here, as things stand (arithmetic, and whether gradients are wanted). ``width``:
    of a head."""
    half = torch.is_autocast_enabled("cpu")
    kind = str(torch.get_autocast_dtype("cpu") if half else torch.float32)
    return _plainly(min(batch, at_hand.MOST_ITEMS), heads, queries, keys, width, kind, torch.is_grad_enabled())


@torch.compiler.assume_constant_result
def _plainly(batch: int, heads: int, queries: int, keys: int, width: int, kind: str, learning: bool) -> bool:
    dtype = getattr(torch, kind.removeprefix("torch."))
    asked = (torch.linspace(-1, 1, batch * heads * n * width).view(batch, heads, n, width) for n in (queries, keys, keys))
    q, k, v = (x.to(dtype).requires_grad_(learning) for x in asked)
    name = f"attention {batch}x{heads} {queries}-{keys} {width} {kind} {'learning' if learning else 'asking'}"
    return at_hand.pays(name, F.scaled_dot_product_attention, _products, q, k, v)


def _attended(plain: bool, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    return _products(q, k, v, mask) if plain else F.scaled_dot_product_attention(q, k, v, mask)


def _products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(D)) v of (B, heads, N, D); ``mask`` (B, 1, 1, N): which keys are there."""
    scores = q * q.shape[3] ** -0.5 @ k.transpose(2, 3)
    scores = scores if mask is None else scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(3).to(v.dtype) @ v


class ByTokens:
    """A diffusers attention processor: theirs with plain products, or theirs with the fused kernel."""

    def __init__(self) -> None:
        from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

        self._plain, self._fused = AttnProcessor(), AttnProcessor2_0()

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """As ``AttnProcessor2_0``: (B, C, H, W) or (B, N, C) in and out."""
        queries, keys = (
            _tokens(hidden_states),
            _tokens(hidden_states if encoder_hidden_states is None else encoder_hidden_states),
        )
        plain = plainly(len(hidden_states), attn.heads, queries, keys, attn.to_q.out_features // attn.heads)
        if encoder_hidden_states is None and attention_mask is None and _alone(attn) and hidden_states.ndim == 3:
            return _among_themselves(attn, hidden_states, plain)
        way = self._plain if plain else self._fused
        return way(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


class JointByTokens:
    """The same for one attention over two streams (Esser 2024, figure 2), of which one may be filled up."""

    def __init__(self) -> None:
        from diffusers.models.attention_processor import JointAttnProcessor2_0

        self._fused = JointAttnProcessor2_0()

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """As ``JointAttnProcessor2_0``: (B, N, C), and (B, M, C) of the other stream where there is one. ``attention_mask``
        (B, M): which tokens of the other stream are there; theirs would take it for one over both."""
        patches, words = hidden_states, encoder_hidden_states
        if words is None:
            return self._fused(attn, patches, words, attention_mask)
        ours = _asked(patches, attn.heads, (attn.to_q, attn.to_k, attn.to_v), attn.norm_q, attn.norm_k)
        layers = attn.add_q_proj, attn.add_k_proj, attn.add_v_proj
        theirs = _asked(words, attn.heads, layers, attn.norm_added_q, attn.norm_added_k)
        q, k, v = (torch.cat(pair, 2) for pair in zip(ours, theirs, strict=True))
        plain = q.device.type == "cpu" and plainly(len(q), attn.heads, q.shape[2], q.shape[2], q.shape[3])
        there = None if attention_mask is None else F.pad(attention_mask, (patches.shape[1], 0), value=True)[:, None, None]
        found = _attended(plain, q, k, v, there).transpose(1, 2).flatten(2)
        patches, words = found.split([patches.shape[1], words.shape[1]], 1)
        return attn.to_out[1](attn.to_out[0](patches)), words if attn.context_pre_only else attn.to_add_out(words)


def _alone(attn: nn.Module) -> bool:
    """Whether a layer is nothing but attention: a transformer's, without the norm and the way past it that a U-Net's has."""
    return (
        attn.group_norm is None
        and attn.spatial_norm is None
        and not attn.residual_connection
        and attn.rescale_output_factor == 1
    )


def _tokens(x: Tensor) -> int:
    """Of (B, C, H, W) or (B, N, C)."""
    return x.shape[2:].numel() if x.ndim == 4 else x.shape[1]


def _among_themselves(attn: nn.Module, x: Tensor, plain: bool) -> Tensor:
    """Attention of tokens (B, N, C) to one another."""
    q, k, v = _asked(x, attn.heads, (attn.to_q, attn.to_k, attn.to_v), attn.norm_q, attn.norm_k)
    return attn.to_out[1](attn.to_out[0](_attended(plain, q, k, v).transpose(1, 2).flatten(2)))


def _asked(x: Tensor, heads: int, layers: tuple[nn.Linear, ...], norm_q: nn.Module | None,
           norm_k: nn.Module | None) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Queries, keys and values (B, heads, N, D) of a stream (B, N, C): one product with the weights of all three."""
    biases = [layer.bias for layer in layers]
    said = F.linear(x, torch.cat([layer.weight for layer in layers]), None if biases[0] is None else torch.cat(biases))
    q, k, v = said.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4).contiguous().unbind(0)
    return norm_q(q) if norm_q else q, norm_k(k) if norm_k else k, v


#: diffusers' processors by name, and what takes their place.
_INSTEAD = {"AttnProcessor2_0": ByTokens, "JointAttnProcessor2_0": JointByTokens}


def apply_to(net: nn.Module) -> int:
    """Lets every attention layer of diffusers' networks choose by its tokens; how many there are."""
    layers = [m for m in net.modules() if type(m).__name__ == "Attention" and hasattr(m, "set_processor")]
    for layer in layers:
        if type(layer.processor).__name__ in _INSTEAD:
            layer.set_processor(_INSTEAD[type(layer.processor).__name__]())
    return len(layers)
