"""What goes to the confined decoder and what comes back, apart from the decoding itself: the importer's own process talks of
pictures without ever loading a decoder library, which starts it sooner."""

from __future__ import annotations

import msgspec


class Target(msgspec.Struct, frozen=True):
    """An array to make: (height, side, 3) uint8; as high as wide where no height is given."""

    side: int
    crop: str = "centre"
    height: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.side, self.height or self.side

    @property
    def bytes(self) -> int:
        """Of the array."""
        return 3 * self.size[0] * self.size[1]

    def __str__(self) -> str:
        width, height = self.size
        return f"{width} px" if width == height else f"{width} × {height} px"


class Decoded(msgspec.Struct):
    """What became of one picture. ``code`` "" means that it is good; else ``reason`` says why not.

    ``look``: a 64-bit perceptual hash; ``signature``: 12 x 12 x 3 mean colours; ``pixels``: hash of the decoded pixels;
    ``grey``: no colour in it; ``arrays``: the targets' bytes in order; ``notes``: what was done to its values, by the
    keys of ``noted.WORDS``, with the details."""

    code: str = ""
    reason: str = ""
    format: str = ""
    width: int = 0
    height: int = 0
    grey: bool = False
    alpha: bool = False
    look: int = 0
    signature: bytes = b""
    pixels: bytes = b""
    arrays: list[bytes] = []
    notes: list[tuple[str, str]] = []
