"""Messages between the studio and its workers.

On the wire: a 4-byte big-endian length, then msgpack of one :class:`Call`, :class:`Reply`, :class:`Failure` or
:class:`Told`, never more than ``MESSAGE_LIMIT`` bytes. In ``events.jsonl``: one JSON :class:`Event` a line.
"""

from __future__ import annotations

from typing import Any, Literal, Union

import msgspec

from .exports import RATE
from .grids import GridCell
from .trace import TraceInfo

MESSAGE_LIMIT = 256 << 20
STREAM_LIMIT = 4 << 20

#: States of a run. "interrupted" is never written: it is a "running" or "paused" run whose worker is gone.
RUN_STATES = ("queued", "starting", "running", "paused", "stopped", "finished", "failed", "interrupted")
RunState = Literal["queued", "starting", "running", "paused", "stopped", "finished", "failed", "interrupted"]


class Array(msgspec.Struct):
    """An array on the wire: numpy's dtype name, its shape, and its bytes in C order."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


class Trouble(msgspec.Struct, tag="trouble"):
    """What went wrong, in plain words. ``item``: which file, run or field; ``kept``: what is safe; ``advice``: what
    to do next; ``detail``: a traceback, shown on demand; ``command``: the advice in the words of the command line, where it
    has its own."""

    what: str
    item: str = ""
    kept: str = ""
    advice: str = ""
    detail: str = ""
    command: str = ""

    def on_terminal(self) -> Trouble:
        """The same trouble, whose advice names the command that does it."""
        return msgspec.structs.replace(self, advice=self.command or self.advice)

    def __str__(self) -> str:
        first, *others = [f"{self.item}: {self.what}" if self.item else self.what, self.kept, self.advice]
        sentences = [first, *(other[0].upper() + other[1:] for other in others if other)]
        return " ".join(one if one.endswith("?") else f"{one.rstrip('.')}." for one in sentences).removesuffix(".")


class TroubleError(Exception):
    """An expected failure that carries its plain words."""

    def __init__(self, what: str, item: str = "", kept: str = "", advice: str = "", detail: str = "", command: str = ""):
        self.trouble = Trouble(what, item, kept, advice, detail, command)
        super().__init__(str(self.trouble))


# ------------------------------------------------------------------------------------------------ events


class State(msgspec.Struct, tag="state"):
    """The run entered a state."""

    state: RunState
    step: int = 0
    reason: str = ""


class Metrics(msgspec.Struct, tag="metrics"):
    """Figures at a step. Names: "loss", "loss/<network>", "validation", "rate" (items a second), "lr", "grad/<network>"."""

    step: int
    values: dict[str, float]


class Levels(msgspec.Struct, tag="levels"):
    """Mean loss in equal bins of noise level over [0, 1]; NaN where a bin is still empty."""

    step: int
    losses: list[float]


class Mark(msgspec.Struct, tag="mark"):
    """A change made while the run goes on, drawn as a dated line on the curve."""

    step: int
    text: str


class Preview(msgspec.Struct, tag="preview"):
    """A row of samples: an npz in the run folder with array "items" (N, *shape) uint8 (images) or float32 (points)."""

    step: int
    path: str
    count: int


class Saved(msgspec.Struct, tag="saved"):
    """A checkpoint is complete on disk. ``path`` is relative to the run folder."""

    step: int
    path: str


class Remedy(msgspec.Struct):
    """What one click would change: a new run's settings, or live settings of this one (``live``)."""

    text: str
    config: dict[str, Any] = {}
    training: dict[str, Any] = {}
    live: bool = False


class HealthLine(msgspec.Struct):
    """One monitor's word. ``level`` always comes with its text, never as colour alone."""

    monitor: str
    level: Literal["ok", "warn", "bad"]
    text: str
    remedy: Remedy | None = None


class Health(msgspec.Struct, tag="health"):
    """What all monitors of the run say at a step; ``series`` are arrays they draw (KL per dimension, for one). Losses of steps
    before ``since`` were weighed otherwise than now."""

    step: int
    lines: list[HealthLine]
    series: dict[str, list[float]] = {}
    since: int = 0


