"""What fsck says about one thing."""

from __future__ import annotations

from typing import Literal

import msgspec


class Finding(msgspec.Struct):
    """``item`` is relative to the library; ``mend`` names the repair that would put it right, "" where there is none."""

    level: Literal["error", "warning", "note"]
    item: str
    text: str
    mend: str = ""
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.level}: {self.item}: {self.text}{' (repaired)' if self.repaired else ''}"
