"""Bytes of a source, wherever it lies: a file, or a member of an archive (kept open). Read-only, from several threads."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable

from models_backend.contract.run_layout import Unreadable
from models_backend.library.source_paths import parted

from .archives import DAMAGE, Archive, Refused, open_archive
from .sources import Source, TooLarge, read_file, why

#: Code and words of a source that holds something else now.
CHANGED = "changed", "the file has changed since it was imported"


class Opener:
    """Opens sources; a context manager that closes the archives it opened."""

    def __init__(self) -> None:
        self._archives: dict[str, Archive] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Opener:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._archives.values():
            archive.close()

    def archive(self, path: str) -> Archive:
        """The archive at a path. Raises Refused."""
        with self._lock:
            if path not in self._archives:
                self._archives[path] = open_archive(path)
            return self._archives[path]

    def read(self, source: Source) -> bytes:
        """A source whole. Raises Refused with a code and plain words, whatever is wrong."""
        try:
            return self.archive(source.path).read(source.member) if source.member else read_file(source.path)
        except TooLarge as error:
            raise Refused("too-large", error.strerror) from None
        except FileNotFoundError as error:
            raise Refused(*why(error)) from None
        except DAMAGE as error:
            if not source.member and isinstance(error, OSError):
                raise Refused(*why(error)) from error
            raise Refused("archive-damaged", f"it cannot be unpacked: {str(error)[:200]}") from error

    def as_imported(self, places: Iterable[str], sha256: str) -> bytes:
        """What was imported, from the first of its places that holds it (any content with ``sha256`` ""). Where none does,
        raises Refused for the first; its code is that of CHANGED for another content."""
        first = None
        for place in places:
            try:
                data = self.read(source_of(place))
                if not sha256 or hashlib.sha256(data).hexdigest() == sha256:
                    return data
                first = first or Refused(*CHANGED)
            except Refused as refused:
                first = first or refused
        raise first


def source_of(text: str) -> Source:
    """The source that an item's ``source`` names."""
    path, member = parted(text)
    return Source(path, text, (), member)


def refusal(name: str, refused: Refused) -> Unreadable:
    """A refusal as a line of the report."""
    return Unreadable(name, refused.code, refused.reason)
