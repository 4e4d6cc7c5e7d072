"""Answers to the requests that need a model: the same for the warm interactive worker and for a run in training."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.family import LoadedRun
from models_backend.contract.messages import (
    Budget,
    Decode,
    Describe,
    Evaluate,
    Export,
    LatentMap,
    Progress,
    ProveResume,
    Sample,
    Trouble,
    TroubleError,
    VectorField,
)
from models_backend.contract.trace import Stopped
from models_backend.library import storage
from models_backend.library.library import Library

from .inbox import Pending
from .troubles import out_of_memory, trouble_of

KEEP = 3  # runs kept in memory by the interactive worker
log = logging.getLogger(__name__)


class LoadedRuns:
    """Runs brought into memory from their checkpoints; the ones used last stay. ``families`` is asked when first needed."""

    def __init__(self, library: Library, families: Callable[[], dict[str, Any]], device: str, keep: int = KEEP):
        self._library, self._families, self._device, self._keep = library, families, device, keep
        self._loaded: OrderedDict[tuple[str, str], LoadedRun] = OrderedDict()

    def get(self, run: str, checkpoint: str = "") -> LoadedRun:
        """The run with EMA weights, in eval mode. Raises TroubleError for a missing run or a damaged checkpoint."""
        from models_backend.sampling.loading import load_run

        key = (run, checkpoint or self._newest(run))
        if key not in self._loaded:
            self._loaded[key] = load_run(self._library, run, self._families(), checkpoint=checkpoint, device=self._device)
        self._loaded.move_to_end(key)
        while len(self._loaded) > self._keep:
            self._loaded.popitem(last=False)
        return self._loaded[key]

    def _newest(self, run: str) -> str:
        """The name of the newest checkpoint, unverified: loading reads every byte, looking must not."""
        return next((layout.name for layout in self._library.run(run).checkpoints()), "")


class Answers:
    """``load(run, checkpoint)`` brings a run into memory; ``answer`` settles one call and never raises."""

    def __init__(
        self, library: Library, families: Callable[[], dict[str, Any]], load: Callable[[str, str], LoadedRun], device: str
    ):
        self._library, self._families, self._load, self._device = library, families, load, device
        self._told: set[tuple[str, str]] = set()
        self._open_data: tuple[Any, Any] = (None, None)
        self._by_request: dict[type, Callable[[Any, Pending], Any]] = {
            Describe: self._describe,
            Sample: self._sample,
            VectorField: self._vector_field,
            LatentMap: self._latent_map,
            Decode: self._decode,
            Budget: self._budget,
            Evaluate: self._evaluate,
            ProveResume: self._prove_resume,
            Export: self._export,
        }

    def answer(self, pending: Pending) -> None:
        """Computes and sends the answer, or what went wrong in plain words."""
        if pending.cancelled():
            pending.abandon()
            return
        try:
            value = self._value(pending)
        except Stopped:
            pending.abandon()
        except Exception as error:
            self._refuse(pending, error)
        else:
            pending.abandon() if pending.cancelled() else pending.reply(value)

    def _value(self, pending: Pending) -> Any:
        act = self._by_request.get(type(pending.request))
        if act is None:
            raise TroubleError(f"this worker does not answer {type(pending.request).__name__}")
        return act(pending.request, pending)

    def _refuse(self, pending: Pending, error: Exception) -> None:
        item = getattr(pending.request, "run", "") or getattr(pending.request, "source", "")
        log.error("%s failed", type(pending.request).__name__, exc_info=error)
        if out_of_memory(error):
            free_memory()
        pending.fail(trouble_of(error, item), False)

    # ------------------------------------------------------------------------------------------ one a request

    def _loaded(self, request: Any, pending: Pending) -> LoadedRun:
        """The run that is asked, in memory; a damaged checkpoint is told once."""
        loaded = self._load(request.run, request.checkpoint)
        self._tell_damage(loaded.note, request.run, pending)
        return loaded

    def _tell_damage(self, note: str, run: str, pending: Pending) -> None:
        if note and (run, note) not in self._told:
            self._told.add((run, note))
            pending.tell(Trouble(note, self._library.run(run).record().title))

    def _describe(self, request: Describe, pending: Pending) -> Any:
        from .registry import descriptions

        return descriptions()

    def _sample(self, request: Sample, pending: Pending) -> Any:
        from models_backend.sampling.draw import draw

        loaded = self._opened(request, pending)
        media, _ = draw(loaded, request, self._library, telling(pending), pending.cancelled)
        return media

    def _vector_field(self, request: VectorField, pending: Pending) -> Any:
        from models_backend.latentspace.maps import vector_field

        return vector_field(self._opened(request, pending), request)

    def _latent_map(self, request: LatentMap, pending: Pending) -> Any:
        from models_backend.latentspace.maps import make_map

        loaded, data = self._opened(request, pending), self._data(request.run)
        return make_map(self._library, loaded, data, request, telling(pending))

    def _decode(self, request: Decode, pending: Pending) -> Any:
        from models_backend.latentspace.maps import decode_places

        loaded, data = self._opened(request, pending), self._data(request.run)
        return decode_places(self._library, loaded, data, request, telling(pending))

    def _budget(self, request: Budget, pending: Pending) -> Any:
        from models_backend.training.budget import measure

        return measure(self._library, request, self._families(), self._device)

    def _evaluate(self, request: Evaluate, pending: Pending) -> Any:
        from models_backend.evaluation.evaluate import evaluate, history_of
        from models_backend.sampling.draw import draw

        run, loaded = self._library.run(request.run), self._opened(request, pending)

        def made(
            count: int, seed: int, sampling: dict[str, Any], trace: int = 0, conditions: dict[str, Any] | None = None
        ) -> tuple[Any, Any]:
            wanted = Sample(request.run, count, seed, sampling, conditions or {}, request.checkpoint, trace=trace, save=False)
            media, items = draw(loaded, wanted, self._library, telling(pending), pending.cancelled)
            return items, media.trace

        history = history_of(run.events())
        figures = evaluate(
            self._library, loaded, self._data(request.run), request.count, request.seed, request.sampling, made, history,
            telling(pending), request.features,
        )  # fmt: skip
        storage.write_json(run.layout.evaluation, {"figures": figures, "step": loaded.step, **msgspec.to_builtins(request)})
        return figures

    def _prove_resume(self, request: ProveResume, pending: Pending) -> Any:
        from models_backend.training.replay import prove_resume

        return msgspec.to_builtins(
            prove_resume(self._library, request.run, self._families(), request.steps, self._device, telling(pending))
        )

    def _export(self, request: Export, pending: Pending) -> Any:
        from models_backend.media.export import export

        tell = telling(pending)
        tell(Progress(0, 0, "reading"))
        return [str(Path(path)) for path in export(self._library, request, tell)]

    def _opened(self, request: Any, pending: Pending) -> LoadedRun:
        telling(pending)(Progress(0, 0, "loading the run"))
        return self._loaded(request, pending)

    def _data(self, run: str) -> Any:
        """The data as the run knows them, kept open between requests for the same run."""
        from models_backend.data.reading import open_known

        if self._open_data[0] != run:
            self._open_data = (run, open_known(self._library, self._library.run(run).record()))
        return self._open_data[1]


def telling(pending: Pending) -> Callable[[Any], None]:
    """Tells how far an answer is, and leaves it (Stopped) where nobody waits any longer: work that tells can be stopped."""

    def tell(body: Any) -> None:
        if pending.cancelled():
            raise Stopped
        pending.tell(body)

    return tell


def free_memory() -> None:
    """Gives back what torch's allocator holds unused."""
    import gc
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
