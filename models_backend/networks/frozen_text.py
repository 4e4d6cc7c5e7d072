"""A CLIP or T5 in a transformers folder on this machine, as it is: never trained, read from its files only, and remembered."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import safetensors
import torch
from torch import Tensor, nn

from models_backend.conditions import text
from models_backend.contract.fields import Field
from models_backend.contract.messages import TroubleError

from .embeddings import weighed
from .weights import refuse_other_files

#: Prompts whose embeddings are remembered, beside those of the data's captions.
RECENT = 4096
#: A weight file is known by its size and so many pieces of so many bytes, spread over it; the first holds its header.
PIECES, PIECE = 16, 1 << 16


class FrozenText(msgspec.Struct, frozen=True, tag="frozen"):
    """A CLIP or T5 from a folder, as it is; captions are read once, before the first step."""

    title: ClassVar[str] = "CLIP or T5"
    #: Of a class's vector, where the data have no captions.
    width: ClassVar[int] = 64
    folder: Annotated[str, Field("Folder of transformers: config.json, tokenizer.json, safetensors", path="folder")] = ""
    length: Annotated[int, Field("Tokens of a caption that are read; of CLIP 77 at most", low=8, high=256)] = 77


class FrozenEncoder(nn.Module):
    """As ``TextEncoder``: tokens (B, L) of ``conditions.text`` -> (B, M, width), whether a token is one (B, M), their mean.

    M is the longest caption of the batch, or the longest that is read where ``filled``. It holds no weights: a checkpoint
    keeps who the folder was, and one that has changed is refused. TroubleError for a folder that is none."""

    def __init__(self, config: FrozenText, filled: bool = False):
        super().__init__()
        known = _config(config.folder)
        self.width, self.folder = known.hidden_size, config.folder
        self.most = min(config.length, getattr(known, "max_position_embeddings", config.length))
        self.length = self.most if filled else 0
        self.key = identity(config.folder)
        self.register_buffer("identity", torch.frombuffer(bytearray(self.key), dtype=torch.uint8))

    @property
    def reading(self) -> Reading:
        """The model in memory, one for all networks."""
        return _reading(self.folder, self.most, self.key)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = tokens.cpu().numpy()
        captions = [text.text(row) for row in rows]
        found = self.reading.embeddings(captions, tokens.device)
        length = self.length or max(len(one) for one in found)
        said, real = torch.zeros(len(rows), length, self.width), torch.zeros(len(rows), length)
        for i, one in enumerate(found):
            said[i, : len(one)], real[i, : len(one)] = torch.from_numpy(one), 1
        weights = text.split(rows)[1]
        if not self.training and (weights != 1).any():
            said = weighed(said, real, self._weights(captions, weights, length))
        said, real = said.to(tokens.device), real.to(tokens.device)
        return said, real.bool(), said.sum(1) / real.sum(1, keepdim=True)

    def _weights(self, captions: Sequence[str], of_bytes: np.ndarray, length: int) -> Tensor:
        """The weights (B, length) of the folder's tokens, each that of its last byte."""
        made = torch.ones(len(captions), length)
        for row, caption, weights in zip(made, captions, of_bytes, strict=True):
            ends = np.cumsum([len(letter.encode()) for letter in caption])
            for place, (start, end) in enumerate(self.reading.spans(caption)):
                row[place] = float(weights[ends[end - 1]]) if end > start else 1.0
        return made

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *more: Any) -> None:
        kept = state_dict.get(prefix + "identity")
        if kept is not None and kept.cpu().tolist() != list(self.key):
            raise TroubleError("the text encoder in this folder is not the one that the run was trained with", self.folder,
                               "the run is kept", "Put the folder's files back as they were")  # fmt: skip
        super()._load_from_state_dict(state_dict, prefix, *more)


