"""Answers to the requests that need a model: the same for the warm interactive worker and for a run in training."""

from __future__ import annotations

import logging
import time
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
from models_backend.contract.pace import Pace
from models_backend.contract.trace import Stopped
from models_backend.library import storage
from models_backend.library.library import Library
from models_backend.library.trouble import explained

from .inbox import Pending
from .troubles import out_of_memory, trouble_of

KEEP = 3  # runs kept in memory by the interactive worker
log = logging.getLogger(__name__)


class LoadedRuns:
    """Runs brought into memory from their checkpoints; the ones used last stay. ``families`` is asked when first needed."""

    def __init__(self, library: Library, families: Callable[[], dict[str, Any]], device: str, keep: int = KEEP):
        self._library, self._families, self._device, self._keep = library, families, device, keep
        self._loaded: OrderedDict[tuple[str, str, str], LoadedRun] = OrderedDict()

    def get(self, run: str, checkpoint: str = "") -> LoadedRun:
        """The run with EMA weights, in eval mode. Raises TroubleError for a missing run or a damaged checkpoint."""
        from models_backend.networks.averaging import split
        from models_backend.sampling.loading import load_run

        named, _ = split(checkpoint)
        key = (run, checkpoint, "" if named else self._newest(run))
        if key not in self._loaded:
            self._loaded[key] = load_run(self._library, run, self._families(), checkpoint=checkpoint, device=self._device)
        self._loaded.move_to_end(key)
        while len(self._loaded) > self._keep:
            self._loaded.popitem(last=False)
        return self._loaded[key]

    def _newest(self, run: str) -> str:
        """The name of the newest checkpoint, unverified: loading reads every byte, looking must not."""
        return next((layout.name for layout in self._library.run(run).checkpoints(weights_only=True)), "")


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

        loaded, data = self._opened(request, pending), self._data(request.run, pending)
        return make_map(self._library, loaded, data, request, telling(pending))

    def _decode(self, request: Decode, pending: Pending) -> Any:
        from models_backend.latentspace.maps import decode_places

        loaded, data = self._opened(request, pending), self._data(request.run, pending)
        return decode_places(self._library, loaded, data, request, telling(pending))

    def _budget(self, request: Budget, pending: Pending) -> Any:
        from models_backend.training.budget import measure

        return measure(self._library, request, self._families(), self._device, telling(pending))

    def _evaluate(self, request: Evaluate, pending: Pending) -> Any:
        from models_backend.evaluation.evaluate import evaluate, judged_by
        from models_backend.sampling.draw import draw
        from models_backend.training import previews

        run, loaded, data = self._library.run(request.run), self._opened(request, pending), self._data(request.run, pending)
        record = run.record()

        def made(
            count: int, seed: int, sampling: dict[str, Any], trace: int = 0, conditions: dict[str, Any] | None = None
        ) -> tuple[Any, Any]:
            wanted = Sample(request.run, count, seed, sampling, conditions or {}, request.checkpoint, trace=trace, save=False)
            media, items = draw(loaded, wanted, self._library, telling(pending), pending.cancelled)
            return items, media.trace

        said: dict[str, str] = {}

        def judged(told: Any) -> Any:
            seen = previews.look(loaded, record, data, _stopping(pending))
            health = judged_by(record, loaded.family, run.events(), loaded.step, seen)(told)
            said.update({line.monitor: line.text for line in health.lines})
            return health

        figures = evaluate(
            self._library, loaded, data, request.count, request.seed, request.sampling, made, judged, telling(pending),
            request.features,
        )  # fmt: skip
        kept = {"figures": figures, "health": said, "step": loaded.step, **msgspec.to_builtins(request)}
        try:
            with explained("the figures cannot be kept with the run", record.title, "They are told all the same"):
                storage.write_json(run.layout.evaluation, kept)
        except TroubleError as error:
            pending.tell(error.trouble)
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

    def _data(self, run: str, pending: Pending) -> Any:
        """The data as the run knows them, kept open between requests for the same run."""
        from models_backend.data.reading import open_known

        if self._open_data[0] != run:
            telling(pending)(Progress(0, 0, "opening the data"))
            self._open_data = (run, open_known(self._library, self._library.run(run).record()))
        return self._open_data[1]


def _stopping(pending: Pending) -> Callable[[], None]:
    """Leaves an answer (Stopped) where nobody waits any longer."""

    def check() -> None:
        if pending.cancelled():
            raise Stopped

    return check


def telling(pending: Pending) -> Callable[[Any], None]:
    """Tells how far an answer is and what is left, and leaves it (Stopped) where nobody waits any longer: work that tells can
    be stopped."""

    check = _stopping(pending)
    paces: dict[tuple[str, int], Pace] = {}

    def tell(body: Any) -> None:
        check()
        pending.tell(_estimated(body, paces) if isinstance(body, Progress) and body.total and not body.rate else body)

    return tell


def _estimated(told: Progress, paces: dict[tuple[str, int], Pace]) -> Progress:
    """A report with the rate of its stage so far and what is left, where the work itself tells none."""
    pace = paces.setdefault((told.what, told.total), Pace())
    pace.mark(time.monotonic(), told.done)
    return msgspec.structs.replace(
        told, rate=round(pace.rate, 2), left_s=told.left_s or round(pace.left_s(told.done, told.total), 1)
    )


def free_memory() -> None:
    """Gives back what torch's allocator holds unused."""
    import gc
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
