"""The tables of README.md match the code, and the check notices when they do not."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def test_proofs_are_taken_out_of_a_library_the_newest_of_each(tables, monkeypatch, tmp_path):
    from models_backend.evaluation.proof import ClaimResult, ProofResult
    from models_backend.library import storage
    from models_backend.library.samples import pack

    monkeypatch.setattr(tables, "PROOFS", tmp_path / "proofs")
    for run, when, figure in (("a", "2026-01-01T00:00:00+00:00", 0.5), ("b", "2026-01-02T00:00:00+00:00", 0.9)):
        claims = (ClaimResult("sure", "sure", ">=", 0.8, figure, figure > 0.8),)
        storage.make_folder(tmp_path / "library" / "runs" / run)
        result = ProofResult("toy", "digits", "digits", "small", run, claims, {"sure": figure}, 90.0, 5.0, 1_500_000, 10, when)
        storage.write_json(tmp_path / "library" / "runs" / run / "proof.json", result)
        storage.make_folder(tmp_path / "library" / "runs" / run / "previews")
        items = np.full((24, 8, 8, 1), 50 if run == "a" else 200, np.uint8)
        storage.write_bytes(tmp_path / "library" / "runs" / run / "previews" / "step-000000010.npz", pack({"items": items}))
    tables.take_proofs(tmp_path / "library")
    assert sorted(path.name for path in (tmp_path / "proofs").iterdir()) == ["toy-digits.json", "toy-digits.png"]
    sheet = np.asarray(Image.open(tmp_path / "proofs" / "toy-digits.png"))
    assert sheet.shape == (3 * 84 + 4, 8 * 84 + 4, 3) and (sheet[44, 44] == 200).all()
    assert "sure: **0.9** (≥ 0.8) | 1.50 M | 1.5 min" in tables.proofs()
    with pytest.raises(ValueError, match="holds no proof"):
        tables.take_proofs(tmp_path / "nothing")


def test_every_family_has_a_guide(tables):
    from models_backend.workers.registry import descriptions

    for family in descriptions():
        assert (ROOT / "resources" / "guides" / f"{family.key}.md").exists(), family.key
