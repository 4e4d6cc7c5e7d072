"""diffusers' SD3Transformer2DModel from a small config: words and patches in two streams that attend to one another
(Esser 2024, arXiv:2403.03206)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import Field

from . import places
from .attention import JointByTokens
from .conditional import Embedding
from .dit import DiT, problems
from .padding import to_multiple
from .text_encoder import TextReader

__all__ = ["MMDiT", "MMDiTNetwork", "problems"]


class MMDiT(DiT, frozen=True):
    """Two streams of transformer blocks with one attention over both."""

    title: ClassVar[str] = "MMDiT"
    pooled: Annotated[
        bool,
        Field("The words' mean moves every block, too, as in Stable Diffusion 3; on small data unseen combinations do without"),
    ] = True
    context: Annotated[
        int,
        Field(
            "Bytes to which every caption is cut or filled up, as published; 0 takes captions as long as they are",
            low=0,
            high=255,
            unit="bytes",
        ),
    ] = 0


class MMDiTNetwork(nn.Module):
    """(x (B, C, H, W), times (B,) on a scale of 1000, conditions) -> (B, C, H, W). Modulations and output start at zero."""

    def __init__(self, config: MMDiT, spec: DataSpec, reader: TextReader, kinds: tuple[str, ...]):
        super().__init__()
        from diffusers import SD3Transformer2DModel  # takes seconds to import: only where a network is really made

        channels, side = spec.shape[0], spec.shape[-1]
        side += -side % config.patch
        self.patch, self.kinds, self.pooled = config.patch, kinds, config.pooled
        self.filled = config.context > 0
        self.embedding = Embedding(spec, kinds, reader, "clip", config.context + 1 if self.filled else 0)
        self.transformer = SD3Transformer2DModel(
            num_attention_heads=config.heads, attention_head_dim=config.width // config.heads, in_channels=channels,
            out_channels=channels, num_layers=config.depth, sample_size=side, patch_size=config.patch,
            joint_attention_dim=self.embedding.width, caption_projection_dim=config.width,
            pooled_projection_dim=self.embedding.width,
            pos_embed_max_size=side // config.patch, qk_norm="rms_norm",
        )  # fmt: skip
        if not self.filled:
            self.transformer.set_attn_processor(JointByTokens())  # theirs attends to what fills up
        if config.places == "fitted":
            places.fit(self.transformer.pos_embed, side // config.patch)
        start_at_zero(self.transformer)
        last = self.transformer.transformer_blocks[-1].attn
        for layer in (last.add_q_proj, last.norm_added_q):
            layer.requires_grad_(False)  # what the words would make of the last block is thrown away (figure 2)

    def forward(self, x: Tensor, time: Tensor, given: dict[str, Tensor]) -> Tensor:
        tokens, real, mean = self.embedding({kind: given[kind] for kind in self.kinds})
        mean = mean if self.pooled else torch.zeros_like(mean)
        heard = None if self.filled else {"attention_mask": real}

        def ask(x: Tensor) -> Tensor:
            return self.transformer(x, tokens, mean, time, joint_attention_kwargs=heard, return_dict=False)[0]

        return to_multiple(x, self.patch, ask)

    def enable_gradient_checkpointing(self) -> None:
        """Recompute activations in the backward pass."""
        self.transformer.enable_gradient_checkpointing()


def start_at_zero(transformer: nn.Module) -> None:
    """adaLN-Zero in both streams and at the output; diffusers' do not start so."""
    norms = [norm for block in transformer.transformer_blocks for norm in (block.norm1, block.norm1_context)]
    for layer in (*(norm.linear for norm in norms), transformer.norm_out.linear, transformer.proj_out):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