class Progress(msgspec.Struct, tag="progress"):
    """How far a long thing is. ``left_s`` is an estimate; 0 when there is none."""

    done: int
    total: int
    what: str = ""
    rate: float = 0.0
    left_s: float = 0.0


class Heartbeat(msgspec.Struct, tag="heartbeat"):
    """The worker lives; told every second, never written to the log. ``what``: what it does now in place of training steps
    (compiling, preparing, drawing a preview), ``for_s`` since when, ``left_s`` an estimate; 0 when there is none."""

    step: int = 0
    rss_mb: float = 0.0
    device_mb: float = 0.0
    what: str = ""
    for_s: float = 0.0
    left_s: float = 0.0


Body = Union[State, Metrics, Levels, Mark, Preview, Saved, Health, Progress, Heartbeat, Trouble]


class Event(msgspec.Struct):
    """One event of a run or job. ``seq`` counts from 1 without gaps in ``events.jsonl``; 0 for events not kept."""

    seq: int
    time: float
    source: str
    body: Body


# ------------------------------------------------------------------------------------------------ requests


class Describe(msgspec.Struct, tag="describe"):
    """All families -> list of FamilyDescription."""


class Attach(msgspec.Struct, tag="attach"):
    """Send every event after ``since``, then go on live."""

    since: int = 0


class Pause(msgspec.Struct, tag="pause"):
    """Hold after the current step, keeping the worker (it still answers Sample)."""


class Resume(msgspec.Struct, tag="resume"):
    """Go on after Pause."""


class Stop(msgspec.Struct, tag="stop"):
    """Save and end. ``after_step`` False: leave the step that is under way undone (stop now)."""

    after_step: bool = True


class SetLive(msgspec.Struct, tag="set_live"):
    """Change live training settings (fields declared ``live``); recorded as a Mark."""

    values: dict[str, Any]


class StartFrom(msgspec.Struct):
    """A recorded state to branch from: item ``item`` of step ``step`` of a sample's trace; ``item`` -1 takes all."""

    sample: str
    step: int
    item: int = -1


class Sample(msgspec.Struct, tag="sample"):
    """Make ``count`` items of a run. The n-th item depends on (seed, n) only, not on the batch.

    ``checkpoint``: a name in the run's folder, "" for the newest. ``trace``: how many of the items are recorded.
    ``save``: write a sample folder into the library. ``stamp``: live mode; a newer stamp makes an older one stale.
    ``preview``: asked for while the run is watched; kept, it stands among the run's previews. ``grid``: kept as a cell of one.
    """

    run: str
    count: int = 16
    seed: int = 0
    sampling: dict[str, Any] = {}
    conditions: dict[str, Any] = {}
    checkpoint: str = ""
    trace: int = 0
    start: StartFrom | None = None
    save: bool = True
    title: str = ""
    stamp: int = 0
    preview: bool = False
    grid: GridCell | None = None


class VectorField(msgspec.Struct, tag="vector_field"):
    """Points: the field of a run at each of ``times`` on an ``n`` x ``n`` grid over [low, high]^2.

    Answer: Arrays "field" (T, n, n, 2)."""

    run: str
    times: list[float]
    low: float = -3.0
    high: float = 3.0
    n: int = 20
    sampling: dict[str, Any] = {}
    checkpoint: str = ""


MAPPED = 2000


class LatentMap(msgspec.Struct, tag="latent_map"):
    """Encode up to ``limit`` items and lay them on a plane -> Arrays "xy" (N, 2), "index" (N,), "label" (N,), "explained" (2,),
    "kl" (L,) where the family tells it, and the checkpoint that was mapped."""

    run: str
    method: Literal["pca"] = "pca"
    limit: int = MAPPED
    checkpoint: str = ""


class Decode(msgspec.Struct, tag="decode"):
    """Decode places of the run's map -> Arrays "items" (N, *shape), "nearest" (N,) item positions, "distance" (N,), and "xy"
    (N, 2) where places are asked for.

    ``xy``: (N, 2) places on the plane; a place takes the rest of its latent from its nearest items. ``limit`` and
    ``checkpoint`` are those of the map that is meant: each map has a plane of its own. ``frames``: not the places themselves
    but so many along the line through them, evenly apart in the latent space.
    ``z``: (N, L) whole latents, used instead where given. ``save``: also write a sample folder (a path film), which keeps
    ``drawn``: (M, 2) the places that the path was drawn through."""

    run: str
    xy: list[list[float]] = []
    frames: int = 0
    z: list[list[float]] = []
    stamp: int = 0
    save: bool = False
    drawn: list[list[float]] = []
    title: str = ""
    sampling: dict[str, Any] = {}
    limit: int = MAPPED
    checkpoint: str = ""


