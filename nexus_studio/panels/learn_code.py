"""Code of a guide: read from the program's own source each time, by file and name, so that it is what runs."""

from __future__ import annotations

import ast
import importlib.util
import textwrap
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def backend() -> Path:
    """The folder of the backend's package; nothing of it is imported."""
    found = importlib.util.find_spec("models_backend")
    return Path(found.origin).parent


@lru_cache(maxsize=256)
def source_of(reference: str) -> str:
    """The text of "families/gan.py GAN.losses": a class, a function or a method. Raises ValueError where there is none."""
    file, _, name = reference.partition(" ")
    path = backend() / file
    if not path.is_file() or not name:
        raise ValueError(f"there is no such piece of source: {reference}")
    text = path.read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        node = next((one for one in getattr(node, "body", ()) if getattr(one, "name", "") == part), None)
        if node is None:
            raise ValueError(f"there is no {name} in {file}")
    return textwrap.dedent("\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno]))
