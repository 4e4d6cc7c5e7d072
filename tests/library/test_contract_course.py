"""From where a run goes on."""

from __future__ import annotations

import pytest

from models_backend.contract.course import Resumption


@pytest.mark.parametrize(
    ("step", "saved", "again", "stays", "words"),
    [
        (0, 0, 0, True, "it begins"),
        (7, 7, 0, True, "it goes on"),
        (7, 0, 7, False, "it has no checkpoint and begins at step 0"),
        (1461, 1424, 37, False, "it goes on from the checkpoint at step 1,424; 37 steps are done again"),
        (193, 500, 0, False, "it goes on from the checkpoint at step 500"),
        (0, 500, 0, False, "it goes on from the checkpoint at step 500"),
    ],
)
def test_a_run_goes_on_from_its_newest_checkpoint(step, saved, again, stays, words):
    one = Resumption(step, saved)
    assert (one.again, one.stays, one.words) == (again, stays, words)
