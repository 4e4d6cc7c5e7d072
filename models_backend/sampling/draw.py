"""Making items of a run: in batches that fit the memory, with recorded traces, branches, and a sample folder at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import torch

from models_backend.conditions.values import Conditions
from models_backend.contract.family import LoadedRun
from models_backend.contract.fields import build, merged, plain
from models_backend.contract.messages import Body, Media, Progress, Sample, TroubleError
from models_backend.contract.pace import Pace
from models_backend.contract.run_layout import RunRecord, SampleRecord
from models_backend.contract.trace import Step, Stopped, TraceInfo
from models_backend.data import asked_pictures
from models_backend.library import titles
from models_backend.library.samples import SampleFolder
from models_backend.media.wire import as_array, on_the_wire
from models_backend.networks import at_hand, averaging, precision, weights

from . import parts, recording, seeds
from .branching import Branch, branch_of

TELL_S = 0.1
#: Values of one batch at most, before networks: 32 pictures of 32 x 32 x 3 on a CPU's caches, more where they are small.
BATCH_VALUES = {"cpu": 1 << 17, "cuda": 1 << 22}
LARGEST_BATCH = {"cpu": 16384, "cuda": 65536}


@dataclass
class Drawing:
    """A request made ready: settings built, conditions checked, the start of a branch found. ``drew_noise``: whether its
    sampler has drawn fresh noise."""

    loaded: LoadedRun
    request: Sample
    record: RunRecord
    sampling: Any
    conditions: Conditions
    branch: Branch | None
    count: int
    tell: Callable[[Body], None]
    cancelled: Callable[[], bool]
    recorders: list[recording.Recorder] = field(default_factory=list)
    drew_noise: bool = False
    told_at: float = 0.0
    began: float = 0.0
    pace: Pace = field(default_factory=Pace)


def draw(loaded: LoadedRun, request: Sample, library: Any, tell: Callable[[Body], None] = lambda body: None,
         cancelled: Callable[[], bool] = lambda: False) -> tuple[Media, np.ndarray]:  # fmt: skip
    """The answer to a Sample request, and its items: uint8 (N, H, W, C) for images, float32 (N, D) for points.

    Raises TroubleError and FieldError for what does not fit, Stopped once ``cancelled``."""
    drawing = prepared(loaded, request, library, tell, cancelled)
    items = _all_items(drawing)
    info, trace = _trace(drawing)
    shown = on_the_wire(items, loaded.spec)
    took_ms = 1000 * (time.monotonic() - drawing.began)
    saved = _save(drawing, shown, info, trace, library).id if request.save else ""
    kept, seeds = averaging.named(request.checkpoint, loaded.step), list(range(drawing.count))
    media = Media(as_array(shown), loaded.spec.modality, saved, seeds, took_ms, info, request.stamp, kept)
    return media, shown


def prepared(loaded: LoadedRun, request: Sample, library: Any, tell: Callable[[Body], None],
             cancelled: Callable[[], bool]) -> Drawing:  # fmt: skip
    """Everything checked before any time is spent."""
    at_hand.keep_in(library.layout.cache)
    record = library.run(request.run).record()
    branch = branch_of(request.start, library, loaded) if request.start else None
    count = len(branch.x) if branch else request.count
    if count < 1:
        raise TroubleError("at least one item must be asked for", "count")
    sampling = build(loaded.family.Sampling, merged(record.sampling, request.sampling))
    asked = asked_pictures.given(request.conditions, loaded.spec)
    given = Conditions(loaded.family, asked)
    return Drawing(loaded, request, record, sampling, given, branch, count, tell, cancelled, began=time.monotonic())


# ------------------------------------------------------------------------------------------------- batches


def _all_items(drawing: Drawing) -> torch.Tensor:
    """All items on the CPU; a batch that does not fit the memory is halved and tried again."""
    size, made, done = batch_size(drawing), [], 0
    while done < drawing.count:
        count = min(size, drawing.count - done)
        recorded = len(drawing.recorders)
        try:
            made.append(_batch(drawing, done, count))
        except (RuntimeError, MemoryError) as error:
            if not weights.out_of_memory(error) or count == 1:
                raise
            size = max(1, count // 2)
            del drawing.recorders[recorded:]
        else:
            done += count
    return torch.cat(made)


def batch_size(drawing: Drawing) -> int:
    """Items at once: what keeps the device busy without filling its memory."""
    kind = drawing.loaded.device.type
    each = int(np.prod(drawing.loaded.spec.shape))
    most = BATCH_VALUES.get(kind, BATCH_VALUES["cuda"]) // max(1, each)
    return int(np.clip(most, 1, LARGEST_BATCH.get(kind, LARGEST_BATCH["cuda"])))


def _batch(drawing: Drawing, first: int, count: int) -> torch.Tensor:
    """Items first .. first + count, float32 on the CPU."""

    def make(first: int, count: int, on_step: Callable[[Step], None]) -> torch.Tensor:
        return _made(drawing, first, count, on_step)

    recorded = min(count, max(0, drawing.request.trace - first))
    cut = 1 if recorded else _parts(drawing, first, count, make)
    return parts.drawn(first, count, cut, make, _listener(drawing, first, recorded))


def _parts(drawing: Drawing, first: int, count: int, make: parts.Make) -> int:
    """Into how many parts a batch is cut: items are each their own only where fresh noise is drawn for each."""
    loaded = drawing.loaded
    if loaded.device.type != "cpu" or loaded.family.trace != "denoise":
        return 1
    told = plain(loaded.config), plain(drawing.sampling), loaded.spec.shape, loaded.precision
    return parts.quickest(f"{drawing.record.family} {at_hand.signature(told)}", first, count, make)


@torch.inference_mode()
def _made(drawing: Drawing, first: int, count: int, on_step: Callable[[Step], None]) -> torch.Tensor:
    loaded, request = drawing.loaded, drawing.request
    noise, start = _start(drawing, first, count)
    given = drawing.conditions.batch(first, count, loaded.device)
    fresh = _generators(loaded, request.seed, first, count)
    before = _state(fresh) if drawing.recorders else None
    with precision.autocast(loaded.precision, loaded.device):
        items = loaded.family.sample(loaded.nets, noise, given, drawing.sampling, on_step, fresh, start)
    if before is not None and not torch.equal(before, _state(fresh)):
        drawing.drew_noise = True
    return items.float().cpu()


def _start(drawing: Drawing, first: int, count: int) -> tuple[torch.Tensor, float | None]:
    if drawing.branch:
        return drawing.branch.x[first : first + count].to(drawing.loaded.device), drawing.branch.time
    noise = seeds.noise(drawing.loaded.family.noise_shape(), drawing.request.seed, first, count)
    return noise.to(drawing.loaded.device), None


def _generators(loaded: LoadedRun, seed: int, first: int, count: int) -> Any:
    """One generator an item for samplers that draw fresh noise; one for all where a single pass needs it."""
    if loaded.family.trace == "denoise":
        return seeds.item_generators(seed, first, count)
    return torch.Generator(loaded.device).manual_seed(seeds.item_seed(seed, first))


def _state(generators: Any) -> torch.Tensor:
    """Where the stream of random numbers of the first item, or of all, stands."""
    return (generators[0] if isinstance(generators, list) else generators).get_state()


def _listener(drawing: Drawing, first: int, recorded: int) -> Callable[[Step, int], None]:
    """What the sampler tells at each step: the first ``recorded`` items kept, progress told, cancelling obeyed."""
    recorder = recording.Recorder(recorded, int(np.prod(drawing.loaded.spec.shape))) if recorded else None
    if recorder:
        drawing.recorders.append(recorder)

    def on_step(step: Step, of: int) -> None:
        if drawing.cancelled():
            raise Stopped
        if recorder:
            recorder.take(step)
        _tell_progress(drawing, first + of * step.index / max(1, step.total))

    return on_step


def _tell_progress(drawing: Drawing, done: float) -> None:
    now = time.monotonic()
    if now - drawing.told_at < TELL_S:
        return
    drawing.told_at = now
    drawing.pace.mark(now, done)
    left = drawing.pace.left_s(done, drawing.count)
    drawing.tell(Progress(int(done), drawing.count, "sampling", drawing.pace.rate, left))


# ------------------------------------------------------------------------------------------------- results


def _trace(drawing: Drawing) -> tuple[TraceInfo | None, dict[str, np.ndarray] | None]:
    if not drawing.recorders:
        return None, None
    return recording.joined(drawing.recorders, drawing.loaded.family.trace, drawing.loaded.spec.shape, drawing.drew_noise)


def _save(drawing: Drawing, items: np.ndarray, info: TraceInfo | None, trace: dict[str, np.ndarray] | None,
          library: Any) -> SampleFolder:  # fmt: skip
    loaded, request, run = drawing.loaded, drawing.request, drawing.record
    title = request.title or titles.of_sample(run.title or run.family, request.seed, request.conditions, loaded.spec.classes)
    record = SampleRecord(
        library.new_id(run.family), title, run.id, run.family, averaging.named(request.checkpoint, loaded.step),
        loaded.spec.modality, len(items), request.seed, plain(drawing.sampling), request.conditions, time.time(),
        dataset=run.dataset, trace=info, start=msgspec.to_builtins(request.start) if request.start else None,
        threads=torch.get_num_threads(), weights_sha256=weights.digest(loaded.nets), preview=request.preview,
        grid=request.grid,
    )  # fmt: skip
    return SampleFolder.create(library, record, items, trace)
