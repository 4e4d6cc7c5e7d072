"""The cached catalogue: fresh while no file changes, asked anew when one does."""

import pytest

from models_backend.contract.messages import TroubleError
from models_backend.engine import catalogue


class Asked:
    """A describer that counts how often it is asked."""

    def __init__(self):
        self.count = 0

    async def __call__(self):
        self.count += 1
        return []


async def test_it_is_asked_once_and_again_when_a_family_file_changes(tmp_path, monkeypatch):
    added, ask = tmp_path / "families", Asked()
    added.mkdir()
    monkeypatch.setenv("NEXUS_FAMILIES", str(added))
    for _ in range(3):
        await catalogue.refreshed(tmp_path / "cache", ask)
    assert ask.count == 1
    (added / "fifth.py").write_text("x = 1")
    await catalogue.refreshed(tmp_path / "cache", ask)
    assert ask.count == 2


async def test_a_damaged_cache_is_made_again(tmp_path):
    ask = Asked()
    await catalogue.refreshed(tmp_path, ask)
    (tmp_path / "families.json").write_text("{")
    assert catalogue.load(tmp_path) is None
    await catalogue.refreshed(tmp_path, ask)
    assert ask.count == 2


async def test_a_describer_that_fails_brings_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue.processes, "command", lambda *a: ["/bin/sh", "-c", "echo broken family >&2; exit 3"])
    with pytest.raises(TroubleError) as caught:
        await catalogue.ask(tmp_path)
    assert "broken family" in caught.value.trouble.detail
