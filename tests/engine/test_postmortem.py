"""Causes of death in plain words."""

import pytest

from models_backend.engine import postmortem


@pytest.mark.parametrize(
    "status, log, word",
    [
        (-11, "", "SIGSEGV"),
        (-6, "", "SIGABRT"),
        (-7, "", "SIGBUS"),
        (-15, "", "SIGTERM"),
        (-9, "", "SIGKILL"),
        (-40, "", "signal 40"),
        (1, "Traceback\nValueError: bad thing\n", "ValueError: bad thing"),
        (1, "RuntimeError: CUDA out of memory. Tried\n", "memory ran out"),
        (3, "", "exit status 3"),
        (None, "", "vanished"),
    ],
)
def test_the_cause_is_named_with_advice(tmp_path, status, log, word):
    path = tmp_path / "log.txt"
    path.write_text(log)
    trouble = postmortem.cause_of_death(status, path, postmortem.oom_kills(), "run-1", "kept")
    assert word in trouble.what
    assert trouble.advice and trouble.item == "run-1" and trouble.kept == "kept"


def test_a_kill_while_the_system_ran_out_of_memory_says_so(tmp_path):
    trouble = postmortem.cause_of_death(-9, tmp_path / "none", postmortem.oom_kills() - 1)
    assert "memory ran out" in trouble.what and "batch" in trouble.advice


def test_the_tail_is_short_and_survives_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"\xff\xfe line\n" * 100_000)
    assert len(postmortem.tail(path).splitlines()) == postmortem.LINES
    assert postmortem.tail(tmp_path / "absent") == ""


@pytest.mark.parametrize("status, log", [(s, "") for s in (-11, -6, -7, -15, -9, -24, -40, 3, None)] + [(1, "out of memory")])
def test_a_run_that_has_saved_nothing_is_not_to_be_resumed(tmp_path, status, log):
    path = tmp_path / "log.txt"
    path.write_text(log)
    without, there = (postmortem.cause_of_death(status, path, postmortem.oom_kills(), saved=saved) for saved in (False, True))
    assert "resume" not in without.advice.lower() and without.what == there.what
    assert ("resume" in there.advice.lower()) == (not log), "a run keeps the settings that took too much memory"
