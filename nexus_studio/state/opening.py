"""What dropped or chosen paths would do, told from their names before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PICTURES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"}
ARCHIVES = {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".tbz2", ".txz"}
TABLES = {".csv", ".jsonl", ".txt", ".tsv"}
POINTS = {".npy", ".npz"}
EXPORTED = {".png", ".gif", ".webp", ".apng", ".mp4", ".webm", ".safetensors", ".json", ".jpg"}
_FILES = PICTURES | TABLES | EXPORTED


@dataclass(frozen=True)
class Outcome:
    """One thing that paths can become. ``why_not`` is the reason while it is not possible."""

    key: str  # "import" "captions" "state" "checkpoint"
    title: str
    text: str
    icon: str
    why_not: str = ""


def _counted(paths: list[Path]) -> str:
    folders = sum(_is_folder(path) for path in paths)
    files = len(paths) - folders
    words = []
    if folders:
        words.append("1 folder" if folders == 1 else f"{folders} folders")
    if files:
        words.append("1 file" if files == 1 else f"{files} files")
    return " and ".join(words)


def _is_folder(path: Path) -> bool:
    """Asks the disk only where the name leaves it open: thousands of files may hang on a drag, maybe on a slow disk."""
    return path.suffix.lower() not in _FILES and path.is_dir()


def _suffixes(paths: list[Path]) -> set[str]:
    return {path.suffix.lower() for path in paths if not _is_folder(path)}


def import_outcome(paths: list[Path]) -> Outcome:
    """The paths as a new data set."""
    known = PICTURES | ARCHIVES | TABLES | POINTS
    usable = any(path.suffix.lower() in known or path.is_dir() for path in paths)
    names = ", ".join(path.name for path in paths[:2]) + (" …" if len(paths) > 2 else "")
    text = f"{_counted(paths)}: {names}. The originals are only read."
    why = "" if usable else "no picture, archive or table among them"
    return Outcome("import", "Import as a new data set", text, "import", why)


def captions_outcome(paths: list[Path], dataset_title: str) -> Outcome:
    """The paths as captions of the chosen data set."""
    text = f"Side files or a table, matched by file name to “{dataset_title}”." if dataset_title else ""
    why = ""
    if not dataset_title:
        why = "no data set is chosen"
    elif not any(_is_folder(path) for path in paths) and not _suffixes(paths) & TABLES:
        why = "captions come as .txt, .csv or .jsonl"
    return Outcome("captions", "Add captions", text or "To the chosen data set.", "text", why)


def state_outcome(paths: list[Path]) -> Outcome:
    """An exported file opened as the state that made it."""
    single = len(paths) == 1 and paths[0].suffix.lower() in EXPORTED
    why = "" if single else "it takes one exported picture, film or weights file"
    text = "A file that the studio exported brings back run, seed and settings."
    return Outcome("state", "Open the state that made it", text, "undo", why)


def checkpoint_outcome(paths: list[Path]) -> Outcome:
    """A foreign model folder as a run; families that read such folders come later."""
    looks = len(paths) == 1 and any((paths[0] / name).is_file() for name in ("model_index.json", "config.json"))
    why = "importing model folders comes with the families that can read them" if looks else "not a model folder"
    return Outcome("checkpoint", "Import a model folder", "A diffusers or transformers folder as a run.", "folder", why)


def outcomes(paths: list[str | Path], dataset_title: str = "") -> list[Outcome]:
    """Everything the paths could become, the likeliest first."""
    found = [Path(path) for path in paths]
    offered = [
        import_outcome(found),
        captions_outcome(found, dataset_title),
        state_outcome(found),
        checkpoint_outcome(found),
    ]
    return sorted(offered, key=lambda outcome: bool(outcome.why_not))
