"""Prints all families as one line of JSON on standard output."""

from __future__ import annotations

import sys

import msgspec


def main() -> int:
    """Writes the list of FamilyDescription; what families print while they are imported goes to stderr."""
    out, sys.stdout = sys.stdout, sys.stderr
    from .registry import descriptions

    out.buffer.write(msgspec.json.encode(descriptions()) + b"\n")
    out.flush()
    return 0
