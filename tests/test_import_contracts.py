"""Each import contract of pyproject.toml holds, and fails when a violation is planted."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

#: contract id -> (file, line added to it)
VIOLATIONS = {
    "studio-sees-only": ("nexus_studio/planted.py", "import models_backend.training\n"),
    "torch-free": ("models_backend/engine/planted.py", "import torch\n"),
    "no-qt-below": ("models_backend/media/planted.py", "import PySide6.QtGui\n"),
    "backend-layers": ("models_backend/objectives/planted.py", "import models_backend.training\n"),
    "families-independent": ("models_backend/families/planted.py", "import models_backend.families.sibling\n"),
    "only-workers-import-families": ("models_backend/evaluation/planted.py", "import models_backend.families.sibling\n"),
    "studio-layers": ("nexus_studio/state/planted.py", "import nexus_studio.panels\n"),
    "contract-msgspec-only": ("models_backend/contract/planted.py", "import numpy\n"),
}


def lint(root: Path, contract: str) -> subprocess.CompletedProcess:
    call = f"lint_imports(limit_to_contracts=({contract!r},), no_cache=True)"
    code = f"import sys; from importlinter.cli import lint_imports; sys.exit({call})"
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The sources without their media, to plant violations in."""
    root = tmp_path_factory.mktemp("tree")
    for package in ("nexus_studio", "models_backend"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "models_backend/families/sibling.py").write_text("")
    return root


def test_every_contract_has_a_planted_violation():
    assert {c["id"] for c in CONTRACTS} == set(VIOLATIONS)


@pytest.mark.parametrize("contract", sorted(VIOLATIONS))
def test_contract_bites(copy, contract):
    clean = lint(copy, contract)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    name, line = VIOLATIONS[contract]
    planted = copy / name
    planted.write_text(line)
    try:
        broken = lint(copy, contract)
    finally:
        planted.unlink()
    assert broken.returncode == 1 and "BROKEN" in broken.stdout, broken.stdout + broken.stderr


def widget_imports(root: Path) -> list[str]:
    """Files of the widget-free layers that import QtWidgets (the linter cannot see into PySide6)."""
    found = []
    for path in [root / "nexus_studio/bridge.py", *(root / "nexus_studio/state").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            source = getattr(node, "module", None) or ""
            if any("QtWidgets" in name for name in [source, *names]):
                found.append(path.name)
    return found


def test_state_and_bridge_know_no_widgets(copy):
    assert widget_imports(copy) == []
    planted = copy / "nexus_studio/state/planted.py"
    planted.write_text("from PySide6 import QtWidgets\n")
    try:
        assert widget_imports(copy) == ["planted.py"]
    finally:
        planted.unlink()
