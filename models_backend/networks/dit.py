"""diffusers' DiTTransformer2DModel from a small config, with the zero initialisation of the paper (Peebles & Xie 2022)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from torch import Tensor, nn

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import Field

from . import places
from .padding import to_multiple
from .places import Places

#: Rows of the class table, as ImageNet has them: DiTPipeline takes row 1000 for the null class.
ROWS = 1000


class DiT(msgspec.Struct, frozen=True, tag="dit"):
    """A transformer on patches whose normalisations hear time and class (adaLN-Zero)."""

    title: ClassVar[str] = "DiT"
    width: Annotated[
        int, Field("Channels of a patch; a multiple of heads", low=16, high=4096, step=16, multiple_of="heads")
    ] = 128
    depth: Annotated[int, Field("Transformer blocks", low=1, high=64)] = 6
    heads: Annotated[int, Field("Attention heads", low=1, high=64)] = 4
    patch: Annotated[int, Field("Side of a patch; each becomes one token", low=1, high=16, unit="px")] = 2
    places: Places = "published"


def problems(config: DiT, side: int) -> list[str]:
    """What forbids this network on pictures of that side, each with what would fix it."""
    if config.patch <= side:
        return []
    return [f"network.patch: {config.patch} px is more than the picture's {side} px; take {max(1, side // 4)}"]


class DiTNetwork(nn.Module):
    """(x (B, C, H, W), times (B,) on a scale of 1000, classes (B,)) -> (B, C, H, W), or with a variance (B, 2 C, H, W): what it
    predicts, then what it tells of a step's variance. The output starts at zero, and each block as the identity. The null
    class is row ``ROWS``."""

    def __init__(self, config: DiT, spec: DataSpec, variance: bool = False):
        super().__init__()
        from diffusers import DiTTransformer2DModel  # takes seconds to import: only where a network is really made

        channels, side = spec.shape[0], spec.shape[-1]
        self.patch, self.classes = config.patch, len(spec.classes)
        self.transformer = DiTTransformer2DModel(
            num_attention_heads=config.heads, attention_head_dim=config.width // config.heads, in_channels=channels,
            out_channels=channels * (2 if variance else 1), num_layers=config.depth, patch_size=config.patch,
            sample_size=side + -side % config.patch, num_embeds_ada_norm=ROWS,
        )  # fmt: skip
        told = self.transformer.transformer_blocks[0].norm1.emb
        told.class_embedder.dropout_prob = 0.0  # items are dropped by who trains
        for block in self.transformer.transformer_blocks:
            block.norm1.emb = told  # one embedding of time and class, as published; diffusers gives each block its own
        if config.places == "fitted":
            places.fit(self.transformer.pos_embed, (side + -side % config.patch) // config.patch)
        start_at_zero(self.transformer)

    def forward(self, x: Tensor, time: Tensor, classes: Tensor) -> Tensor:
        rows = classes.masked_fill(classes >= self.classes, ROWS)
        return to_multiple(x, self.patch, lambda x: self.transformer(x, time, rows, return_dict=False)[0])

    def enable_gradient_checkpointing(self) -> None:
        """Recompute activations in the backward pass."""
        self.transformer.enable_gradient_checkpointing()


def start_at_zero(transformer: nn.Module) -> None:
    """adaLN-Zero: modulations, the final modulation and the output begin at zero (section 3.2); diffusers' do not."""
    layers = [block.norm1.linear for block in transformer.transformer_blocks]
    for layer in (*layers, transformer.proj_out_1, transformer.proj_out_2):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
