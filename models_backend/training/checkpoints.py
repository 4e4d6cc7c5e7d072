"""A trainer's whole state as the files of a checkpoint, and back, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
import torch
from torch import nn
from torch.optim import Optimizer

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import CheckpointLayout, CheckpointState, RunRecord
from models_backend.library import storage
from models_backend.networks import weights

from . import optimisers
from .ema import Average


def files_of(nets: Mapping[str, nn.Module], averages: Mapping[str, Average],
             steppers: Mapping[str, Optimizer]) -> dict[str, bytes]:  # fmt: skip
    """File name -> bytes: weights and buffers, averaged ones, and the optimisers' states."""
    files = {f"{name}.safetensors": weights.to_bytes(weights.tensors_of(net)) for name, net in nets.items()}
    for kind, average in averages.items():
        files |= {f"{kind}-{name}.safetensors": weights.to_bytes(weights.tensors_of(net)) for name, net in average.nets.items()}
    files["optimiser.safetensors"] = weights.to_bytes(optimisers.tensors_of(steppers, nets))
    return files


def restore(layout: CheckpointLayout, nets: Mapping[str, nn.Module], averages: Mapping[str, Average],
            steppers: Mapping[str, Optimizer]) -> CheckpointState:  # fmt: skip
    """Puts a checkpoint's state back in place; its ``state.json``."""
    item = f"{layout.root.parent.parent.name}/{layout.name}"
    for name, net in nets.items():
        weights.load_into(net, weights.read_tensors(layout.network(name)), item)
    for kind, average in averages.items():
        for name, net in average.nets.items():
            weights.load_into(net, weights.read_tensors(layout.network(f"{kind}-{name}")), item)
    optimisers.restore(steppers, nets, weights.read_tensors(layout.optimiser))
    return storage.read_json(layout.state, CheckpointState)


def config_hash(record: RunRecord, step: int) -> str:
    """What of a run's record decides its weights after ``step`` steps, as 16 hex digits."""
    decisive: tuple = (record.family, record.config, record.training, record.data, record.parts, record.spec.fingerprint)
    further = [(one.at, one.steps, one.restart) for one in record.extended if one.at < step]
    decisive += (further,) if further else ()
    return hashlib.sha256(msgspec.json.encode(decisive, order="sorted")).hexdigest()[:16]


def refuse_foreign(state: CheckpointState, record: RunRecord) -> None:
    """TroubleError where a checkpoint was made with other settings or other data than the run's record names."""
    if state.config_hash != config_hash(record, state.step):
        raise TroubleError("its checkpoint was made with other settings", record.title or record.id, "the checkpoint is kept",
                           "run.json was edited: put the old settings back, or make a new run")  # fmt: skip
    if state.data_fingerprint != record.spec.fingerprint:
        raise TroubleError("its checkpoint was made on other data", record.title or record.id, "the checkpoint is kept",
                           "make a new run on these data")  # fmt: skip


def finite(nets: Mapping[str, nn.Module]) -> bool:
    """Whether every weight and buffer is a number."""
    tensors = [t for net in nets.values() for t in (*net.parameters(), *net.buffers()) if t.is_floating_point()]
    return all(bool(torch.isfinite(t).all()) for t in tensors)


def parameters_of(nets: Mapping[str, nn.Module]) -> dict[str, int]:
    """Trained parameters of each network."""
    return {name: sum(p.numel() for p in net.parameters() if p.requires_grad) for name, net in nets.items()}


def bytes_of(nets: Mapping[str, nn.Module], averages: Mapping[str, Average], steppers: Mapping[str, Optimizer]) -> int:
    """Size of a checkpoint on disk, without writing it."""
    held = [t for net in nets.values() for t in net.state_dict().values()]
    held += [t for average in averages.values() for net in average.nets.values() for t in net.state_dict().values()]
    held += list(optimisers.tensors_of(steppers, nets).values())
    return sum(t.numel() * t.element_size() for t in held)
