"""A batch in parts: the same items in the same order, one thread each, stopped together."""

import threading

import numpy as np
import pytest
import torch
from small_families import FAMILIES, opened, trained

from models_backend.contract.messages import Sample
from models_backend.contract.trace import Step, Stopped
from models_backend.networks import at_hand
from models_backend.sampling import draw as drawing
from models_backend.sampling import parts
from models_backend.sampling.loading import load_run


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("first", "count", "cut", "shares"), [
    (0, 16, 2, [(0, 8), (8, 8)]), (5, 7, 3, [(5, 2), (7, 2), (9, 3)]), (0, 1, 2, [(0, 1)]),
])  # fmt: skip
def test_shares_cover_every_item_once(first, count, cut, shares):
    assert parts.shares(first, count, cut) == shares


def test_parts_come_back_in_order_and_have_a_thread_each():
    seen = {}

    def make(first, count, on_step):
        seen[first] = threading.get_ident(), torch.get_num_threads()
        on_step(Step(1, 1, 0.0, 0.0))
        return torch.arange(first, first + count)

    told = []
    made = parts.drawn(3, 10, 2, make, lambda step, of: told.append(of))
    assert made.tolist() == list(range(3, 13)) and told == [5, 5]
    assert [threads for _, threads in seen.values()] == [1, 1]
    assert torch.get_num_threads() == 2


def test_a_stop_ends_every_part():
    going = threading.Barrier(2)

    def make(first, count, on_step):
        going.wait()
        for n in range(1_000_000):
            on_step(Step(n, 1_000_000, 0.0, 0.0))
        raise AssertionError("not stopped")

    def cancelled(step, of):
        if threading.current_thread().name.endswith("_0"):
            raise Stopped

    with pytest.raises(Stopped):
        parts.drawn(0, 4, 2, make, cancelled)
    assert torch.get_num_threads() == 2


def test_a_sample_is_the_same_whole_and_in_parts(library_root, monkeypatch):
    library, dataset = opened(library_root)
    run, _ = trained(library, dataset)
    loaded = load_run(library, run.id, FAMILIES, device="cpu")
    found = []
    for cut in (1, 2):
        monkeypatch.setattr(parts, "quickest", lambda *told, cut=cut: cut)
        found.append(drawing.draw(loaded, Sample(run.id, count=9, seed=3, save=False, sampling={"fresh": 0.5}), library)[1])
    library.close()
    assert np.allclose(found[0], found[1], atol=1e-6)


@pytest.fixture
def nothing_known(monkeypatch):
    monkeypatch.setattr(at_hand, "_known", {})
    monkeypatch.setattr(at_hand, "_taken", {})


def test_it_is_measured_by_the_first_steps_alone(nothing_known):
    steps = []

    def make(first, count, on_step):
        for n in range(50):
            steps.append(n)
            on_step(Step(n, 50, 0.0, 0.0))
        raise AssertionError("the whole sample was made")

    assert parts.quickest("net", 0, 8, make) in (1, 2)
    assert max(steps) == parts.MEASURED


def test_few_steps_are_not_worth_measuring(nothing_known):
    def make(first, count, on_step):
        on_step(Step(0, 4, 0.0, 0.0))
        raise AssertionError("went on")

    assert parts.quickest("net", 0, 8, make) == 1 and not at_hand._known
