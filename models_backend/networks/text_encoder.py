"""transformers' text encoders on bytes, small enough to be trained together with what they steer; or one from a folder."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
import torch
from torch import Tensor, nn

from models_backend.conditions import text
from models_backend.contract.fields import Field

from .embeddings import weighed
from .frozen_text import FrozenEncoder, FrozenText


class TextTransformer(msgspec.Struct, frozen=True, tag="trained"):
    """Reads captions byte by byte; trained with the model."""

    title: ClassVar[str] = "Trained along"

    width: Annotated[
        int, Field("Channels of a token; a multiple of its heads", low=16, high=2048, step=16, multiple_of="heads")
    ] = 64
    depth: Annotated[int, Field("Transformer layers", low=1, high=48)] = 2
    heads: Annotated[int, Field("Attention heads", low=1, high=64)] = 4


#: What reads captions.
TextReader = TextTransformer | FrozenText


class TextEncoder(nn.Module):
    """Tokens (B, L) of ``conditions.text`` -> (B, M, width), whether a token is one (B, M), and their mean (B, width).

    ``kind``: "clip" reads from left to right (CLIPTextModel), "t5" in both directions (T5EncoderModel). M is the longest
    caption of the batch (L on a graphics card and where compiled), or ``length`` for networks that attend to what fills up,
    too: those tokens are zero then."""

    def __init__(self, config: TextTransformer, kind: Literal["clip", "t5"] = "clip", length: int = 0):
        super().__init__()
        self.width, self.length = config.width, length
        self.model = _clip(config) if kind == "clip" else _t5(config)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fixed = tokens.is_cuda or torch.compiler.is_compiling()  # one shape for all batches, and no wait for the device
        length = self.length or (tokens.shape[1] if fixed else int((tokens != text.PAD).sum(1).max()))
        tokens = nn.functional.pad(tokens[:, :length], (0, max(0, length - tokens.shape[1])))
        tokens, weights = text.split(tokens)
        real = tokens != text.PAD
        said = self.model(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        said = said * real.to(said.dtype)[..., None]
        if not self.training and (fixed or bool((weights != 1).any())):
            said = weighed(said, real, weights)
        return said, real, said.sum(1) / real.sum(1, keepdim=True).to(said.dtype)


def make(reader: TextReader, kind: Literal["clip", "t5"] = "clip", length: int = 0) -> TextEncoder | FrozenEncoder:
    """What reads captions. ``kind`` and ``length``, in bytes, are of one that is trained."""
    return FrozenEncoder(reader, length > 0) if isinstance(reader, FrozenText) else TextEncoder(reader, kind, length)


def _clip(config: TextTransformer) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel  # takes seconds to import: only where one is really made

    return CLIPTextModel(CLIPTextConfig(
        attn_implementation="eager",  # on a CPU the fused kernel's way back takes five times as long for so few tokens
        vocab_size=text.VOCABULARY, hidden_size=config.width, intermediate_size=4 * config.width,
        projection_dim=config.width, num_hidden_layers=config.depth, num_attention_heads=config.heads,
        max_position_embeddings=text.LONGEST + 1, pad_token_id=text.PAD, bos_token_id=text.BEGIN,
        eos_token_id=text.VOCABULARY - 1,
    ))  # fmt: skip


def _t5(config: TextTransformer) -> nn.Module:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(
        vocab_size=text.VOCABULARY, d_model=config.width, d_kv=config.width // config.heads, d_ff=4 * config.width,
        num_layers=config.depth, num_heads=config.heads, feed_forward_proj="gated-gelu", dropout_rate=0.0,
        pad_token_id=text.PAD, eos_token_id=text.VOCABULARY - 1,
    ))  # fmt: skip
