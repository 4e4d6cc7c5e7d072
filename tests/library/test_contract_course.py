"""From where a run goes on."""

from __future__ import annotations

import pytest

from models_backend.contract.course import Course, Resumption
from models_backend.contract.settings import TrainingSettings


def test_losses_are_of_one_kind_since_their_weights_last_changed():
    course = Course(TrainingSettings(steps=1000))
    steps = [0, 100, 200, 300, 400]
    for told, since in ((lambda p: min(p, 0.25), 300), (lambda p: p, 400), (lambda p: 1, 0), (lambda p: p < 0.3, 300)):
        assert course.alike_since(told, steps) == since
    assert course.alike_since(lambda p: min(p, 0.25), steps[:3]) == 200 and course.alike_since(lambda p: p, []) == 0


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
