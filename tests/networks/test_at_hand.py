"""What is quickest on the machine at hand: the plain way unless another is clearly quicker, asked once, kept."""

import json

import pytest
import torch

from models_backend.networks import at_hand

A = f"a, {torch.get_num_threads()} threads"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    forget(monkeypatch)


def forget(monkeypatch):
    """As in a new process, on a machine that has not been asked before."""
    monkeypatch.setattr(at_hand, "_known", {})
    monkeypatch.setattr(at_hand, "_taken", {})
    monkeypatch.setattr(at_hand, "_file", None)


def asked(key, ways):
    return at_hand.taken(key, lambda: at_hand.quickest(ways))


def clock(monkeypatch, *seconds):
    """Every way takes what the test says; how often each was tried."""
    now, tried = [0.0], [0] * len(seconds)

    def way(n):
        def act():
            tried[n] += 1
            now[0] += seconds[n]

        return act

    monkeypatch.setattr(at_hand.time, "perf_counter", lambda: now[0])
    return [way(n) for n in range(len(seconds))], tried


@pytest.mark.parametrize(("seconds", "taken"), [((1.0, 0.5), 1), ((1.0, 0.95), 0), ((1.0, 2.0), 0), ((1.0, 0.7, 0.6), 2)])
def test_another_way_is_taken_only_where_it_is_clearly_quicker(monkeypatch, seconds, taken):
    ways, _ = clock(monkeypatch, *seconds)
    assert at_hand.quickest(ways) == taken


def test_what_is_known_is_not_measured_again_and_runs_keep_it(monkeypatch):
    ways, tried = clock(monkeypatch, 1.0, 0.5)
    assert asked("a", ways) == asked("a", ways) == 1
    assert tried == [1 + at_hand.ROUNDS] * 2
    assert at_hand.choices() == {A: 1}
    at_hand.hold({A: 0})  # a run that was begun the plain way goes on so
    assert asked("a", ways) == 0
    at_hand.hold({})  # and the next one goes by what this machine found, not by that run
    assert at_hand.choices() == {} and asked("a", ways) == 1


def test_what_a_run_brings_along_is_not_taken_for_this_machines_own(monkeypatch, tmp_path):
    ways, _ = clock(monkeypatch, 1.0, 0.5)
    at_hand.keep_in(tmp_path)
    at_hand.hold({A: 0})
    assert (asked("a", ways), asked("b", ways)) == (0, 1)
    (kept,) = tmp_path.glob("at-hand-*.json")
    assert list(json.loads(kept.read_text())) == [A.replace("a,", "b,")]


def test_kept_for_this_machine(monkeypatch, tmp_path):
    ways, tried = clock(monkeypatch, 1.0, 0.5)
    at_hand.keep_in(tmp_path)
    assert asked("a", ways) == 1
    (kept,) = tmp_path.glob("at-hand-*.json")
    assert json.loads(kept.read_text()) == {A: 1}
    forget(monkeypatch)
    at_hand.keep_in(tmp_path)
    assert asked("a", ways) == 1 and sum(tried) == 2 * (1 + at_hand.ROUNDS)
    monkeypatch.setattr(at_hand, "_processor", lambda: "another")
    forget(monkeypatch)
    at_hand.keep_in(tmp_path)
    asked("a", ways)
    assert sum(tried) == 4 * (1 + at_hand.ROUNDS)


def test_a_damaged_file_and_a_folder_that_cannot_be_written_are_no_trouble(monkeypatch, tmp_path):
    ways, _ = clock(monkeypatch, 1.0, 0.5)
    at_hand.keep_in(tmp_path)
    at_hand._file.write_text("{")
    monkeypatch.setattr(at_hand, "_file", None)
    at_hand.keep_in(tmp_path)
    assert asked("a", ways) == 1
    at_hand.keep_in(tmp_path / "is" / "not" / "there")
    assert asked("b", ways) == 1


def test_where_measuring_fails_the_plain_way_is_taken_for_good_and_the_machine_is_asked_again():
    def too_much():
        raise RuntimeError("not enough memory")

    assert asked("a", [too_much, lambda: None]) == 0
    assert at_hand.choices() == {A: 0} and at_hand._known == {}
