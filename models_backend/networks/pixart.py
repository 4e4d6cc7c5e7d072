"""diffusers' PixArtTransformer2DModel from a small config, told captions (Chen 2023, arXiv:2310.00426)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import Field

from . import places
from .conditional import Embedding
from .dit import DiT, problems
from .padding import to_multiple
from .text_encoder import TextReader

__all__ = ["PixArt", "PixArtNetwork", "problems"]


class PixArt(DiT, frozen=True):
    """A transformer on patches that attends to the words; one modulation by time for all blocks (adaLN-single)."""

    title: ClassVar[str] = "PixArt"
    pooled: Annotated[
        bool, Field("Condition on the mean of the words only: word order is lost. To see that it matters", title="Pooled text")
    ] = False


class PixArtNetwork(nn.Module):
    """(x (B, C, H, W), times (B,) on a scale of 1000, conditions) -> (B, C, H, W). The output starts at zero and nothing is
    heard of the words at first (section 2.3)."""

    def __init__(self, config: PixArt, spec: DataSpec, reader: TextReader, kinds: tuple[str, ...]):
        super().__init__()
        from diffusers import PixArtTransformer2DModel  # takes seconds to import: only where a network is really made

        channels, side = spec.shape[0], spec.shape[-1]
        self.patch, self.kinds, self.pooled = config.patch, kinds, config.pooled
        self.embedding = Embedding(spec, kinds, reader, "t5")
        self.transformer = PixArtTransformer2DModel(
            num_attention_heads=config.heads, attention_head_dim=config.width // config.heads, in_channels=channels,
            out_channels=channels, num_layers=config.depth, sample_size=side + -side % config.patch,
            patch_size=config.patch, cross_attention_dim=config.width, caption_channels=self.embedding.width,
            use_additional_conditions=False,
        )  # fmt: skip
        if config.places == "fitted":
            places.fit(self.transformer.pos_embed, (side + -side % config.patch) // config.patch)
        start(self.transformer)

    def forward(self, x: Tensor, time: Tensor, given: dict[str, Tensor]) -> Tensor:
        tokens, real, mean = self.embedding({kind: given[kind] for kind in self.kinds})
        if self.pooled:
            tokens, real = mean[:, None], real[:, :1]
        sizes = {"resolution": None, "aspect_ratio": None}

        def ask(x: Tensor) -> Tensor:
            said = self.transformer(x, tokens, time, sizes, encoder_attention_mask=real.to(x.dtype), return_dict=False)
            return said[0]

        return to_multiple(x, self.patch, ask)

    def enable_gradient_checkpointing(self) -> None:
        """Recompute activations in the backward pass."""
        self.transformer.enable_gradient_checkpointing()


def start(transformer: nn.Module) -> None:
    """Linear layers uniform by their fans, the way out of every cross-attention and the output at zero; diffusers' are not."""
    for module in transformer.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for layer in (*(block.attn2.to_out[0] for block in transformer.transformer_blocks), transformer.proj_out):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        transformer.scale_shift_table /= 10
