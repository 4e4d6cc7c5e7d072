"""A run's weights as one safetensors file: the tensors of its networks, each name preceded by its network's.

The format (8-byte length, JSON header, tensors) is merged as bytes, so every dtype passes through and no framework is loaded.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import CheckpointLayout, RunRecord, SampleRecord
from models_backend.library import provenance, storage

_PIECE = 16 << 20


def network_files(checkpoint: CheckpointLayout) -> dict[str, Path]:
    """Network name -> its file; averaged weights where they are kept, as sampling uses them."""
    names = [p.stem for p in sorted(checkpoint.root.glob("*.safetensors")) if p != checkpoint.optimiser]
    plain = [name for name in names if not name.startswith("ema-")]
    return {name: checkpoint.ema(name) if f"ema-{name}" in names else checkpoint.network(name) for name in plain}


def write_weights(path: Path, checkpoint: CheckpointLayout, run: RunRecord, strip: bool) -> Path:
    """Writes the weights of a checkpoint. Without ``strip`` the header says of which run they are and how it was made."""
    files = network_files(checkpoint)
    if not files:
        raise TroubleError("the checkpoint holds no weights", checkpoint.name)
    metadata = {"format": "pt"} if strip else {"format": "pt", **_origin(checkpoint, run)}
    header: dict[str, Any] = {"__metadata__": metadata}
    parts, at = [], 0
    for name, file in files.items():
        start, tensors, size = read_header(file)
        for key, tensor in tensors.items():
            offsets = [at + offset for offset in tensor["data_offsets"]]
            header[f"{name}.{key}"] = {**tensor, "data_offsets": offsets}
        parts.append((file, start, size))
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with storage.open_new(path) as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for part in parts:
            for piece in _pieces(*part):
                out.write(piece)
    return path


def read_header(path: Path) -> tuple[int, dict[str, Any], int]:
    """(where the tensors begin, tensors by name, their bytes in all) of a safetensors file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(size, 100 << 20):
            raise TroubleError("it is not a safetensors file", path.name)
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return 8 + length, header, size - 8 - length


def _pieces(path: Path, start: int, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while size > 0 and (piece := file.read(min(_PIECE, size))):
            size -= len(piece)
            yield piece


def _origin(checkpoint: CheckpointLayout, run: RunRecord) -> dict[str, str]:
    """The run as a record that a dropped file brings back, and its settings."""
    record = SampleRecord(
        f"weights-{run.id}", run.title, run.id, run.family, checkpoint.name, run.spec.modality, 0,
        int(run.training.get("seed", 0)), run.sampling, {}, run.created, kind="weights", dataset=run.dataset,
    )  # fmt: skip
    settings = {
        "family": run.family, "config": run.config, "training": run.training, "data": run.data, "preset": run.preset,
        "spec": msgspec.to_builtins(run.spec),
    }  # fmt: skip
    return {"nexus-studio": provenance.marker(record), "settings": json.dumps(settings)}
