"""The tables of README.md match the code, and the check notices when they do not."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "installer" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_matches_the_code(tables):
    text = (ROOT / "README.md").read_text()
    for name, table in tables.tables().items():
        assert tables.section(text, name) == table, f"run python installer/tables.py: {name}"


def test_a_stale_table_is_noticed(tables, monkeypatch, tmp_path, capsys):
    stale = tmp_path / "README.md"
    stale.write_text((ROOT / "README.md").read_text().replace("| `nexus-studio fsck` |", "| `nexus-studio check` |"))
    monkeypatch.setattr(tables, "README", stale)
    assert tables.main(["--check"]) == 1
    assert "commands" in capsys.readouterr().err


def test_every_family_has_a_guide(tables):
    from models_backend.workers.registry import descriptions

    for family in descriptions():
        assert (ROOT / "resources" / "guides" / f"{family.key}.md").exists(), family.key
