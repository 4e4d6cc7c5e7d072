"""Tiny folders of transformers with random weights: a CLIP or a T5 and a tokenizer of a few words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

WORDS = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "a", "small", "red", "blue", "circle", "square", "left", "of"]
CLIP = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "projection_dim": 8, "max_position_embeddings": 12, "pad_token_id": 0, "bos_token_id": 2,
        "eos_token_id": 3}  # fmt: skip
VISION = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": 8,
          "patch_size": 4, "projection_dim": 8}  # fmt: skip
T5 = {"vocab_size": 32, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "pad_token_id": 0,
      "eos_token_id": 3, "decoder_start_token_id": 0}  # fmt: skip
KINDS = ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPModel", "T5EncoderModel", "T5ForConditionalGeneration")


def folder(path: Path, kind: str = "CLIPTextModel", seed: int = 0) -> tuple[str, Any]:
    """Saves a fresh model of that class: the folder, and the model itself in eval mode."""
    import transformers

    torch.manual_seed(seed)
    if kind == "CLIPModel":
        config = transformers.CLIPConfig(text_config=CLIP, vision_config=VISION, projection_dim=8)
    else:
        config = transformers.CLIPTextConfig(**CLIP) if kind.startswith("CLIP") else transformers.T5Config(**T5)
    model = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    model.save_pretrained(path)
    _tokenizer(kind.startswith("CLIP")).save(str(path / "tokenizer.json"))
    return str(path), model


def _tokenizer(begins: bool) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    begin = "[BOS] " if begins else ""
    made.post_processor = processors.TemplateProcessing(single=f"{begin}$A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 3)])
    return made
