"""What dropped or chosen paths would do, told from their names before anything is read."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from models_backend.contract.exports import WEIGHT_FILES, WEIGHTS_ADVICE
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import SampleRecord
from models_backend.contract.words import counted
from models_backend.library import provenance, table_kinds

PICTURES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"}
ARCHIVES = {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".tbz2", ".txz"}
TABLES = {".csv", ".jsonl", ".txt", ".tsv"}
EXPORTED = {".png", ".gif", ".webp", ".apng", ".mp4", ".webm", ".safetensors", ".json", ".jpg"}
#: What the file dialog of an import shows at first, and everything (pictures without an ending are known by their content).
FILTERS = (
    "Pictures, archives, tables of points or pictures ("
    + " ".join(f"*{end}" for end in sorted({*PICTURES, *ARCHIVES, *table_kinds.TABLES, *table_kinds.ARRAYS})) + ")",
    "All files (*)",
)  # fmt: skip
_FILES = PICTURES | TABLES | EXPORTED
#: So many paths at most are looked into for a state: more of them are data.
LOOKED_INTO = 50


@dataclass(frozen=True)
class Outcome:
    """One thing that paths can become. ``why_not`` is the reason while it is not possible."""

    key: str  # "import" "captions" "state"
    title: str
    text: str
    icon: str
    why_not: str = ""


def _counted(paths: list[Path]) -> str:
    folders = sum(_is_folder(path) for path in paths)
    files = len(paths) - folders
    words = []
    if folders:
        words.append(counted(folders, "folder"))
    if files:
        words.append(counted(files, "file"))
    return " and ".join(words)


def _is_folder(path: Path) -> bool:
    """Asks the disk only where the name leaves it open: thousands of files may hang on a drag, maybe on a slow disk."""
    return path.suffix.lower() not in _FILES and path.is_dir()


def _suffixes(paths: list[Path]) -> set[str]:
    return {path.suffix.lower() for path in paths if not _is_folder(path)}


def import_outcome(paths: list[Path]) -> Outcome:
    """The paths as a new data set."""
    names = ", ".join(path.name for path in paths[:2]) + (" …" if len(paths) > 2 else "")
    text = f"{_counted(paths)}: {names}. The originals are only read."
    return Outcome("import", "Import as a new data set", text, "import", _not_importable(paths))


def _not_importable(paths: list[Path]) -> str:
    """Why paths cannot become a data set, or "". The head of a single table is looked into: many kinds of table are none."""
    if len(paths) == 1 and table_kinds.is_one(paths[0]):
        try:
            return table_kinds.told(paths[0]).why_not
        except OSError as error:
            return error.strerror or "it cannot be read"
    known = PICTURES | ARCHIVES
    usable = any(path.suffix.lower() in known or _is_folder(path) for path in paths)
    if usable:
        return ""
    weights = next((path for path in paths if path.suffix.lower() in WEIGHT_FILES), None)
    if weights is not None:
        return f"{weights.name} holds weights; {WEIGHTS_ADVICE}"
    return "no picture or archive among them, and no table of points"


def captions_outcome(paths: list[Path], dataset_title: str) -> Outcome:
    """The paths as captions of the chosen data set."""
    text = f"Side files or a table, matched by file name to “{dataset_title}”." if dataset_title else ""
    why = ""
    if not dataset_title:
        why = "no data set is chosen"
    elif not any(_is_folder(path) for path in paths) and not _suffixes(paths) & TABLES:
        why = "captions come as .txt, .csv, .tsv or .jsonl"
    elif len(paths) == 1 and _kind(paths[0]) == "points":
        why = "it has numbers, no captions"
    return Outcome("captions", "Add captions", text or "To the chosen data set.", "text", why)


def _kind(path: Path) -> str:
    try:
        return table_kinds.told(path).kind if table_kinds.is_one(path) else ""
    except OSError:
        return ""


def state_outcome(paths: list[Path]) -> Outcome:
    """An exported file opened as the state that made it, weights as their run."""
    record, why = None, "it takes one exported picture, film or weights file"
    if len(paths) == 1 and paths[0].suffix.lower() in EXPORTED:
        record, why = _state_of(paths[0])
    if record is not None and record.kind == "weights":
        return Outcome("state", "Open its run", f"The weights of “{record.title}”, with its settings.", "undo")
    text = "A file that the studio exported brings back run, seed and settings."
    return Outcome("state", "Open the state that made it", text, "undo", why)


def _state_of(path: Path) -> tuple[SampleRecord | None, str]:
    """The record that a file carries, or why it brings no state back: a bounded part of it is looked into."""
    try:
        record = provenance.read(path)
    except TroubleError as error:
        return None, error.trouble.what
    return record, "" if record is not None else "it carries no state of the studio"


def holds_nothing(paths: list[str]) -> bool:
    """Whether the paths are folders without a single file, as far as a bounded look tells."""
    if not all(Path(path).is_dir() for path in paths):
        return False
    looked = itertools.chain.from_iterable(os.walk(path) for path in paths)
    return not any(files for _, _, files in itertools.islice(looked, LOOKED_INTO))


def with_state(paths: list[str]) -> dict[str, SampleRecord]:
    """The files among the paths that the studio exported, and the record that each carries; folders are not looked into."""
    exported = [path for path in paths if Path(path).suffix.lower() in EXPORTED] if len(paths) <= LOOKED_INTO else []
    found: dict[str, SampleRecord] = {}
    for path in exported:
        try:
            record = provenance.read(path)
        except TroubleError:  # what cannot be read is told by the import
            continue
        if record is not None:
            found[path] = record
    return found


def outcomes(paths: list[str | Path], dataset_title: str = "") -> list[Outcome]:
    """Everything the paths could become, the likeliest first. An exported file becomes its state, wherever it is let go."""
    found = [Path(path) for path in paths]
    state = state_outcome(found)
    if not state.why_not:
        return [state]
    return sorted((import_outcome(found), captions_outcome(found, dataset_title), state), key=lambda one: bool(one.why_not))