class Reading:
    """A folder's model and tokenizer, loaded when they are first asked, and the embeddings (n, width) float32 that are known.

    A caption is read by itself, so that what is said of it does not depend on others."""

    def __init__(self, folder: str, most: int):
        self._folder, self._most, self._model = folder, most, None
        self._known: dict[str, np.ndarray] = {}
        self._recent: dict[str, np.ndarray] = {}

    def learn(self, known: Mapping[str, np.ndarray]) -> None:
        """Embeddings to keep; the model leaves the memory until another caption is asked."""
        self._known.update(known)
        self._model = None

    def embeddings(self, captions: Iterable[str], device: torch.device) -> list[np.ndarray]:
        """The embeddings of each caption."""
        return [self._remembered(caption, device) for caption in captions]

    def _remembered(self, caption: str, device: torch.device) -> np.ndarray:
        if caption in self._known:
            return self._known[caption]
        found = self._recent.pop(caption, None)
        self._recent[caption] = found = self.read(caption, device) if found is None else found
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return found

    @torch.no_grad()
    def read(self, caption: str, device: torch.device) -> np.ndarray:
        """The embeddings of a caption, by the model. TroubleError where its files do not belong together."""
        if self._model is None:
            self._model = _model(self._folder)
        model, ids = self._model.to(device), self._tokenized(caption)["input_ids"]
        if max(ids, default=0) >= model.config.vocab_size:
            raise TroubleError("tokenizer.json belongs to another model", self._folder, advice="Take both from one place")
        asked = torch.tensor([ids or [model.config.pad_token_id or 0]], device=device)
        with torch.autocast(device.type, enabled=False):
            return model(input_ids=asked).last_hidden_state[0].float().cpu().numpy()

    def is_cut(self, caption: str) -> bool:
        """Whether a caption has more tokens than are read."""
        return len(caption) > self._most // 2 and len(self._tokenizer(caption)["input_ids"]) > self._most

    def spans(self, caption: str) -> list[tuple[int, int]]:
        """From where to where in the caption each of its tokens reads; nothing for those that begin or end it."""
        return self._tokenized(caption)["offset_mapping"]

    def _tokenized(self, caption: str) -> Any:
        return self._tokenizer(caption, truncation=True, max_length=self._most, return_offsets_mapping=True)

    @functools.cached_property
    def _tokenizer(self) -> Any:
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast(tokenizer_file=str(Path(self._folder, "tokenizer.json")))


@functools.lru_cache(2)
def _reading(folder: str, most: int, key: bytes) -> Reading:
    return Reading(folder, most)


def frozen_in(nets: Mapping[str, nn.Module]) -> list[FrozenEncoder]:
    """Every frozen encoder inside of networks."""
    return [module for net in nets.values() for module in net.modules() if isinstance(module, FrozenEncoder)]


# ------------------------------------------------------------------------------------------------ the folder


def problems(config: Any) -> list[str]:
    """What forbids reading captions by a reader's config, with what would fix it."""
    try:
        if isinstance(config, FrozenText):
            _config(config.folder)
    except TroubleError as error:
        return [f"text: {error.trouble.what}; {error.trouble.advice}"]
    return []


def identity(folder: str) -> bytes:
    """sha256 of what decides the embeddings: the small files, and of each weight file its name, size and pieces of it."""
    sha, path = hashlib.sha256(), Path(folder)
    for name in ("config.json", "tokenizer.json"):
        sha.update((path / name).read_bytes())
    for weights in sorted(path.glob("*.safetensors")):
        size = weights.stat().st_size
        sha.update(f"{weights.name}:{size}".encode())
        with weights.open("rb") as file:
            for place in np.linspace(0, max(0, size - PIECE), PIECES).astype(int):
                file.seek(int(place))
                sha.update(file.read(PIECE))
    return sha.digest()


def _config(folder: str) -> Any:
    """transformers' config of the folder's text encoder. TroubleError for a folder that has none."""
    path, lost = Path(folder), "Choose a folder of transformers' CLIP or T5, or put it back where it was"
    if not folder:
        raise TroubleError("no folder of a text encoder is chosen", advice=lost)
    lacking = [name for name in ("config.json", "tokenizer.json", "*.safetensors") if not any(path.glob(name))]
    if lacking:
        raise TroubleError(f"the text encoder's folder {folder} has no {lacking[0]}", advice=lost)
    try:
        return _classes(path)[0].from_pretrained(folder, local_files_only=True)
    except (KeyError, ValueError, OSError) as error:
        raise TroubleError(f"{path / 'config.json'} tells of no CLIP or T5", advice=lost, detail=str(error)) from error


def _model(folder: str) -> nn.Module:
    """The folder's text encoder in full precision and eval mode. TroubleError where its files are damaged or not all there."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # of a whole CLIP it would list every weight that is left out; what is missing is told below
    logging.disable_progress_bar()
    again = "Fetch its files again"
    refuse_other_files(folder)
    try:
        made, told = _classes(Path(folder))[1].from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    except (KeyError, ValueError, OSError, RuntimeError, safetensors.SafetensorError) as error:
        raise TroubleError("the text encoder cannot be read", folder, advice=again, detail=str(error)) from error
    if told["missing_keys"]:
        raise TroubleError(f"the text encoder lacks {sorted(told['missing_keys'])[0]}", folder, advice=again)
    return made.eval().requires_grad_(False)


def _classes(path: Path) -> tuple[Any, Any]:
    """transformers' config and model for a folder; of a whole CLIP or T5 only what reads. KeyError for another model."""
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    clip, t5 = (CLIPTextConfig, CLIPTextModel), (T5Config, T5EncoderModel)
    kind = json.loads((path / "config.json").read_text(encoding="utf-8"))["model_type"]
    return {"clip": clip, "clip_text_model": clip, "t5": t5}[kind]
