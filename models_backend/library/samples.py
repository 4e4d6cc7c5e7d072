"""Samples: what was made, how, and (where it was recorded) every step of the way."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout, SampleLayout, SampleRecord

from . import guarding, storage
from .trouble import explained, noticed
from .turns import Turn

if TYPE_CHECKING:
    import numpy as np

_CHANGEABLE = frozenset({"title", "starred", "tags"})


class SampleFolder:
    """One sample on disk."""

    def __init__(self, layout: SampleLayout, changed: Callable[[], None] | None = None):
        self.layout, self.id = layout, layout.root.name
        self._changed, self._turn = changed, Turn(layout.turn_lock)

    def __repr__(self) -> str:
        return f"SampleFolder({self.id!r})"

    def record(self) -> SampleRecord:
        """``sample.json``. TroubleError where it is gone, damaged or from a newer version."""
        return storage.read_json(self.layout.record, SampleRecord)

    def update_record(self, **changes: Any) -> SampleRecord:
        """Change title, starred or tags; all else in a sample's record is fixed."""
        fixed = sorted(set(changes) - _CHANGEABLE)
        if fixed:
            raise ValueError(f"a sample's {fixed[0]} is fixed once it is made")
        trouble = explained("the sample's record cannot be written", self.id, "The old one stays")
        with noticed(self._changed), trouble, self._turn.taken(self.id):
            record = msgspec.structs.replace(self.record(), **changes)
            storage.write_json(self.layout.record, record)
        return record

    def items(self) -> np.ndarray:
        """uint8 (N, H, W, C) for images, float32 (N, D) for points."""
        return read_arrays(self.layout.items)["items"]

    def has_trace(self) -> bool:
        """Whether its steps were recorded."""
        return self.layout.trace.exists()

    def trace(self) -> dict[str, np.ndarray]:
        """Channel name -> (steps, B, *shape) float16; empty where nothing was recorded."""
        return read_arrays(self.layout.trace) if self.has_trace() else {}

    @staticmethod
    def create(
        library: Any, record: SampleRecord, items: np.ndarray, trace: dict[str, np.ndarray] | None = None
    ) -> SampleFolder:
        """A new sample folder. ``library``: a Library (which then knows it at once) or a LibraryLayout."""
        layout: LibraryLayout = getattr(library, "layout", library)
        target = layout.sample(record.id)
        packed = pack({"items": items})
        record = msgspec.structs.replace(record, items_sha256=array_sha256(items))
        trouble = explained("the sample cannot be saved", record.title or record.id, "Everything made before is kept")
        notice = getattr(library, "notice", None)
        changed = (lambda: notice("sample", record.id)) if notice else None
        with noticed(changed), trouble, storage.new_folder(target.root) as folder:
            inside = SampleLayout(folder)
            storage.write_bytes(inside.items, packed)
            if trace:
                storage.write_bytes(inside.trace, pack(trace))
            storage.write_json(inside.record, record)
        return SampleFolder(target)


def pack(arrays: dict[str, Any]) -> memoryview:
    """Named arrays as the bytes of an npz file."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getbuffer()


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file, never unpickling. TroubleError where it is gone or damaged."""
    import numpy as np

    path = Path(path)
    item = "/".join(path.parts[-2:])
    with explained("it cannot be read", item):
        try:
            with guarding.reading(path) as whole, np.load(whole, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise TroubleError(f"it is damaged: {error}", item, advice="Make it again from its record") from error


def array_sha256(array: Any) -> str:
    """A checksum of an array's dtype, shape and content."""
    import numpy as np

    array = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(memoryview(array).cast("B") if array.size else b"")
    return digest.hexdigest()
