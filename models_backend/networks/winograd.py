"""3 x 3 convolutions by minimal filtering, F(4x4, 3x3) (Lavin & Gray 2016, arXiv:1509.09308), as matrix products.

For CPUs without half precision: 2.25 multiplications for each output instead of 9, in float32, equal to the direct
convolution to about 5e-5 of its standard deviation. Pictures are worked through in pieces that stay in the cache; the
gradient of the weights gains most. All three products of a convolution (with its input, its weights, its output) are of
one kind, so derivatives of any order are there.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Bytes of a transformed piece for each thread: about the size of a core's second-level cache.
PIECE_BYTES = 600_000
#: Convolutions with fewer channels, or fewer multiplications in all, are quicker done directly.
LEAST_CHANNELS = 16
LEAST_WORK = 10_000_000

# Lavin & Gray 2016, section 4.3 (with the interpolation points 0, 1, -1, 2, -2)
_B_T = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1]]  # fmt: skip
_G = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6],
      [0, 0, 1]]  # fmt: skip
_A_T = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


@functools.cache
def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Both directions at once: (36, 36) for tiles, (36, 9) for weights, (16, 36) for results."""
    with torch.inference_mode(False):
        b, g, a = (torch.tensor(rows, dtype=torch.float32) for rows in (_B_T, _G, _A_T))
        return torch.kron(b, b), torch.kron(g, g), torch.kron(a, a)


