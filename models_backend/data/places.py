"""Where pictures lie, and which of them the names in a table mean."""

from __future__ import annotations

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from .formats import PICTURE_EXTENSIONS
from .sources import Source

Place = tuple[str, str]  # (archive or "", path of the file in it)
_NUMBERED = re.compile(r"#\d+$")  # "a.jpg#0" names the first caption of a.jpg


def place_of(source: Source) -> Place:
    """Where a source lies, for matching."""
    return (source.path, source.member.replace("\\", "/")) if source.member else ("", source.path)


def stem(place: Place) -> Place:
    """The place without its extension."""
    return place[0], os.path.splitext(place[1])[0]  # noqa: PTH122


def folder_of(place: Place) -> str:
    """The folder that a place lies in."""
    return posixpath.dirname(place[1]) if place[0] else os.path.dirname(place[1])  # noqa: PTH120


class Pictures:
    """Finds pictures by the names that tables and side files have for them."""

    def __init__(self, sources: Iterable[Source]):
        self.places = {place_of(source) for source in sources}
        self.by_stem: dict[Place, list[Place]] = defaultdict(list)
        self._by_name: dict[Place, list[Place]] = defaultdict(list)
        self._by_bare: dict[Place, list[Place]] = defaultdict(list)
        self._folders = {(place[0], folder_of(place)) for place in self.places}
        for place in sorted(self.places):
            archive, path = place
            self.by_stem[stem(place)].append(place)
            name = (path if os.sep == "/" else path.replace(os.sep, "/")).rpartition("/")[2].lower()
            self._by_name[archive, name].append(place)
            self._by_bare[archive, name.rpartition(".")[0] or name].append(place)

    def beside(self, place: Place) -> list[Place]:
        """The pictures whose side file lies at a place: a.txt or a.png.txt of a.png."""
        own = stem(place)
        return [own] if own in self.places else self.by_stem.get(own, [])

    def in_parallel(self, place: Place) -> list[Place]:
        """The picture of a text in a folder of its own, ``captions/cat/7.txt`` of ``images/cat/7.png``: the only one of that
        name whose folders differ in one; none where pictures lie beside the text."""
        own = folder_of(place)
        if (place[0], own) in self._folders:
            return []
        bare = os.path.splitext(posixpath.basename(place[1].replace(os.sep, "/")).lower())[0]  # noqa: PTH122
        found = [other for other in self._by_bare.get((place[0], bare), []) if _differ_in_one(own, folder_of(other))]
        return found if len({stem(other) for other in found}) == 1 else []

    def named(self, name: object, table: Place) -> list[Place]:
        """The pictures that a table at ``table`` names so: by their path from its folder, else by as much of the end of the
        path as there is, with or without extension; none where several could be meant."""
        if not isinstance(name, str | int) or isinstance(name, bool):
            return []
        text = str(name).strip().replace("\\", "/")
        if "://" in text:
            text = unquote(urlsplit(text).path)
        archive, folder = table[0], folder_of(table)
        for spelt in (text, _NUMBERED.sub("", text)):
            place = (archive, posixpath.normpath(posixpath.join(folder.replace(os.sep, "/"), spelt)))
            if place in self.places:
                return [place]
        return self._alike(_NUMBERED.sub("", text), archive, folder) if text else []

    def _alike(self, text: str, archive: str, folder: str) -> list[Place]:
        parts = [part for part in text.lower().split("/") if part not in ("", ".", "..")]
        if not parts:
            return []
        bare, extension = os.path.splitext(parts[-1])  # noqa: PTH122
        found = self._by_name.get((archive, parts[-1]), []) or self._by_bare.get((archive, parts[-1]), [])
        if not found and extension in PICTURE_EXTENSIONS:
            found = self._by_bare.get((archive, bare), [])
        elsewhere = text.startswith("/") or text[1:2] == ":" or len(parts) == 1
        fits = [(_shared_folders(place, parts), place) for place in found]
        fits = [(n, place) for n, place in fits if n or elsewhere or folder_of(place) == folder]
        best = max((n for n, _ in fits), default=0)
        nearest = [place for n, place in fits if n == best]
        if len(nearest) > 1:
            nearest = [place for place in nearest if f"{folder_of(place)}/".startswith(f"{folder}/")]
        return nearest if len({stem(place) for place in nearest}) == 1 else []


def _shared_folders(place: Place, parts: list[str]) -> int:
    """How many folders above a picture have the names that a table gives them."""
    own = place[1].replace(os.sep, "/").lower().split("/")
    count = 1
    while count < min(len(own), len(parts)) and own[-1 - count] == parts[-1 - count]:
        count += 1
    return count - 1


def _differ_in_one(one: str, other: str) -> bool:
    """Whether folders are the same but for one name, or one has a name more."""
    a, b = (path.replace(os.sep, "/").split("/") for path in (one, other))
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    same = next((i for i, (x, y) in enumerate(zip(longer, shorter)) if x != y), len(shorter))
    return len(longer) - len(shorter) <= 1 and longer[same + 1 :] == shorter[same + (len(longer) == len(shorter)) :]
