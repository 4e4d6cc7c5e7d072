"""The main thread is taken out of what nobody waits for, at the places where that does no harm."""

import signal
import sys
import threading
import time

import pytest

from models_backend.contract.trace import Left
from models_backend.workers.inbox import Inbox, Pending
from models_backend.workers.leaving import LEAVE, Leaver

pytestmark = pytest.mark.skipif(LEAVE is None, reason="signals")


@pytest.fixture(autouse=True)
def handler():
    before = signal.getsignal(LEAVE)
    yield
    signal.signal(LEAVE, before)


def later(act, seconds=0.1):
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def test_it_comes_out_of_anything():
    wanted = threading.Event()
    leaver = Leaver(wanted.is_set, lambda: True, ends=True)
    later(lambda: (wanted.set(), leaver.ask()))
    begun = time.monotonic()
    with pytest.raises(Left):
        time.sleep(30)
    wanted.clear()
    assert time.monotonic() - begun < 15


def test_it_is_left_in_peace_where_it_may_not_be_left_and_asked_again_afterwards():
    wanted, may = threading.Event(), threading.Event()
    leaver = Leaver(wanted.is_set, may.is_set, ends=True)
    wanted.set()
    leaver.ask(), leaver.ask()
    time.sleep(0.6)  # writes, say
    may.set()
    with pytest.raises(Left):
        time.sleep(30)
    wanted.clear()


@pytest.mark.parametrize("ends", [True, False])
def test_a_process_that_goes_on_finishes_its_imports(tmp_path, monkeypatch, ends):
    (tmp_path / "slow_to_import.py").write_text("import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end:\n"
                                                "    time.sleep(0.01)\ndone = True\n")  # fmt: skip
    monkeypatch.syspath_prepend(str(tmp_path))
    wanted = threading.Event()
    leaver = Leaver(wanted.is_set, lambda: True, ends=ends)
    later(lambda: (wanted.set(), leaver.ask()))
    with pytest.raises(Left):
        import slow_to_import  # noqa: F401

        time.sleep(30)
    wanted.clear()
    assert ("slow_to_import" in sys.modules) is not ends
    sys.modules.pop("slow_to_import", None)


def test_an_inbox_says_that_the_call_under_way_is_given_up_and_only_then():
    said, client = [], object()
    inbox = Inbox(given_up=lambda: said.append(inbox.in_vain()))
    calls = [Pending(client, n, None, None, None, lambda trouble, stale: None) for n in (1, 2)]
    for call in calls:
        inbox.put(call)
    assert inbox.take() is calls[0]
    inbox.cancel(client, 2)
    assert said == [] and not inbox.in_vain()
    inbox.cancel(client, 1)
    assert said == [True]
    inbox.take(0.0)
    assert not inbox.in_vain()
