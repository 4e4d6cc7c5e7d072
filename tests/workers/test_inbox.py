"""Calls in waiting: order, newest stamp, cancellation."""

import threading

import pytest

from models_backend.contract.messages import Decode, Sample
from models_backend.workers.inbox import Inbox, Pending


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def make(outcomes):
    def one(number, request, client="me"):
        return Pending(client, number, request, tell=lambda b: None, reply=lambda v: outcomes.append((number, v)),
                       fail=lambda t, stale: outcomes.append((number, t.what, stale)))  # fmt: skip

    return one


def test_calls_come_in_order_and_an_empty_inbox_gives_nothing(make):
    inbox = Inbox()
    for n in range(3):
        inbox.put(make(n, Sample(run="r")))
    assert [inbox.take(0).number for _ in range(3)] == [0, 1, 2]
    assert inbox.take(0.01) is None


def test_a_newer_stamp_answers_the_older_as_stale(make, outcomes):
    inbox = Inbox()
    running = make(1, Sample(run="r", stamp=1))
    inbox.put(running)
    assert inbox.take(0) is running
    for n in (2, 3):
        inbox.put(make(n, Sample(run="r", stamp=n)))
    assert running.cancelled() and running.overtaken
    assert [(n, stale) for n, _, stale in outcomes] == [(2, True)], "the running one answers for itself"
    inbox.put(make(4, Sample(run="r", stamp=2)))
    assert outcomes[-1][0] == 4, "one that comes late with an old stamp is stale at once"
    assert inbox.take(0).number == 3


@pytest.mark.parametrize(
    "other", [Sample(run="s", stamp=2), Sample(run="r", stamp=0), Decode(run="r", stamp=2)], ids=["run", "unstamped", "kind"]
)
def test_only_the_same_kind_of_the_same_run_is_overtaken(make, outcomes, other):
    inbox = Inbox()
    inbox.put(make(1, Sample(run="r", stamp=1)))
    inbox.put(make(2, other))
    assert outcomes == [] and len(inbox.waiting()) == 2


def test_two_callers_do_not_overtake_each_other(make, outcomes):
    inbox = Inbox()
    inbox.put(make(1, Sample(run="r", stamp=5), "one"))
    inbox.put(make(1, Sample(run="r", stamp=6), "two"))
    assert outcomes == []


def test_cancel_takes_out_what_waits_and_marks_what_runs(make, outcomes):
    inbox = Inbox()
    for n in range(3):
        inbox.put(make(n, Sample(run="r")))
    running = inbox.take(0)
    inbox.cancel("me", 1)
    assert outcomes == [(1, "cancelled", False)] and not running.cancelled()
    inbox.cancel("me")
    assert running.cancelled() and not inbox.waiting()


def test_take_wakes_for_a_call_a_wish_and_the_end(make):
    inbox, wish = Inbox(), threading.Event()
    threading.Timer(0.02, lambda: (wish.set(), inbox.wake())).start()
    assert inbox.take(5, wish.is_set) is None and wish.is_set()
    threading.Timer(0.02, inbox.put, [make(1, Sample(run="r"))]).start()
    assert inbox.take(5).number == 1
    threading.Timer(0.02, inbox.close).start()
    assert inbox.take(5) is None and inbox.closed
