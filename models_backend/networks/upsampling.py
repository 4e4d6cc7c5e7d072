"""diffusers' upsampling (nearest neighbours, then a 3 x 3 convolution) as one convolution of the small picture.

Each of the four pixels that a pixel becomes sees only 2 x 2 of its neighbours, so that four 2 x 2 convolutions give the same
with 4/9 of the multiplications, and nothing large is made in between (Shi et al. 2016, arXiv:1609.07009, for such sub-pixel
convolutions). It is done where it is quicker on the machine at hand, and always in networks that torch.compile compiles: in
those of torch 2.13 no gradient comes through diffusers' upsampling on a CPU.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import at_hand


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (B, C, H, W) doubled by nearest neighbours, then convolved with weight (K, C, 3, 3), padding 1 -> (B, K, 2H, 2W)."""
    (b, _, h, w), k = x.shape, weight.shape[0]
    # (K, C, row parity, 2, column parity, 2) -> one filter for each parity and output channel
    filters = _folded(_folded(weight, 2), 4).permute(2, 4, 0, 1, 3, 5).reshape(4 * k, -1, 2, 2)
    y = F.conv2d(x, filters, None if bias is None else bias.repeat(4), padding=1).view(b, 2, 2, k, h + 1, w + 1)
    # a pixel of parity 1 begins one further down (or right) than one of parity 0
    rows = [torch.stack([y[:, p, q, :, p : p + h, q : q + w] for q in (0, 1)], -1) for p in (0, 1)]
    return torch.stack(rows, 3).reshape(b, k, 2 * h, 2 * w)


def quicker(x: Tensor, weight: Tensor) -> bool:
    """Whether one convolution of the small picture takes less time here, as things stand."""
    half = torch.is_autocast_enabled("cpu")
    kind = str(torch.get_autocast_dtype("cpu") if half else x.dtype)
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return _quicker(min(x.shape[0], at_hand.MOST_ITEMS), *x.shape[1:], weight.shape[0], kind, last, torch.is_grad_enabled())


def _quicker(batch: int, c: int, h: int, w: int, k: int, kind: str, last: bool, learning: bool) -> bool:
    dtype = getattr(torch, kind.removeprefix("torch."))
    form = torch.channels_last if last else torch.contiguous_format
    x = torch.linspace(-1, 1, batch * c * h * w).view(batch, c, h, w).to(dtype, memory_format=form).requires_grad_(learning)
    weight = torch.linspace(-1, 1, k * c * 9).view(k, c, 3, 3).to(dtype, memory_format=form).requires_grad_(learning)
    name = f"upsampling {batch}x{c}x{h}x{w} {k} {kind}{' last' if last else ''} {'learning' if learning else 'asking'}"
    return at_hand.pays(name, _in_turn, convolve, x, weight)


def _in_turn(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, padding=1)


def _folded(weight: Tensor, dim: int) -> Tensor:
    """Three taps over doubled pixels as two taps over single ones, for each parity: ``dim`` of 3 becomes (2, 2)."""
    first, middle, last = weight.unbind(dim)
    even, odd = torch.stack([first, middle + last], dim), torch.stack([first + middle, last], dim)
    return torch.stack([even, odd], dim)


@functools.cache
def _folding() -> type[nn.Module]:
    """diffusers' class with the other way of doing it; made when it is first needed, for the import takes seconds."""
    from diffusers.models.upsampling import Upsample2D

    class FoldedUpsample2D(Upsample2D):
        """As ``Upsample2D``, whose parameters and saved files it keeps."""

        def forward(self, hidden_states: Tensor, output_size: tuple[int, int] | None = None, *args, **kwargs) -> Tensor:
            folds = torch.compiler.is_compiling() or quicker(hidden_states, self.conv.weight)
            if output_size is not None or not folds:
                return super().forward(hidden_states, output_size, *args, **kwargs)
            return convolve(hidden_states, self.conv.weight, self.conv.bias)

    return FoldedUpsample2D


def apply_to(net: nn.Module) -> int:
    """Lets every fitting upsampling of diffusers' U-Nets in a network go this way; how many there are."""
    fitting = [module for module in net.modules() if type(module).__name__ == "Upsample2D" and _fits(module)]
    for module in fitting:
        module.__class__ = _folding()
    return len(fitting)


def _fits(module: nn.Module) -> bool:
    """Whether it is nearest neighbours and one plain 3 x 3 convolution."""
    conv = getattr(module, "conv", None)
    plain = module.use_conv and not module.use_conv_transpose and module.interpolate and module.norm is None
    return plain and type(conv) is nn.Conv2d and (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