def suits(x: Tensor, weight: Tensor) -> bool:
    """Whether this way is open and worth it for x (B, C, H, W) and weight (K, C, 3, 3)."""
    work = 9 * weight.shape[0] * x.numel()
    return (
        x.device.type == "cpu" and x.dtype == torch.float32 and weight.dtype == torch.float32
        and x.shape[2] % 4 == 0 and x.shape[3] % 4 == 0 and min(weight.shape[:2]) >= LEAST_CHANNELS and work >= LEAST_WORK
    )  # fmt: skip


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The 3 x 3 convolution with padding 1 and stride 1, this way where it suits, else directly."""
    if not suits(x, weight) or torch.is_autocast_enabled("cpu"):
        return F.conv2d(x, weight, bias, padding=1)
    y = torch.ops.nexus.winograd(x, weight)
    return y if bias is None else y + bias[:, None, None]


def apply_to(net: nn.Module) -> int:
    """Lets every fitting convolution of a network go this way; how many there are."""
    fitting = [m for m in net.modules() if type(m) is nn.Conv2d or _parametrised(m)]
    fitting = [m for m in fitting if _fits(m)]
    for conv in fitting:
        conv._conv_forward = convolve
    return len(fitting)


def withdraw_from(net: nn.Module) -> None:
    """Every convolution directly again."""
    for module in net.modules():
        module.__dict__.pop("_conv_forward", None)


def _parametrised(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and type(module).__name__ == "ParametrizedConv2d"


def _fits(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros") and min(conv.in_channels, conv.out_channels) >= LEAST_CHANNELS


# ------------------------------------------------------------------------------------------------ the two products


@torch.library.custom_op("nexus::winograd", mutates_args=())
def _product(x: Tensor, weight: Tensor) -> Tensor:
    """x (B, C, H, W) with weight (K, C, 3, 3) -> (B, K, H, W), channels last."""
    tile, _, result = _transforms()
    (b, _, h, w), k = x.shape, weight.shape[0]
    filters, x = _filters(weight), x.permute(0, 2, 3, 1)
    y = x.new_empty((b, h, w, k))
    placed = y.view(b, h // 4, 4, w // 4, 4, k)
    size = _pictures_at_once(x.shape, k)
    room = x.new_zeros((min(size, b), h + 2, w + 2, x.shape[3]))
    for start in range(0, b, size):
        piece = slice(start, min(start + size, b))
        made = torch.bmm(_tiles(x[piece], room, tile), filters)
        out = torch.mm(result, made.view(36, -1)).view(4, 4, -1, h // 4, w // 4, k)
        placed[piece].copy_(out.permute(2, 3, 0, 4, 1, 5))
    return y.permute(0, 3, 1, 2)


@torch.library.custom_op("nexus::winograd_weight", mutates_args=())
def _weight_product(x: Tensor, g: Tensor) -> Tensor:
    """x (B, C, H, W) with g (B, K, H, W) -> (K, C, 3, 3): what the weights' gradient is."""
    tile, weight, result = _transforms()
    (b, c, h, w), k = x.shape, g.shape[1]
    x, g = x.permute(0, 2, 3, 1), g.permute(0, 2, 3, 1)
    total = x.new_zeros((36, k, c))
    size = _pictures_at_once(x.shape, k)
    room = x.new_zeros((min(size, b), h + 2, w + 2, c))
    for start in range(0, b, size):
        piece = slice(start, min(start + size, b))
        spread = g[piece].reshape(-1, h // 4, 4, w // 4, 4, k).permute(2, 4, 0, 1, 3, 5).reshape(16, -1)
        spread = torch.mm(result.t(), spread).view(36, -1, k)
        total.baddbmm_(spread.transpose(1, 2), _tiles(x[piece], room, tile))
    return torch.mm(weight.t(), total.view(36, -1)).view(3, 3, k, c).permute(2, 3, 0, 1).contiguous()


def _filters(weight: Tensor) -> Tensor:
    """(K, C, 3, 3) -> (36, C, K)."""
    k, c = weight.shape[:2]
    return torch.mm(_transforms()[1], weight.permute(2, 3, 1, 0).reshape(9, -1)).view(36, c, k)


def _pictures_at_once(shape: torch.Size, k: int) -> int:
    """How many pictures (H, W, C) make a piece whose transformed tiles stay in the cache, beside their filters."""
    _, h, w, c = shape
    filters, tiles = 36 * 4 * c * k, 36 * 4 * max(c, k) * (h // 4) * (w // 4)
    return max(1, max(PIECE_BYTES * torch.get_num_threads(), filters // 2) // tiles)


def _tiles(pictures: Tensor, room: Tensor, tile: Tensor) -> Tensor:
    """Transformed tiles (36, T, C) of pictures (n, H, W, C); ``room`` (>= n, H + 2, W + 2, C) keeps their border of zeros."""
    n, h, w, c = pictures.shape
    room[:n, 1:-1, 1:-1].copy_(pictures)
    s = room.stride()
    cut = room.as_strided((6, 6, n, h // 4, w // 4, c), (s[1], s[2], s[0], 4 * s[1], 4 * s[2], 1))
    return torch.mm(tile, cut.reshape(36, -1)).view(36, -1, c)


# ------------------------------------------------------------------------------------------------ derivatives


def _turned(weight: Tensor) -> Tensor:
    """The weights with which a convolution runs backwards: (C, K, 3, 3)."""
    return weight.flip(2, 3).transpose(0, 1)


@_product.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    return x.new_empty((x.shape[0], x.shape[2], x.shape[3], weight.shape[0])).permute(0, 3, 1, 2)


@_weight_product.register_fake
def _(x: Tensor, g: Tensor) -> Tensor:
    return x.new_empty((g.shape[1], x.shape[1], 3, 3))


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs)


def _product_backward(ctx, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
    x, weight = ctx.saved_tensors
    to_x = torch.ops.nexus.winograd(g, _turned(weight)) if ctx.needs_input_grad[0] else None
    return to_x, torch.ops.nexus.winograd_weight(x, g) if ctx.needs_input_grad[1] else None


def _weight_product_backward(ctx, h: Tensor) -> tuple[Tensor | None, Tensor | None]:
    x, g = ctx.saved_tensors
    to_x = torch.ops.nexus.winograd(g, _turned(h)) if ctx.needs_input_grad[0] else None
    return to_x, torch.ops.nexus.winograd(x, h) if ctx.needs_input_grad[1] else None


_product.register_autograd(_product_backward, setup_context=_keep)
_weight_product.register_autograd(_weight_product_backward, setup_context=_keep)
