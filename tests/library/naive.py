"""Writing as programs do that never crash: in place, without a temporary name, without fsync, without looking back.

Only for the harness, to show that it bites. ``with naive_writes():`` in this process;
``python tests/library/naive.py MODULE ARGS...`` runs a module (a worker, say) with such writes in a child process."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from models_backend.library import faults, primitives, storage
from models_backend.library.appending import Appender


def write_bytes(path: str | Path, data: Any) -> None:
    """In place; a short write goes unnoticed."""
    faults.strike("create", path)
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        primitives.write_some(descriptor, memoryview(data).cast("B"), path)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_new(path: str | Path) -> Iterator[io.BufferedRandom]:
    """In place."""
    with io.BufferedRandom(primitives.CountedFile(Path(path), os.O_CREAT | os.O_TRUNC | os.O_RDWR)) as file:
        yield file


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """In place."""
    faults.strike("create", path)
    yield Path(path)


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """In place."""
    faults.strike("mkdir", path)
    Path(path).mkdir(parents=True, exist_ok=True)
    yield Path(path)


def remove_folder(path: str | Path) -> None:
    """File by file, so that half of a folder can be left."""
    for inner in sorted(Path(path).rglob("*"), reverse=True):
        faults.strike("unlink", inner)
        inner.rmdir() if inner.is_dir() else inner.unlink()
    shutil.rmtree(path, ignore_errors=True)


def _no_repair(self: Appender) -> int:
    self.size = os.fstat(self._descriptor).st_size
    return 0


@contextlib.contextmanager
def naive_writes() -> Iterator[None]:
    """Naive writes in this process (and in children forked from it)."""
    with contextlib.ExitStack() as stack:
        for function in (write_bytes, open_new, new_file, new_folder, remove_folder):
            stack.enter_context(mock.patch.object(storage, function.__name__, function))
        stack.enter_context(mock.patch.object(Appender, "repair", _no_repair))
        stack.enter_context(mock.patch.object(Appender, "_undo", lambda self: None))
        yield


if __name__ == "__main__":
    with naive_writes():
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
