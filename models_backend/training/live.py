"""Settings changed while a run goes on, kept by step, so that a resumed or replayed run changes at the same steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.fields import FieldError, FieldSpec, Problem, check, describe
from models_backend.contract.settings import TrainingSettings
from models_backend.library import storage


class Change(msgspec.Struct):
    """From ``step`` on, these settings hold."""

    step: int
    values: dict[str, Any]


class Changes(msgspec.Struct):
    """``derived/live.json``."""

    changes: list[Change] = []


def fields() -> dict[str, FieldSpec]:
    """The training settings that may change while a run goes on."""
    return {f.name: f for f in describe(TrainingSettings).fields if f.live}


def validated(values: dict[str, Any]) -> dict[str, Any]:
    """The values if they may change live. Raises FieldError with every problem."""
    known = fields()
    problems = [Problem(k, v, "one of " + ", ".join(known)) for k, v in values.items() if k not in known]
    problems += [p for k, v in values.items() if k in known for p in check(known[k], v)]
    if problems:
        raise FieldError(problems)
    return {k: float(v) if known[k].kind == "float" else v for k, v in values.items()}


class LiveSettings:
    """The training settings as they stand at a step."""

    def __init__(self, settings: TrainingSettings, path: Path):
        self._path, self._first = path, settings
        self._changes = storage.read_json(path, Changes).changes if path.exists() else []
        self.settings = settings

    def enter(self, step: int) -> None:
        """Applies every change made at ``step`` or before."""
        if self._changes:
            self.settings = self._first
            for change in self._changes:
                if change.step <= step:
                    self.settings = msgspec.structs.replace(self.settings, **change.values)

    def change(self, step: int, values: dict[str, Any]) -> str:
        """From ``step`` on; kept on disk before it takes effect. What changed, in words."""
        values = validated(values)
        told = ", ".join(f"{_words(k)} {_shown(getattr(self.settings, k))} → {_shown(v)}" for k, v in values.items())
        changes = [*self._changes, Change(step, values)]
        storage.write_json(self._path, Changes(changes))
        self._changes = changes
        self.enter(step)
        return told


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
