"""What torch.compile keeps of processes that were killed while they compiled."""

import os

import pytest
from filelock import FileLock

from models_backend.training import compiling


@pytest.mark.skipif(os.name == "nt", reason="Windows has no mark of what is executable")
def test_modules_whose_linking_was_cut_short_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    built, left, at_work = (tmp_path / "ab" / f"{name}.main.so" for name in ("built", "left", "at_work"))
    built.parent.mkdir()
    for module in (built, left, at_work):
        module.touch(0o644)
    built.chmod(0o755)
    (tmp_path / "locks").mkdir()
    with FileLock(tmp_path / "locks" / "at_work.lock"):  # as the process holds it that compiles this
        compiling.clear_unfinished()
        assert [module.exists() for module in (built, left, at_work)] == [True, False, True]
    compiling.clear_unfinished()
    assert built.exists() and not at_work.exists()
