"""Pictures to small maps of latents and back: diffusers' AutoencoderKL and VQModel (Rombach et al. 2022, arXiv:2112.10752).

A codec also knows how wide its latents are: their mean and spread over training items are kept as buffers, saved with the
weights, so that whoever works on the latents finds them centred and at standard deviation one.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models_backend.contract.words import counted

from ..contract.fields import Field, Positive

#: Share of the newest batch in the running figures of the latents, once so many batches have been seen.
NEWEST = 0.01


class Network(msgspec.Struct, frozen=True):
    """Encoder and decoder: residual blocks at each size, half the side from one level to the next."""

    width: Annotated[
        int, Field("Channels of the first level; a multiple of the groups", low=8, high=512, step=8, multiple_of="groups")
    ] = 32
    multipliers: Annotated[list[Positive], Field("Channels of each level in widths; every level after the first halves the "
                                            "side: three make the side of the latents a quarter", low=1)] = msgspec.field(
        default_factory=lambda: [1, 2, 2]
    )  # fmt: skip
    channels: Annotated[int, Field("Channels of the latents", low=1, high=64)] = 4
    blocks: Annotated[int, Field("Residual blocks in each level of the encoder; the decoder has one more", low=1, high=8)] = 1
    groups: Annotated[int, Field("Groups of the normalisation", low=1, high=64)] = 8
    attention: Annotated[bool, Field("Self-attention on the smallest map")] = True


def problems(config: Network, shape: tuple[int, ...]) -> list[str]:
    """What forbids this network on pictures of that shape, each with what would fix it."""
    if min(shape[1:]) >= 2 ** len(config.multipliers):
        return []
    levels = counted(len(config.multipliers), "level leaves", "levels leave")
    return [f"network.multipliers: {levels} less than two pixels of {min(shape[1:])} px; take fewer"]


def latent_shape(config: Network, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(c, h, w) of the latents of one picture of that shape."""
    divided = 2 ** (len(config.multipliers) - 1)
    return config.channels, -(-shape[1] // divided), -(-shape[2] // divided)


class ImageCodec(nn.Module):
    """Pictures (B, C, H, W) in [-1, 1] <-> raw latents (B, c, h, w). Sides that the levels cannot halve are padded with
    their edges and cropped again. ``mean`` (c,) and ``square`` (c,) are running moments of the raw latents."""

    def __init__(self, body: nn.Module, config: Network, shape: tuple[int, ...]):
        super().__init__()
        self.body, self.shape = body, tuple(shape)
        self.multiple = 2 ** (len(config.multipliers) - 1)
        self.channels = config.channels
        self.register_buffer("mean", torch.zeros(config.channels))
        self.register_buffer("square", torch.ones(config.channels))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    @property
    def std(self) -> Tensor:
        """Standard deviation of each channel of the raw latents, (c,)."""
        return (self.square - self.mean.square()).clamp_min(1e-8).sqrt()

    def decode(self, raw: Tensor) -> Tensor:
        """Raw latents -> pictures, not yet held in [-1, 1]."""
        raise NotImplementedError

    def means(self, x: Tensor) -> Tensor:
        """Raw latents of pictures without any noise."""
        raise NotImplementedError

    def padded(self, x: Tensor) -> Tensor:
        """Pictures whose sides are multiples of what the levels divide by."""
        h, w = x.shape[-2:]
        right, below = -w % self.multiple, -h % self.multiple
        return F.pad(x, (0, right, 0, below), mode="replicate") if right or below else x

    def cropped(self, x: Tensor) -> Tensor:
        return x[..., : self.shape[1], : self.shape[2]].float()

    @torch.no_grad()
    def observe(self, raw: Tensor) -> None:
        """Takes a training batch of raw latents into the running moments: a plain mean at first, a running one later."""
        by_channel = raw.float().transpose(0, 1).flatten(1)
        self.seen += 1
        weight = (1.0 / self.seen).clamp_min(NEWEST)
        self.mean.lerp_(by_channel.mean(1), weight)
        self.square.lerp_(by_channel.square().mean(1), weight)

    def scaled(self, raw: Tensor) -> Tensor:
        """Raw latents -> latents of mean 0 and standard deviation 1 over training items."""
        return (raw - self.mean[:, None, None]) / self.std[:, None, None]

    def unscaled(self, z: Tensor) -> Tensor:
        return z * self.std[:, None, None] + self.mean[:, None, None]


class KlCodec(ImageCodec):
    """A Gaussian for every latent value, held near N(0, 1) by a small weight."""

    def __init__(self, config: Network, shape: tuple[int, ...]):
        super().__init__(_kl_body(config, shape), config, shape)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the raw latents, each (B, c, h, w)."""
        mean, logvar = self.body.quant_conv(self.body.encoder(self.padded(x))).float().chunk(2, 1)
        return mean, logvar.clamp(-30.0, 20.0)

    def means(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def decode(self, raw: Tensor) -> Tensor:
        return self.cropped(self.body.decoder(self.body.post_quant_conv(raw)))

    def exported(self) -> nn.Module:
        """A plain AutoencoderKL in full precision whose own latents have mean 0 and standard deviation 1: the running
        moments are folded into its 1 x 1 convolutions, so its ``scaling_factor`` is 1."""
        plain = _kl_body(self.config_of_body(), self.shape)
        plain.load_state_dict(self.body.state_dict())
        c, std = self.channels, self.std
        with torch.no_grad():
            plain.quant_conv.weight[:c] /= std[:, None, None, None]
            plain.quant_conv.bias[:c].sub_(self.mean).div_(std)
            plain.quant_conv.bias[c:] -= 2 * std.log()
            plain.post_quant_conv.bias += plain.post_quant_conv.weight[:, :, 0, 0] @ self.mean
            plain.post_quant_conv.weight *= std[None, :, None, None]
        return plain.eval()

    def config_of_body(self) -> Network:
        """The config from which such a body is made."""
        told = self.body.config
        width = told["block_out_channels"][0]
        return Network(width, [n // width for n in told["block_out_channels"]], self.channels, told["layers_per_block"],
                       told["norm_num_groups"], told["mid_block_add_attention"])  # fmt: skip


class VqCodec(ImageCodec):
    """The nearest of ``codes`` learned vectors at every place (Esser et al. 2021, arXiv:2012.09841)."""

    def __init__(self, config: Network, shape: tuple[int, ...], codes: int, commitment: float):
        super().__init__(_vq_body(config, shape, codes, commitment), config, shape)

    @property
    def std(self) -> Tensor:
        """One spread for all channels, (c,): with more than one the nearest code would change."""
        return (self.square - self.mean.square()).mean().clamp_min(1e-8).sqrt().expand(self.channels)

    def means(self, x: Tensor) -> Tensor:
        return self.body.quant_conv(self.body.encoder(self.padded(x))).float()

    def quantised(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw latents -> nearest codes (with a straight-through gradient), the loss of codebook and commitment, indices."""
        with torch.autocast(raw.device.type, enabled=False):
            codes, loss, (_, _, index) = self.body.quantize(raw.float())
        return codes, loss, index

    def decoded(self, codes: Tensor) -> Tensor:
        """Codes (B, c, h, w) -> pictures."""
        return self.cropped(self.body.decoder(self.body.post_quant_conv(codes)))

    def decode(self, raw: Tensor) -> Tensor:
        return self.decoded(self.quantised(raw)[0])


def _common(config: Network, shape: tuple[int, ...]) -> dict[str, Any]:
    """What both of diffusers' classes are told alike."""
    levels = len(config.multipliers)
    return {
        "in_channels": shape[0], "out_channels": shape[0], "latent_channels": config.channels,
        "down_block_types": ("DownEncoderBlock2D",) * levels, "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": tuple(config.width * m for m in config.multipliers), "layers_per_block": config.blocks,
        "norm_num_groups": config.groups, "sample_size": max(shape[1:]), "mid_block_add_attention": config.attention,
        "scaling_factor": 1.0,
    }  # fmt: skip


def _kl_body(config: Network, shape: tuple[int, ...]) -> nn.Module:
    from diffusers import AutoencoderKL  # takes seconds to import: only where a network is really made

    return AutoencoderKL(**_common(config, shape), force_upcast=False)


def _vq_body(config: Network, shape: tuple[int, ...], codes: int, commitment: float) -> nn.Module:
    from diffusers import VQModel

    body = VQModel(**_common(config, shape), num_vq_embeddings=codes, vq_embed_dim=config.channels)
    body.quantize.legacy = False  # as published: its default puts the commitment's weight on the codebook's term
    body.quantize.beta = commitment
    nn.init.normal_(body.quantize.embedding.weight)  # as wide as the latents of a fresh encoder; diffusers' 1/n is a point
    return body