class Budget(msgspec.Struct, tag="budget"):
    """Two real steps of a run that is not yet made -> BudgetReport."""

    family: str
    dataset: str
    config: dict[str, Any] = {}
    training: dict[str, Any] = {}
    data: dict[str, Any] = {}
    parts: dict[str, str] = {}


class Evaluate(msgspec.Struct, tag="evaluate"):
    """Measure a run on held-out data -> dict of measure -> float. ``features``: the folder of a pretrained vision model, for
    its measures beside the built-in ones."""

    run: str
    count: int = 1000
    seed: int = 0
    sampling: dict[str, Any] = {}
    checkpoint: str = ""
    features: str = ""


class ProveResume(msgspec.Struct, tag="prove_resume"):
    """Replay ``steps`` steps between two checkpoints of a run (0: as many as lie between them) and compare bitwise -> dict."""

    run: str
    steps: int = 0


class Export(msgspec.Struct, tag="export"):
    """Write a sample (or a run's weights) to ``path`` in ``format`` -> list of written paths.

    ``what``: "items" (one file each), "sheet" (contact sheet), "trace" (film of the trace), "path" (items as frames), "grid"
    (the whole grid that the sample is a cell of, with headings), "weights" (safetensors of a run). ``strip``: leave the
    metadata out. ``hold``: the last frame of what moves stays for a while, which repeats it in a film (mp4, webm); else it has
    one frame each. ``name``: what files of single items are named after in place of the source."""

    source: str
    path: str
    format: str
    what: Literal["items", "sheet", "trace", "path", "grid", "weights"] = "sheet"
    strip: bool = False
    fps: int = RATE
    hold: bool = False
    scale: int = 0
    items: list[int] = []
    name: str = ""


class Cancel(msgspec.Struct, tag="cancel"):
    """Give up the call with that id; it answers Failure "cancelled"."""

    call: int


Request = Union[
    Describe, Attach, Pause, Resume, Stop, SetLive, Sample, VectorField, LatentMap, Decode, Budget, Evaluate, ProveResume,
    Export, Cancel,
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ answers


class BudgetReport(msgspec.Struct):
    """What two real steps cost; ``memory_mb`` is all that the process takes on its device. ``fits`` is False when the device's
    memory would not hold the run."""

    device: str
    step_ms: float
    total_s: float
    memory_mb: float
    device_total_mb: float
    disk_mb: float
    disk_free_mb: float
    parameters: dict[str, int]
    fits: bool = True
    note: str = ""


class Media(msgspec.Struct):
    """Made items: uint8 (N, H, W, C) for images, float32 (N, D) for points. ``sample`` is the saved folder's id or "",
    ``checkpoint`` the one that the items were made from: the newest is told by its step."""

    items: Array
    modality: str
    sample: str = ""
    seeds: list[int] = []
    took_ms: float = 0.0
    trace: TraceInfo | None = None
    stamp: int = 0
    checkpoint: str = ""


class Arrays(msgspec.Struct):
    """Named arrays; what each is stands with the request."""

    arrays: dict[str, Array]
    note: str = ""
    checkpoint: str = ""


# ------------------------------------------------------------------------------------------------ envelopes


class Call(msgspec.Struct, tag="call"):
    """A request; ``id`` is the caller's own counter."""

    id: int
    request: Request


class Reply(msgspec.Struct, tag="reply"):
    """The answer to a call, as msgpack of the request's answer type."""

    id: int
    value: msgspec.Raw = msgspec.Raw(b"\xc0")


class Failure(msgspec.Struct, tag="failure"):
    """The call failed. ``stale``: a newer stamp overtook it."""

    id: int
    trouble: Trouble
    stale: bool = False


class Told(msgspec.Struct, tag="told"):
    """An event, pushed."""

    event: Event


Message = Union[Call, Reply, Failure, Told]
