"""What a run told of itself in all: its newest losses, its health, and the time that it took."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import Health, Metrics, State, TroubleError

from . import checkpoints, guarding, storage
from .runs import RunFolder

#: A run that told nothing for longer before its next state was not in training: its worker had been killed.
QUIET_S = 60.0


class Standing(msgspec.Struct):
    """How a run stands. Each loss with the step at which it was told, ``lowest`` the lowest held-out one of those that were
    weighed as the newest (see Health); ``seconds``: in training, pauses and ends left out."""

    loss: tuple[int, float] | None = None
    held_out: tuple[int, float] | None = None
    lowest: tuple[int, float] | None = None
    health: Health | None = None
    seconds: float = 0.0


def standing(folder: RunFolder) -> Standing:
    """Read from the events of a run."""
    told, since, last = Standing(), None, 0.0
    held_out: list[tuple[int, float]] = []
    for event in folder.events():
        body = event.body
        if isinstance(body, State):
            told.seconds += min(event.time, last + QUIET_S) - since if since is not None else 0.0
            since = event.time if body.state == "running" else None
        elif isinstance(body, Metrics):
            _note(told, body, held_out)
        elif isinstance(body, Health):
            told.health = body
        last = event.time
    told.seconds += last - since if since is not None else 0.0
    weighed = told.health.since if told.health else 0
    told.lowest = min((one for one in held_out if one[0] >= weighed), key=lambda one: one[1], default=None)
    return told


def _note(told: Standing, body: Metrics, held_out: list[tuple[int, float]]) -> None:
    if "loss" in body.values:
        told.loss = (body.step, body.values["loss"])
    if "validation" in body.values:
        told.held_out = (body.step, body.values["validation"])
        held_out.append(told.held_out)


def parameters(folder: RunFolder) -> int:
    """Trained parameters: the elements in the newest checkpoint's network files (headers only are read); 0 without one."""
    files = [path for newest in folder.checkpoints()[:1] for path in sorted(newest.root.glob("*.safetensors"))]
    nets = [path for path in files if path.name not in checkpoints.FOR_TRAINING and not path.name.startswith("ema-")]
    try:
        return sum(_elements(path) for path in nets)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return 0


def _elements(path: Path) -> int:
    """The number of tensor elements in a safetensors file, from its header."""
    with guarding.reading(path) as file:
        length = int.from_bytes(file.read(8), "little")
        header = msgspec.json.decode(file.read(min(length, path.stat().st_size)))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def evaluation(folder: RunFolder) -> dict[str, Any]:
    """What was measured of a run last: figures, the step, and what was asked for; empty where nothing was, or it cannot be
    read."""
    if not folder.layout.evaluation.exists():
        return {}
    try:
        kept = storage.read_json(folder.layout.evaluation)
    except TroubleError:
        return {}
    return kept if isinstance(kept.get("figures"), dict) else {}
