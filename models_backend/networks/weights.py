"""Weights on disk and in memory: safetensors bytes from modules and back, bit for bit, and whole runs brought into memory.

Both the trainer (parts, resume) and sampling (finished runs) stand on this; neither knows the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import nn

from models_backend.contract.family import Family, LoadedRun
from models_backend.contract.fields import build
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import CheckpointLayout, CheckpointState, RunRecord
from models_backend.library import checkpoints, storage

from . import averaging, layout, precision

COPY_AGAIN = "Copy its files again; the weights must be safetensors"


def chosen_device(name: str = "auto") -> torch.device:
    """The device of a name; "auto" takes an accelerator where there is one. TroubleError for one that is not there."""
    if name in ("", "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TroubleError(
            "this device is not there", name, advice="Choose another device, or auto", detail=str(error)
        ) from error
    return device


def wait_for(device: torch.device) -> None:
    """Returns once a graphics card has done what it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def tensors_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """A module's state as separate contiguous tensors on the CPU; tied weights appear under each of their names."""
    state, seen = {}, set()
    for name, value in module.state_dict().items():
        tensor = value.detach().cpu().contiguous()
        key = (tensor.data_ptr(), tensor.numel())
        state[name] = tensor.clone() if tensor.numel() and key in seen else tensor
        seen.add(key)
    return state


def to_bytes(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Tensors as a safetensors file, exact in type and value."""
    return safetensors.torch.save(dict(tensors))


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. TroubleError where it is gone or damaged."""
    item = "/".join(path.parts[-3:])
    try:
        return read_bytes(path.read_bytes(), item)
    except OSError as error:
        raise TroubleError("the weights cannot be read", item, advice="Choose another checkpoint", detail=str(error)) from error


def read_bytes(data: bytes, item: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file's bytes. TroubleError (naming ``item``) where they are damaged."""
    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError) as error:
        raise TroubleError("the weights are damaged", item, advice="Choose another checkpoint", detail=str(error)) from error


def refuse_other_files(folder: str | Path) -> None:
    """TroubleError where an index in a folder of somebody's model names anything but safetensors beside it: who loads it by
    that index would unpickle the file, whatever is asked of him."""
    for index in sorted(Path(folder).glob("*.index.json")):
        try:
            named = set(msgspec.json.decode(index.read_bytes(), type=_Index).weight_map.values())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TroubleError(f"{index.name} cannot be read", str(folder), advice=COPY_AGAIN, detail=str(error)) from error
        foreign = sorted(name for name in named if not name.endswith(".safetensors") or name != Path(name).name)
        if foreign:
            what = f"{index.name} names {foreign[0]!r}, which is no safetensors file beside it"
            raise TroubleError(what, str(folder), "Nothing of it was loaded", COPY_AGAIN)


class _Index(msgspec.Struct):
    weight_map: dict[str, str] = {}


def load_into(module: nn.Module, tensors: Mapping[str, torch.Tensor], item: str) -> None:
    """Puts ``tensors`` into a module in place. TroubleError (naming ``item``) where they do not fit."""
    try:
        module.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise TroubleError(
            "these weights belong to another network", item, "the files are untouched",
            "the run was made by another version of this family, or its settings were edited", str(error),
        ) from error  # fmt: skip


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "std::bad_alloc")


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception tells that memory ran out, in any of torch's wordings."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _OUT_OF_MEMORY)


def digest(nets: Mapping[str, nn.Module]) -> str:
    """sha256 over the names, types and bytes of all weights and buffers."""
    sha = hashlib.sha256()
    for name in sorted(nets):
        for key, value in tensors_of(nets[name]).items():
            sha.update(f"{name}.{key}:{value.dtype}{tuple(value.shape)}".encode())
            sha.update(value.reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()


def make_family(record: RunRecord, families: Mapping[str, type[Family]], parts: dict[str, LoadedRun] | None = None) -> Family:
    """The family instance of a run. TroubleError where the family is not installed, FieldError for settings it has not."""
    if record.family not in families:
        raise TroubleError(f"the family {record.family!r} is not installed", record.title or record.id, "the run is kept",
                           "Put the family's file back")  # fmt: skip
    kind = families[record.family]
    return kind(build(kind.Config, record.config), record.spec, parts or {})


def load_parts(library: Any, record: RunRecord, families: Mapping[str, type[Family]], device: Any,
               above: tuple[str, ...] = ()) -> dict[str, LoadedRun]:  # fmt: skip
    """Every run that this one uses, in memory. TroubleError names the part that is missing or uses itself."""
    if record.id in above:
        raise TroubleError("this run is a part of itself", record.title or record.id)
    above = (*above, record.id)
    return {name: _part(library, run, record, families, device, above) for name, run in record.parts.items() if run}


def _part(library: Any, run: str, user: RunRecord, families: Mapping[str, type[Family]], device: Any,
          above: tuple[str, ...]) -> LoadedRun:  # fmt: skip
    """A run as the one that uses it knew it."""
    wanted, lost = as_it_was(library.run(run), user.created)
    part = load_run(library, run, families, wanted, device, above)
    if lost:
        part.note = "; ".join(filter(None, (f"{lost}; that of step {part.step:,} is used", part.note)))
    return part


def as_it_was(run: Any, when: float) -> tuple[str, str]:
    """The checkpoint at which a part had ended when a run was made with it; "" (the newest) where it was not trained further
    since, or where that one is lost, which is then said. A part that changes makes nonsense of what was learned with it."""
    record = run.record()
    later = [one.at for one in record.extended if one.time > when]
    kept = run.layout.checkpoint(later[0]) if later else None
    if kept is None:
        return "", ""
    reason = checkpoints.flaw(kept, weights_only=True)
    return (
        ("", f"what used {record.title or record.id} was made with its step {kept.step:,} ({reason})")
        if reason
        else (kept.name, "")
    )


def load_run(library: Any, run: str, families: Mapping[str, type[Family]], checkpoint: str = "", device: Any = "auto",
             above: tuple[str, ...] = ()) -> LoadedRun:  # fmt: skip
    """A run from its checkpoint (the newest good one without a name): averaged weights where it keeps them, eval mode. With
    "@width" after the name they are averaged to that width.

    Raises TroubleError for a run that is gone, a damaged or missing checkpoint, a missing family or part."""
    folder = library.run(run)
    record = folder.record()
    device = chosen_device(device) if isinstance(device, str) else device
    parts = load_parts(library, record, families, device, above)
    member = make_family(record, families, parts)
    name, width = averaging.split(checkpoint)
    kept, note = (folder.checkpoint(name), "") if name else folder.usable()
    nets = member.networks()
    state = storage.read_json(kept.state, CheckpointState)
    arithmetic = precision.for_sampling(state.precision, device)
    for name, net in nets.items():
        if width is None:
            _fill(net, kept, name)
        else:
            load_into(net, averaging.blended(kept, folder.checkpoints(), name, width), f"{record.id}/{kept.name}")
        layout.arrange(net.to(device).eval().requires_grad_(False), device)
    return LoadedRun(member, nets, member.config, record.spec, device, state.step, parts, arithmetic,
                     "; ".join(filter(None, (note, *(part.note for part in parts.values())))))  # fmt: skip


def _fill(net: nn.Module, kept: CheckpointLayout, name: str) -> None:
    averaged = kept.ema(name)
    path = averaged if averaged.exists() else kept.network(name)
    load_into(net, read_tensors(path), f"{kept.root.parent.parent.name}/{kept.name}/{path.name}")
