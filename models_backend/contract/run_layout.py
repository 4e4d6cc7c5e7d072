"""Where everything lies in a library, and the records kept there. Paths and plain data only: no I/O.

LIBRARY/
  library.json   owner.lock   index.sqlite   backups/
  datasets/<id>/   dataset.json  items.jsonl  report.json  edits.json  turn.lock  cache/<name>.npy + .json
  runs/<id>/       run.json  data.json (edits of the data that it knows)  events.jsonl  worker.lock  turn.lock  socket  log.txt
                   checkpoints/step-000001000/  <network>.safetensors  ema-<network>.safetensors  ema-<0 or 1>-<network>...
                                                optimiser.safetensors  state.json  manifest.json (last)
                   previews/step-000001000.npz   derived/   proof.json  evaluation.json
  samples/<id>/    sample.json  items.npz  trace.npz  turn.lock
  jobs/<id>.json   studies/<id>.json   trash/<id>/ (entry.json + what was moved)   cache/families.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from .family import Attribute, DataSpec
from .grids import GridCell
from .trace import TraceInfo

FORMAT = 1


class LibraryLayout:
    """Paths of a library at ``root``."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self.record = self.root / "library.json"
        self.owner_lock = self.root / "owner.lock"
        self.index = self.root / "index.sqlite"
        self.backups = self.root / "backups"
        self.datasets = self.root / "datasets"
        self.runs = self.root / "runs"
        self.samples = self.root / "samples"
        self.jobs = self.root / "jobs"
        self.studies = self.root / "studies"
        self.trash = self.root / "trash"
        self.cache = self.root / "cache"

    def run(self, run: str) -> RunLayout:
        return RunLayout(self.runs / run)

    def dataset(self, dataset: str) -> DatasetLayout:
        return DatasetLayout(self.datasets / dataset)

    def sample(self, sample: str) -> SampleLayout:
        return SampleLayout(self.samples / sample)

    def study(self, study: str) -> Path:
        return self.studies / f"{study}.json"


class RunLayout:
    """Paths of a run folder."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self.id = self.root.name
        self.record = self.root / "run.json"
        self.known = self.root / "data.json"
        self.events = self.root / "events.jsonl"
        self.worker_lock = self.root / "worker.lock"
        self.turn_lock = self.root / "turn.lock"
        self.socket = self.root / "socket"
        self.log = self.root / "log.txt"
        self.checkpoints = self.root / "checkpoints"
        self.previews = self.root / "previews"
        self.derived = self.root / "derived"
        self.proof = self.root / "proof.json"
        self.evaluation = self.root / "evaluation.json"

    def checkpoint(self, step: int) -> CheckpointLayout:
        return CheckpointLayout(self.checkpoints / f"step-{step:09d}")

    def preview(self, step: int) -> Path:
        return self.previews / f"step-{step:09d}.npz"


class CheckpointLayout:
    """Paths of a checkpoint folder; it is a checkpoint only once its manifest stands."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self.name = self.root.name
        self.state = self.root / "state.json"
        self.manifest = self.root / "manifest.json"
        self.optimiser = self.root / "optimiser.safetensors"

    @property
    def step(self) -> int:
        """The step that its name tells."""
        return int(self.name.removeprefix("step-"))

    def network(self, name: str) -> Path:
        return self.root / f"{name}.safetensors"

    def ema(self, name: str) -> Path:
        return self.root / f"ema-{name}.safetensors"

    def wide(self, name: str, place: int) -> Path:
        return self.root / f"ema-{place}-{name}.safetensors"


class DatasetLayout:
    """Paths of a data set folder."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self.record = self.root / "dataset.json"
        self.items = self.root / "items.jsonl"
        self.report = self.root / "report.json"
        self.edits = self.root / "edits.json"
        self.unchanged = self.root / "unchanged.json"
        self.turn_lock = self.root / "turn.lock"
        self.cache = self.root / "cache"


class SampleLayout:
    """Paths of a sample folder."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self.record = self.root / "sample.json"
        self.items = self.root / "items.npz"
        self.trace = self.root / "trace.npz"
        self.turn_lock = self.root / "turn.lock"


