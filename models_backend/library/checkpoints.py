"""Checkpoints of a run: folders that stand whole or not at all, with a manifest written last."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract import names
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import CheckpointLayout, CheckpointState, Manifest, ManifestEntry, RunLayout

from . import guarding, storage
from .events import last_saved

log = logging.getLogger(__name__)
WEIGHTS = ".safetensors"
#: What only training on needs: all that is made with a checkpoint does without.
FOR_TRAINING = frozenset({"optimiser.safetensors"})
#: So many checkpoints are named from the beginning and from the end of a run.
ENDS = 3
_NAME = re.compile(r"step-\d+")


def save(run: RunLayout, files: dict[str, Any], state: CheckpointState) -> CheckpointLayout:
    """Write a checkpoint for ``state.step``: ``files`` maps names to bytes. One that stands there is replaced in one step."""
    target = run.checkpoint(state.step)
    contents = {**files, "state.json": msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n"}
    with storage.new_folder(target.root) as folder:
        for name, data in contents.items():
            storage.write_bytes(folder / name, data)
        entries = tuple(ManifestEntry(n, memoryview(d).nbytes, hashlib.sha256(d).hexdigest()) for n, d in contents.items())
        storage.write_json(folder / "manifest.json", Manifest(entries))
    return target


def complete(run: RunLayout, weights_only: bool = False) -> list[CheckpointLayout]:
    """Checkpoints whose manifest stands and whose files have the right sizes, newest first. Contents are not read."""
    return [layout for layout in every(run) if not flaw(layout, False, weights_only)]


def others(name: str, there: Sequence[CheckpointLayout]) -> str:
    """What to take in place of a checkpoint that is not there, as the advice of an error; ``there``: newest first."""
    if not there:
        return "It has none that can be used; train it first"
    known = [layout.name for layout in reversed(there)]
    first, last = known[:ENDS], known[ENDS:][-ENDS:]
    gap = ["..."] if len(known) > 2 * ENDS else []
    digits = re.search(r"\d+", name)
    near = min(there, key=lambda layout: abs(layout.step - int(digits[0]))).name if digits else names.nearest(name, known)
    listed = f"{'There is' if len(known) == 1 else 'There are'} {', '.join((*first, *gap, *last))}"
    return f"{listed}. The nearest is {near}" if near and len(known) > 1 else listed


def every(run: RunLayout) -> list[CheckpointLayout]:
    """All checkpoint folders, newest first, damaged ones too."""
    if not guarding.is_folder(run.checkpoints):
        return []
    found = (path for path in run.checkpoints.iterdir() if _NAME.fullmatch(path.name) and guarding.is_folder(path))
    folders = sorted(found, reverse=True)
    return [CheckpointLayout(folder) for folder in folders]


def and_told(run: RunLayout) -> list[CheckpointLayout]:
    """All checkpoint folders, newest first, and among them the one that was told last, even where it is gone."""
    step = last_saved(run.events)  # before the folders: what is saved meanwhile is told later than it stands
    there = {layout.root: layout for layout in every(run)}
    if step is not None:
        told = run.checkpoint(step)
        there.setdefault(told.root, told)
    return [there[root] for root in sorted(there, reverse=True)]


def flaw(layout: CheckpointLayout, deep: bool = True, weights_only: bool = False) -> str:
    """What is wrong with a checkpoint, in words; "" where it is whole. ``deep`` reads and hashes every file;
    ``weights_only`` looks at what sampling needs, which is all but the optimisers' state."""
    if not guarding.is_folder(layout.root):
        return "something else stands in place of its folder" if os.path.lexists(layout.root) else "its folder is missing"
    for path in (layout.manifest, layout.state):
        if not guarding.is_file(path):
            return f"{path.name} is missing"
    read: list[Any] = []
    for path, kind in ((layout.manifest, Manifest), (layout.state, CheckpointState)):
        try:
            read.append(storage.read_json(path, kind))
        except TroubleError as error:
            return f"{path.name} cannot be read: {error.trouble.what}"
    manifest = read[0]
    if reason := _unlisted(layout, {entry.name for entry in manifest.files}):
        return reason
    passed_over = FOR_TRAINING if weights_only else frozenset()
    needed = [entry for entry in manifest.files if entry.name not in passed_over]
    found = (_file_flaw(layout.root / entry.name, entry, deep) for entry in needed)
    return next((text for text in found if text), "")


def _unlisted(layout: CheckpointLayout, listed: set[str]) -> str:
    """Why the list of a manifest is not that of the folder: what is read must stand in it, as a plain name."""
    if odd := sorted(name for name in listed if name != Path(name).name or "\\" in name):
        return f"manifest.json names {odd[0]!r}, which is no file of the checkpoint"
    if not any(name.endswith(WEIGHTS) for name in listed):
        return "manifest.json names no weights"
    there = {path.name for path in layout.root.iterdir() if path.suffix == WEIGHTS or path == layout.state}
    return f"{min(there - listed)} does not stand in manifest.json" if there - listed else ""


def _file_flaw(path: Path, entry: ManifestEntry, deep: bool) -> str:
    try:
        if not guarding.is_file(path):
            return f"{entry.name} is missing"
        size = path.stat().st_size
        if size != entry.size:
            return f"{entry.name} has {size} bytes instead of {entry.size}"
        if deep and guarding.sha256(path) != entry.sha256:
            return f"the content of {entry.name} does not match its checksum"
    except OSError as error:
        return f"{entry.name} cannot be read: {error.strerror}"
    return ""


def newest_good(run: RunLayout, weights_only: bool = False) -> tuple[CheckpointLayout | None, list[str]]:
    """The newest checkpoint whose every byte (that is needed) is right, and why each newer one was passed over."""
    reasons = []
    for layout in and_told(run):
        reason = flaw(layout, weights_only=weights_only)
        if not reason:
            return layout, reasons
        reasons.append(f"step {layout.step:,} ({reason})")
    return None, reasons


def damage(layout: CheckpointLayout | None, reasons: list[str], use: str = "is used") -> str:
    """In a sentence: which checkpoints are damaged and which one is used instead; "" where none is."""
    if not reasons:
        return ""
    one = len(reasons) == 1
    where = f"that of step {layout.step:,} {use}" if layout else "none is left that could be used"
    return f"the checkpoint{'' if one else 's'} of {', '.join(reasons)} {'is' if one else 'are'} damaged; {where}"


def prune(run: RunLayout, keep: int, spared: Collection[int] = (), passing: Collection[int] = ()) -> list[str]:
    """Remove the oldest complete checkpoints beyond ``keep`` (never fewer than 2), but none of a step that is ``spared``; the
    names that went. Those of steps that are ``passing`` stay while they are among the newest two, and count for nothing."""
    there = complete(run)
    newest, counted = {layout.step for layout in there[:2]}, [layout for layout in there if layout.step not in passing]
    old = {layout.step for layout in counted[max(2, keep) :]} | set(passing)
    surplus = [layout for layout in there if layout.step in old - newest - set(spared)]
    return [layout.name for layout in surplus if _removed(layout)]


def _removed(layout: CheckpointLayout) -> bool:
    """Remove one; a disk that refuses costs space only, and the next save tries again."""
    try:
        storage.remove_folder(layout.root)
    except OSError as error:
        log.warning("%s: the old checkpoint %s stays: %s", layout.root.parent.parent.name, layout.name, error)
        return False
    return True
