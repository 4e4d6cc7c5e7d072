"""transformers' CLIPTextModel on bytes, small enough to be trained together with what it steers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from torch import Tensor, nn

from models_backend.conditions import text
from models_backend.contract.fields import Field


class TextTransformer(msgspec.Struct, frozen=True):
    """Reads captions byte by byte; trained with the model."""

    width: Annotated[int, Field("Channels of a token; a multiple of its heads", low=16, high=2048, step=16)] = 64
    depth: Annotated[int, Field("Transformer layers", low=1, high=48)] = 2
    heads: Annotated[int, Field("Attention heads", low=1, high=64)] = 4


class TextEncoder(nn.Module):
    """Tokens (B, L) of ``conditions.text`` -> (B, L, width), whether a token is one (B, L), and their mean (B, width)."""

    def __init__(self, config: TextTransformer):
        super().__init__()
        from transformers import CLIPTextConfig, CLIPTextModel  # takes seconds to import: only where one is really made

        self.clip = CLIPTextModel(CLIPTextConfig(
            vocab_size=text.VOCABULARY, hidden_size=config.width, intermediate_size=4 * config.width,
            projection_dim=config.width, num_hidden_layers=config.depth, num_attention_heads=config.heads,
            max_position_embeddings=text.LONGEST + 1, pad_token_id=text.PAD, bos_token_id=text.BEGIN,
            eos_token_id=text.VOCABULARY - 1,
        ))  # fmt: skip

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        real = tokens != text.PAD
        longest = int(real.sum(1).max())
        tokens, real = tokens[:, :longest], real[:, :longest]
        said = self.clip(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        share = real.to(said.dtype)[..., None]
        return said, real, (said * share).sum(1) / share.sum(1)
