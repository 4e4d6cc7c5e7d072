"""Which families there are: every module in ``models_backend.families`` and every file in the folders of NEXUS_FAMILIES."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import pkgutil
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from models_backend import families as package
from models_backend.contract.family import Family, FamilyDescription, description, in_order

log = logging.getLogger(__name__)


@cache
def families() -> dict[str, type[Family]]:
    """Key (the file's name) -> family class, in the order of the keys. A file that cannot be imported is left out and logged:
    one broken plugin must not take the others with it."""
    found = {name: _try(_packaged, name) for _, name, _ in pkgutil.iter_modules(package.__path__)}
    found |= {path.stem: _try(_added, path) for folder in added_folders() for path in sorted(folder.glob("*.py"))}
    return {key: family for key, family in sorted(found.items()) if family is not None}


def added_folders() -> list[Path]:
    """The folders named in NEXUS_FAMILIES that exist."""
    named = os.environ.get("NEXUS_FAMILIES", "").split(os.pathsep)
    return [Path(p) for p in named if p and Path(p).is_dir()]


def descriptions() -> list[FamilyDescription]:
    """All families as plain data, in the order in which they are listed."""
    return in_order(description(key, family) for key, family in families().items())


def _try(load, source) -> type[Family] | None:
    try:
        return family_in(load(source))
    except Exception:
        log.exception("the family file %s cannot be used", source)
        return None


def _packaged(name: str) -> ModuleType:
    return importlib.import_module(f"{package.__name__}.{name}")


def _added(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"nexus_families.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def family_in(module: ModuleType) -> type[Family] | None:
    """The one family that a module defines; None where it defines none. Raises TypeError where there are several."""
    defined = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Family) and value.__module__ == module.__name__
    ]
    if len(defined) > 1:
        raise TypeError(f"{module.__name__} defines {len(defined)} families; a file holds one")
    return defined[0] if defined else None
