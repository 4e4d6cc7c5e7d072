"""Families are found by walking folders; a broken file hurts nobody else."""

import pytest

from models_backend.contract.family import Family
from models_backend.workers import registry

FILE = '''
"""A family of a test."""
from typing import Annotated
import msgspec
from models_backend.contract.family import Family
from models_backend.contract.fields import Field

class Config(msgspec.Struct, frozen=True):
    """Settings."""
    width: Annotated[int, Field("Width")] = 1

class Fifth(Family):
    title = "The fifth"
    Config = Config
    Sampling = Config
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NEXUS_FAMILIES", str(tmp_path))
    registry.families.cache_clear()
    yield tmp_path
    registry.families.cache_clear()


def test_a_file_dropped_in_is_a_family_with_a_description(folder):
    (folder / "fifth.py").write_text(FILE)
    assert issubclass(registry.families()["fifth"], Family)
    described = {d.key: d for d in registry.descriptions()}
    assert described["fifth"].title == "The fifth" and described["fifth"].config.fields[0].name == "width"


def test_a_broken_file_and_one_without_a_family_are_left_out(folder):
    (folder / "broken.py").write_text("import no_such_module_anywhere")
    (folder / "empty.py").write_text("x = 1")
    (folder / "fifth.py").write_text(FILE)
    found = registry.families()
    assert "fifth" in found and "broken" not in found and "empty" not in found


def test_a_file_with_two_families_is_refused(folder):
    (folder / "two.py").write_text(FILE + "\nclass Sixth(Fifth):\n    title = 'The sixth'\n")
    assert "two" not in registry.families()
