"""An evaluation whose figures cannot be written is told all the same, with a sentence of why they are not kept."""

import errno
import os

import pytest
from small_families import opened, trained
from workers_calls import Heard, answers

from models_backend.contract.messages import Evaluate, Trouble
from models_backend.library import storage


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EROFS, "the disk is read-only"), (errno.EACCES, "access is denied"), (errno.ENOSPC, "the disk is full")],
)
def test_figures_are_told_where_they_cannot_be_kept(library_root, monkeypatch, number, words):
    library, dataset = opened(library_root)
    run, _ = trained(library, dataset)
    write = storage.write_json

    def refusing(path, *rest, **more):
        if path == run.layout.evaluation:
            raise OSError(number, os.strerror(number), str(path))
        return write(path, *rest, **more)

    monkeypatch.setattr(storage, "write_json", refusing)
    heard = Heard(Evaluate(run.id, 50))
    answers(library).answer(heard)
    library.close()
    assert heard.trouble is None and heard.value and not run.layout.evaluation.exists()
    (told,) = [body for body in heard.told if isinstance(body, Trouble)]
    assert str(told).startswith(f"a denoiser: the figures cannot be kept with the run: {words}. They are told all the same")
