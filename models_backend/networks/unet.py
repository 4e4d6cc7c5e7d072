"""diffusers' UNet2DModel from a small config, initialised as the papers do and fit for any picture size."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
import torch
from torch import nn

from models_backend.contract.fields import Field, Positive
from models_backend.contract.words import counted

from .padding import to_multiple


class UNet(msgspec.Struct, frozen=True, tag="unet"):
    """The DDPM U-Net (Ho 2020; Dhariwal & Nichol 2021): for images."""

    title: ClassVar[str] = "U-Net"
    width: Annotated[
        int, Field("Channels of the first level; a multiple of the groups", low=8, high=1024, step=8, multiple_of="groups")
    ] = 64
    multipliers: Annotated[list[Positive], Field("Channels of each level in widths; each level halves the side", low=1)] = (
        msgspec.field(default_factory=lambda: [1, 2, 2])
    )
    blocks: Annotated[int, Field("Residual blocks in each level", low=1, high=8)] = 2
    attention: Annotated[list[int], Field("Sides of the maps with self-attention", unit="px")] = msgspec.field(
        default_factory=lambda: [16, 8]
    )
    head: Annotated[int, Field("Channels of an attention head", low=8, high=256)] = 32
    groups: Annotated[int, Field("Groups of the normalisation; they must divide the width", low=1, high=64)] = 8
    dropout: Annotated[float, Field("Share of activations dropped in training", low=0.0, high=0.9)] = 0.0
    scale_shift: Annotated[bool, Field("Let the time scale and shift the normalised activations (adaptive group norm)")] = False
    heads: Annotated[int, Field("Attention heads at every side, whatever their channels; 0: as many as the channels of a head "
                                "give", low=0, high=64)] = 0  # fmt: skip
    residual_sampling: Annotated[bool, Field("Halve and double sides in residual blocks (Dhariwal & Nichol 2021); where words "
                                             "are attended to it is not done")] = False  # fmt: skip


def problems(config: UNet, side: int) -> list[str]:
    """What forbids this network on pictures of that side, each with what would fix it."""
    if side >= 2 ** (len(config.multipliers) - 1):
        return []
    return [f"network.multipliers: {counted(len(config.multipliers), 'level')} are too many for {side} px; take fewer"]


class ImageNetwork(nn.Module):
    """(B, C, H, W) and times (B,) on a scale of 1000 -> (B, C, H, W). Sides that the levels cannot halve are padded by
    reflection and cropped again. The second convolution of each block and the last one start at zero."""

    def __init__(self, config: UNet, channels: int, side: int, width: int = 0, **more: Any):
        super().__init__()
        self.multiple = 2 ** (len(config.multipliers) - 1)
        whole = side + -side % self.multiple
        self.unet = attending(config, channels, whole, width) if width else _unet(config, channels, whole, **more)
        zero_last_convolutions(self.unet)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return to_multiple(x, self.multiple, lambda x: self.unet(x, time, return_dict=False)[0])

    def enable_gradient_checkpointing(self) -> None:
        """Recompute activations in the backward pass."""
        self.unet.enable_gradient_checkpointing()


def _unet(config: UNet, channels: int, side: int, **more: Any) -> nn.Module:
    from diffusers import UNet2DModel  # takes seconds to import: only where a network is really made

    widths = tuple(config.width * m for m in config.multipliers)
    attends = [side // 2**i in config.attention for i in range(len(widths))]
    plain = ("ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D") if config.residual_sampling else ("DownBlock2D", "UpBlock2D")
    how = "resnet" if config.residual_sampling else "conv"
    return UNet2DModel(
        sample_size=side, in_channels=channels, out_channels=channels, block_out_channels=widths,
        layers_per_block=config.blocks, norm_num_groups=config.groups, dropout=config.dropout,
        attention_head_dim=_channels_of_a_head(config, widths), downsample_type=how, upsample_type=how,
        resnet_time_scale_shift="scale_shift" if config.scale_shift else "default",
        down_block_types=tuple("AttnDownBlock2D" if a else plain[0] for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else plain[1] for a in reversed(attends)), **more,
    )  # fmt: skip


def _channels_of_a_head(config: UNet, widths: tuple[int, ...]) -> int | None:
    """None is one head at every side, in diffusers' words; several are exact where the sides that attend are equally wide."""
    if config.heads:
        return None if config.heads == 1 else widths[-1] // config.heads
    return min([config.head, *widths])


def attending(config: UNet, channels: int, side: int, width: int) -> nn.Module:
    """UNet2DConditionModel that attends to tokens of that width at the config's sides and in the middle."""
    from diffusers import UNet2DConditionModel

    widths = tuple(config.width * m for m in config.multipliers)
    attends = [side // 2**i in config.attention for i in range(len(widths))]
    return UNet2DConditionModel(
        sample_size=side, in_channels=channels, out_channels=channels, block_out_channels=widths,
        layers_per_block=config.blocks, norm_num_groups=config.groups, dropout=config.dropout, cross_attention_dim=width,
        # diffusers calls the number of heads so
        attention_head_dim=tuple(config.heads or max(1, w // config.head) for w in widths),
        resnet_time_scale_shift="scale_shift" if config.scale_shift else "default",
        down_block_types=tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
    )  # fmt: skip


def zero_last_convolutions(unet: nn.Module) -> None:
    """Residual blocks begin as the identity and the output as zero (Ho 2020's code; Dhariwal & Nichol 2021): diffusers
    does not."""
    for name, module in unet.named_modules():
        if name.endswith("conv2") or name == "conv_out":
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
