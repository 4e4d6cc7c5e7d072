"""What a worker says of itself while it does something else than steps, and that what tells can be stopped."""

import pytest
from small_families import make_run, opened

from models_backend.contract.messages import LatentMap, Metrics, Progress, State
from models_backend.contract.trace import Stopped
from models_backend.workers import training
from models_backend.workers.answers import telling
from models_backend.workers.inbox import Pending


@pytest.fixture
def job(library_root, monkeypatch):
    library, dataset = opened(library_root)
    clock = [100.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: clock[0])
    made = training.TrainingJob(library, make_run(library, dataset), "cpu", lambda job: None)
    made._server.tell = lambda event: None
    yield made, clock
    library.close()


@pytest.mark.parametrize(
    "told, after_s, left_s",
    [
        (Progress(100, 700, "compiling", left_s=60.0), 45.0, 15.0),  # an estimate made at its beginning runs down
        (Progress(100, 700, "compiling", left_s=60.0), 90.0, 0.0),  # and is no longer told once it was wrong
        (Progress(50, 200, "preparing data from the parts"), 10.0, 30.0),  # by how far it is
        (Progress(0, 0, "loading torch and the families"), 5.0, 0.0),
        (Progress(0, 0, "drawing a preview"), 2.0, 0.0),
    ],
)
def test_every_heartbeat_says_what_is_done_in_place_of_steps(job, told, after_s, left_s):
    made, clock = job
    assert made._beat().what == ""
    made.tell(told)
    clock[0] += after_s
    made.tell(told)  # telling it again does not begin it again
    beat = made._beat()
    assert (beat.what, beat.for_s, beat.left_s) == (told.what, after_s, left_s)


@pytest.mark.parametrize(
    "end", [Metrics(5, {"loss": 1.0}), Progress(5, 9, "training"), State("paused", 5), State("finished", 9)]
)
def test_a_stage_is_over_with_the_next_step_or_state(job, end):
    made, _ = job
    made.tell(Progress(0, 0, "preparing the first batch"))
    made.tell(State("running", 0))
    assert made._beat().what == "preparing the first batch"  # it runs, and has no step yet
    made.tell(end)
    assert made._beat().what == ""


def test_what_tells_is_left_when_nobody_waits_any_longer():
    told = []
    pending = Pending(None, 1, LatentMap("run"), told.append, None, None)
    tell = telling(pending)
    tell(Progress(1, 4, "encoding the data"))
    pending.given_up = True
    with pytest.raises(Stopped):
        tell(Progress(2, 4, "encoding the data"))
    assert [one.done for one in told] == [1]
