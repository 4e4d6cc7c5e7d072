"""All sources below what was dropped, those inside archives too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import archives
from .archives import Refused
from .opening import Opener
from .sources import Found, find
from .watch import Watch


def look_below(paths: Sequence[str | Path], opener: Opener, watch: Watch) -> Found:
    """Every file below the paths, sorted by what it is."""
    found = find(list(paths))
    watch.count(0)
    for source in list(found.archives):
        if source.member:
            found.ignore(source.name, "archive", "an archive inside an archive is not opened")
            continue
        try:
            before = len(found.archives)
            archives.find_inside(source, opener.archive(source.path), found)
            for inner in found.archives[before:]:
                found.ignore(inner.name, "archive", "an archive inside an archive is not opened")
        except Refused as refused:
            found.refuse(source.name, refused.code, refused.reason)
        watch.count(0)
    return found
