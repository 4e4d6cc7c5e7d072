"""What is quickest on the machine at hand: the plain way unless another is clearly quicker, asked once, kept."""

import json

import pytest
import torch

from models_backend.networks import at_hand

A = f"a, {torch.get_num_threads()} threads"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(at_hand, "_known", {})
    monkeypatch.setattr(at_hand, "_used", set())
    monkeypatch.setattr(at_hand, "_file", None)


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
    assert at_hand.quickest("a", ways) == taken


def test_what_is_known_is_not_measured_again_and_runs_keep_it(monkeypatch):
    ways, tried = clock(monkeypatch, 1.0, 0.5)
    assert at_hand.quickest("a", ways) == at_hand.quickest("a", ways) == 1
    assert tried == [1 + at_hand.ROUNDS] * 2
    assert at_hand.choices() == {A: 1}
    at_hand.hold({A: 0})  # a run that was begun the plain way goes on so
    assert at_hand.quickest("a", ways) == 0


def test_kept_for_this_machine(monkeypatch, tmp_path):
    ways, tried = clock(monkeypatch, 1.0, 0.5)
    at_hand.keep_in(tmp_path)
    assert at_hand.quickest("a", ways) == 1
    (kept,) = tmp_path.glob("at-hand-*.json")
    assert json.loads(kept.read_text()) == {A: 1}
    monkeypatch.setattr(at_hand, "_known", {})
    monkeypatch.setattr(at_hand, "_file", None)
    at_hand.keep_in(tmp_path)
    assert at_hand.quickest("a", ways) == 1 and sum(tried) == 2 * (1 + at_hand.ROUNDS)
    monkeypatch.setattr(at_hand, "_processor", lambda: "another")
    monkeypatch.setattr(at_hand, "_known", {})
    at_hand.keep_in(tmp_path)
    at_hand.quickest("a", ways)
    assert sum(tried) == 4 * (1 + at_hand.ROUNDS)


def test_a_damaged_file_and_a_folder_that_cannot_be_written_are_no_trouble(monkeypatch, tmp_path):
    ways, _ = clock(monkeypatch, 1.0, 0.5)
    at_hand.keep_in(tmp_path)
    at_hand._file.write_text("{")
    monkeypatch.setattr(at_hand, "_file", None)
    at_hand.keep_in(tmp_path)
    assert at_hand.quickest("a", ways) == 1
    at_hand.keep_in(tmp_path / "is" / "not" / "there")
    assert at_hand.quickest("b", ways) == 1


def test_where_measuring_fails_the_plain_way_is_taken_and_asked_again():
    def too_much():
        raise RuntimeError("not enough memory")

    assert at_hand.quickest("a", [too_much, lambda: None]) == 0
    assert at_hand.choices() == {}
