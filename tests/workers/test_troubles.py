"""Exceptions in plain words."""

import errno

import pytest

from models_backend.contract.fields import FieldError, Problem
from models_backend.contract.messages import TroubleError
from models_backend.workers.troubles import trouble_of


@pytest.mark.parametrize(
    "error, word",
    [
        (TroubleError("own words", "thing", "kept", "advice"), "own words"),
        (FieldError([Problem("a.b", 3, "less")]), "a.b: 3"),
        (MemoryError(), "memory ran out"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "memory ran out"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "No space left"),
        (NotImplementedError(), "cannot do that"),
        (ValueError("first line\nsecond"), "ValueError: first line"),
        (KeyError(), "KeyError"),
    ],
)
def test_every_exception_has_words_and_a_traceback(error, word):
    try:
        raise error
    except Exception as caught:
        trouble = trouble_of(caught, "run-1")
    assert word in trouble.what and "\n" not in trouble.what
    assert "Traceback" in trouble.detail
    assert trouble.item in ("run-1", "thing", "/x")
