"""What a worker says of itself while it does something else than steps, and that what tells can be stopped."""

import itertools

import pytest
from small_families import make_run, opened, trained
from workers_calls import Heard, answers

from models_backend.contract.messages import LatentMap, Metrics, Progress, State, TroubleError
from models_backend.contract.trace import Stopped
from models_backend.library import standing, storage
from models_backend.workers import answers as answers_module
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
        (Progress(0, 0, "compiling", left_s=60.0), 45.0, 15.0),  # an estimate made at its beginning runs down
        (Progress(0, 0, "compiling", left_s=60.0), 90.0, 0.0),  # and is no longer told once it was wrong
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


def test_a_library_that_goes_before_the_first_step_is_not_waited_for(job, library_root, tmp_path):
    made, _ = job
    made.run.append(State("starting", 0))

    class Preparing:
        step = 0

        def prepare(self):
            library_root.rename(tmp_path / "away")
            storage.make_folder(made.run.layout.derived / "more")

    made._equip = lambda job: (Preparing(), None)
    standing.when_gone(made.wait_for_library)
    try:
        with pytest.raises(TroubleError, match="moved while the training started"):
            made._made_ready()
    finally:
        standing.when_gone()
        (tmp_path / "away").rename(library_root)


def test_what_tells_is_left_when_nobody_waits_any_longer():
    told = []
    pending = Pending(None, 1, LatentMap("run"), told.append, None, None)
    tell = telling(pending)
    tell(Progress(1, 4, "encoding the data"))
    pending.given_up = True
    with pytest.raises(Stopped):
        tell(Progress(2, 4, "encoding the data"))
    assert [one.done for one in told] == [1]


def test_a_map_says_what_it_does_and_what_is_left_from_its_first_second(library_root, monkeypatch):
    library, dataset = opened(library_root)
    run, _ = trained(library, dataset)
    clock = itertools.count(100.0, 2.0)
    monkeypatch.setattr(answers_module.time, "monotonic", lambda: float(next(clock)))
    heard = Heard(LatentMap(run.id, limit=300))
    answers(library).answer(heard)
    library.close()
    assert heard.value is not None and heard.trouble is None
    assert [one.what for one in heard.told[:2]] == ["loading the run", "opening the data"]
    encoding = [one for one in heard.told if one.what == "encoding the data"]
    assert len(encoding) >= 6 and [one.left_s for one in encoding[:3]] == [0.0, 0.0, 0.0]
    for one in encoding[3:]:
        assert one.rate == 16.0 and one.left_s == pytest.approx((one.total - one.done) / 16, abs=0.06)


def test_an_estimate_of_the_work_itself_is_not_replaced():
    told = []
    tell = telling(Pending(None, 1, LatentMap("run"), told.append, None, None))
    for done in range(6):
        tell(Progress(done, 9, "sampling", 2.0, 3.5))
    assert [(one.rate, one.left_s) for one in told] == [(2.0, 3.5)] * 6
