"""Networks that denoise and are told a condition: its vector added to the time's, or its tokens attended to."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import torch
from torch import Tensor, nn

from models_backend.contract.family import DataSpec

from . import denoisers, text_encoder
from .embeddings import sinusoidal
from .padding import to_multiple
from .points import PointMLP, PointNetwork
from .remembered import Remembered
from .text_encoder import TextReader
from .unet import ImageNetwork, UNet


class Added(msgspec.Struct, frozen=True, tag="added"):
    """One vector for the whole condition, added to the time's: adaptive normalisation where the network has it."""

    title: ClassVar[str] = "Added to time"


class CrossAttention(msgspec.Struct, frozen=True, tag="cross_attention"):
    """Every place of the picture looks at every word of the condition (Rombach 2022)."""

    title: ClassVar[str] = "Cross-attention"


Hearing = Added | CrossAttention


class Embedding(nn.Module):
    """Conditions -> tokens (B, L, width), whether a token is one (B, L), and their mean (B, width). A class is one token, the
    null class the last row of its table; all attributes together are one. What is asked again is not read again."""

    def __init__(self, spec: DataSpec, kinds: tuple[str, ...], reader: TextReader, kind: str = "clip", length: int = 0):
        super().__init__()
        self.text = text_encoder.make(reader, kind, length) if "text" in kinds else None
        self.width = self.text.width if self.text is not None else reader.width
        self.table = nn.Embedding(len(spec.classes) + 1, self.width) if "class" in kinds else None
        self.attributes = nn.Linear(2 * len(spec.attributes), self.width) if "attributes" in kinds else None
        self._remembered = Remembered()

    def forward(self, given: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        return self._remembered.ask(self, given, self._read)

    def _read(self, given: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        parts = []
        if self.table is not None:
            parts.append(_one_token(self.table(given["class"])))
        if self.attributes is not None:
            parts.append(_one_token(self.attributes(given["attributes"])))
        if self.text is not None:
            parts.append(self.text(given["text"]))
        if len(parts) == 1:
            return parts[0]
        tokens, real, mean = zip(*parts, strict=True)
        return torch.cat([t.to(tokens[-1].dtype) for t in tokens], 1), torch.cat(real, 1), sum(mean)


def _one_token(row: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return row[:, None], torch.ones(len(row), 1, dtype=torch.bool, device=row.device), row


class ConditionalNetwork(nn.Module):
    """(x (B, *shape), times (B,) on a scale of 1000, conditions) -> like x."""

    def __init__(self, network: denoisers.Network, spec: DataSpec, hearing: Hearing, reader: TextReader,
                 kinds: tuple[str, ...]):  # fmt: skip
        super().__init__()
        self.kinds, chosen = kinds, denoisers.resolved(network, spec)
        self.embedding = Embedding(spec, kinds, reader)
        width = self.embedding.width
        self.scale: ScaleEmbedding | None = None
        if isinstance(chosen, PointMLP):
            self.net: nn.Module = ConditionalPoints(chosen, spec.shape[0], width)
        elif isinstance(hearing, CrossAttention):
            self.net = AttendingImages(chosen, spec.shape[0], spec.shape[-1], width)
        else:
            self.net = ToldImages(chosen, spec.shape[0], spec.shape[-1], width)

    def hear_scale(self) -> None:
        """From now on a guidance scale is heard, too: ``given["scale"]`` (B,). At first it changes nothing."""
        if isinstance(self.net, AttendingImages):
            self.net.hear_scale()
        else:
            self.scale = ScaleEmbedding(self.embedding.width)

    def forward(self, x: Tensor, time: Tensor, given: dict[str, Tensor]) -> Tensor:
        tokens, real, mean = self.embedding({kind: given[kind] for kind in self.kinds})
        if self.scale is not None:
            mean = mean + self.scale(given["scale"]).to(mean.dtype)
        return self.net(x, time, tokens, real, mean, given.get("scale"))

    def enable_gradient_checkpointing(self) -> None:
        """Recompute activations in the backward pass."""
        if hasattr(self.net, "enable_gradient_checkpointing"):
            self.net.enable_gradient_checkpointing()


#: Sines and cosines of a guidance scale (diffusers' LCM has as many).
OF_SCALE = 256


def of_scale(scale: Tensor) -> Tensor:
    """What networks are told of guidance scales (B,): (B, OF_SCALE)."""
    return sinusoidal(1000 * scale, OF_SCALE)


class ScaleEmbedding(nn.Module):
    """Guidance scales (B,) -> (B, width); zero at first (Luo 2023, section 4.2; Meng 2023)."""

    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(OF_SCALE, width), nn.SiLU(), nn.Linear(width, width))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, scale: Tensor) -> Tensor:
        return self.net(of_scale(scale))


class ConditionalPoints(PointNetwork):
    """The perceptron, its time's vector with the condition's added."""

    def __init__(self, config: PointMLP, dimensions: int, width: int):
        super().__init__(config, dimensions)
        self.told = nn.Linear(width, config.width)

    def forward(self, x: Tensor, time: Tensor, tokens: Tensor, real: Tensor, mean: Tensor,
                scale: Tensor | None = None) -> Tensor:  # fmt: skip
        return self.walk(x, self.time(time) + self.told(mean))


class ToldImages(ImageNetwork):
    """UNet2DModel that is given the condition's vector as its class embedding."""

    def __init__(self, config: UNet, channels: int, side: int, width: int):
        super().__init__(config, channels, side, class_embed_type="identity")
        self.told = nn.Linear(width, 4 * config.width * config.multipliers[0])

    def forward(self, x: Tensor, time: Tensor, tokens: Tensor, real: Tensor, mean: Tensor,
                scale: Tensor | None = None) -> Tensor:  # fmt: skip
        vector = self.told(mean)
        return to_multiple(x, self.multiple, lambda x: self.unet(x, time, class_labels=vector, return_dict=False)[0])


class AttendingImages(ImageNetwork):
    """UNet2DConditionModel: attention to the condition's tokens at the chosen sides, at the lowest where none is chosen."""

    def __init__(self, config: UNet, channels: int, side: int, width: int):
        super().__init__(config, channels, side, width=width)

    def hear_scale(self) -> None:
        """A guidance scale is added to the time's sinusoids, as in diffusers' own LCM; at first it changes nothing."""
        time = self.unet.time_embedding
        time.cond_proj = nn.Linear(OF_SCALE, time.linear_1.in_features, bias=False)
        nn.init.zeros_(time.cond_proj.weight)
        self.unet.register_to_config(time_cond_proj_dim=OF_SCALE)

    def forward(self, x: Tensor, time: Tensor, tokens: Tensor, real: Tensor, mean: Tensor,
                scale: Tensor | None = None) -> Tensor:  # fmt: skip
        said = None if scale is None else of_scale(scale).to(x.dtype)

        def ask(x: Tensor) -> Tensor:
            return self.unet(x, time, tokens, timestep_cond=said, encoder_attention_mask=real, return_dict=False)[0]

        return to_multiple(x, self.multiple, ask)


def make(network: denoisers.Network, spec: DataSpec, hearing: Hearing, reader: TextReader,
         kinds: tuple[str, ...]) -> nn.Module:  # fmt: skip
    """A fresh network that hears the conditions ``kinds``."""
    return ConditionalNetwork(network, spec, hearing, reader, kinds)