# ------------------------------------------------------------------------------------------------ records


class Extension(msgspec.Struct, frozen=True):
    """From step ``at`` on a run takes ``steps`` in all. ``restart``: warm-up and decay of the learning rate begin anew there;
    else the decay is laid over the new length. ``time``: when that was asked for."""

    at: int
    steps: int
    restart: bool = False
    time: float = 0.0


class RunRecord(msgspec.Struct):
    """``run.json``: everything needed to make the run again. Written once; only ``title``, ``starred`` and ``tags`` change, and
    ``extended`` grows where a run is trained further."""

    id: str
    title: str
    family: str
    dataset: str
    preset: str
    config: dict[str, Any]
    training: dict[str, Any]
    sampling: dict[str, Any]
    data: dict[str, Any]
    spec: DataSpec
    created: float
    parts: dict[str, str] = {}
    format: int = FORMAT
    versions: dict[str, str] = {}
    starred: bool = False
    tags: tuple[str, ...] = ()
    extended: tuple[Extension, ...] = ()

    @property
    def steps(self) -> int:
        """Steps that the run takes in all."""
        return self.extended[-1].steps if self.extended else int(self.training.get("steps", 0))


def step_of(checkpoint: str) -> int | None:
    """The step that the name of a checkpoint says; None where it says none, or more than that."""
    step = checkpoint.removeprefix("step-")
    return int(step) if step.isdigit() else None


class CheckpointState(msgspec.Struct):
    """``state.json`` of a checkpoint. ``counters``: skipped steps, items seen, and the like."""

    step: int
    seed: int
    config_hash: str
    data_fingerprint: str
    threads: int
    precision: str
    counters: dict[str, float] = {}
    format: int = FORMAT


class ManifestEntry(msgspec.Struct):
    """One file of a manifest."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct):
    """``manifest.json``, written last: the checkpoint is whole."""

    files: tuple[ManifestEntry, ...]
    format: int = FORMAT


#: The split of an item that the user left out: it is neither trained on nor held out.
LEFT_OUT = "left out"


class Item(msgspec.Struct, omit_defaults=True):
    """A line of ``items.jsonl``. ``source``: path as imported ("archive.zip!/a/b.png" inside archives), ``also``: others of the
    same content; ``split``: "train" or "validation", LEFT_OUT where an edit took it out of both; ``given``: what the user's
    folders or tables say, "train", "validation" or "test" (both are held out), or ""; ``duplicate_of``: position of the first
    item of its group, or -1; ``exact``: it is a byte or pixel copy rather than a look-alike. ``width`` and ``height`` after
    rotation. ``attributes``: as the record names them, None where nobody said; empty where nothing is known."""

    source: str
    sha256: str = ""
    label: int = -1
    caption: str = ""
    width: int = 0
    height: int = 0
    split: str = "train"
    duplicate_of: int = -1
    exact: bool = False
    attributes: tuple[float | None, ...] = ()
    given: str = ""
    also: tuple[str, ...] = ()


class Unreadable(msgspec.Struct):
    """A file that was not imported: which, a short code of the reason, and the reason in words."""

    source: str
    code: str
    reason: str


class DoctorReport(msgspec.Struct):
    """``report.json``: what the doctor found on import. ``split_note``: whose split it is, or why it is not as usual.
    ``newer``: what sets it apart from what was imported from the same folder before."""

    found: int
    imported: int
    unreadable: tuple[Unreadable, ...] = ()
    ignored: tuple[Unreadable, ...] = ()
    exact_duplicates: int = 0
    near_duplicates: int = 0
    sizes: dict[str, int] = {}
    labels: dict[str, int] = {}
    captioned: int = 0
    train: int = 0
    validation: int = 0
    grey: int = 0
    alpha: int = 0
    notes: tuple[str, ...] = ()
    took_s: float = 0.0
    split_note: str = ""
    left_out: int = 0
    newer: str = ""


class DatasetRecord(msgspec.Struct):
    """``dataset.json``. ``id``: the first 16 hex digits of the fingerprint (sha256 over items' content hashes, labels and
    attributes, in order). ``builtin``: the name of a built-in data set and its options, else "". ``roots``: what was imported,
    ``also``: what held the same items. ``side``: nine in ten pictures are at least so wide and high (0: it was not noted).
    ``count``: every item that was imported, also those that edits have ``left_out``; ``settings``: data settings of edits."""

    id: str
    title: str
    modality: str
    fingerprint: str
    count: int
    classes: tuple[str, ...] = ()
    captioned: bool = False
    channels: int = 3
    builtin: str = ""
    options: dict[str, Any] = {}
    roots: tuple[str, ...] = ()
    created: float = 0.0
    shape: tuple[int, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    format: int = FORMAT
    side: int = 0
    left_out: int = 0
    settings: dict[str, Any] = {}
    also: tuple[tuple[str, ...], ...] = ()

    @property
    def kept(self) -> int:
        """The items that are not left out."""
        return self.count - self.left_out


class SampleRecord(msgspec.Struct):
    """``sample.json``, and the JSON metadata in every exported media file: enough to make it again. ``preview``: it was asked
    for while its run was watched, and stands among the run's previews. ``grid``: its place, where it is a cell of one."""

    id: str
    title: str
    run: str
    family: str
    checkpoint: str
    modality: str
    count: int
    seed: int
    sampling: dict[str, Any]
    conditions: dict[str, Any]
    created: float
    kind: str = "sample"
    dataset: str = ""
    trace: TraceInfo | None = None
    start: dict[str, Any] | None = None
    path: dict[str, Any] | None = None
    items_sha256: str = ""
    threads: int = 0
    weights_sha256: str = ""
    starred: bool = False
    tags: tuple[str, ...] = ()
    preview: bool = False
    grid: GridCell | None = None
    format: int = FORMAT

    @property
    def step(self) -> int | None:
        """The step of the run that it was made at; None where its checkpoint's name says none."""
        return step_of(self.checkpoint)


class JobRecord(msgspec.Struct):
    """``jobs/<id>.json``: one entry of the queue. Waits for ``after`` (run ids) and for ``device``."""

    id: str
    kind: str
    title: str
    run: str
    created: float
    order: float
    after: tuple[str, ...] = ()
    device: str = "cpu"
    state: str = "queued"
    reason: str = ""
    held: bool = False


class StudySide(msgspec.Struct):
    """One of those that a study compares: a run, or one sample of a run. ``id`` is its own, ``title`` as it was then."""

    id: str
    kind: Literal["run", "sample"]
    title: str


class StudyItem(msgspec.Struct):
    """What is shown of a side (its position in ``sides``): an item of a sample, the whole sample with -1 (points)."""

    side: int
    sample: str
    item: int
    caption: str = ""


class StudyPair(msgspec.Struct):
    """Two items as they stand on the screen. ``by``: what they have in common."""

    left: StudyItem
    right: StudyItem
    by: Literal["condition and seed", "condition", "seed", "chance"]


class StudyAnswer(msgspec.Struct):
    """What was preferred of a pair (its position in ``pairs``)."""

    pair: int
    choice: Literal["left", "right", "tie"]
    time: float


class StudyRecord(msgspec.Struct):
    """``studies/<id>.json``: a blind preference study. Pairs are fixed at the start, answers come one by one; once
    ``ended`` (seconds since 1970) names have been seen and no answer is taken any more."""

    id: str
    title: str
    created: float
    modality: str
    seed: int
    sides: tuple[StudySide, ...]
    pairs: tuple[StudyPair, ...]
    answers: tuple[StudyAnswer, ...] = ()
    ended: float = 0.0
    format: int = FORMAT


class TrashEntry(msgspec.Struct):
    """``trash/<id>/entry.json``: what was deleted and where it was (relative to the library)."""

    id: str
    kind: str
    title: str
    path: str
    deleted: float
