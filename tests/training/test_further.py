"""A run that is trained further: exact like any other, never back in what was brought in, and its past is kept."""

import pytest
from small_families import FAMILIES, make_run, trained, trainer_of, whole_state

from models_backend.contract.messages import Mark, Metrics, Progress, Saved, State, TroubleError
from models_backend.library.lock import HeldError
from models_backend.networks import weights
from models_backend.training import loop
from models_backend.training.replay import prove_resume


def stopped_at(run, step):
    def stop(trainer):
        if trainer.step == step:
            trainer.request_stop()

    return stop


@pytest.mark.parametrize("family", ["denoiser", "duel"])
def test_finished_and_trained_further_with_stops_ends_like_without(place, family):
    library, _ = place
    straight, _ = trained(*place, family)
    straight.extend(30)
    at_once = trainer_of(library, straight)
    assert at_once.step == 12 and at_once.total == 30
    at_once.run()
    run, _ = trained(*place, family)
    run.extend(30)
    for until in (13, 22):
        trainer_of(library, run).run(stopped_at(run, until))
    last = trainer_of(library, run)
    last.run()
    assert whole_state(last) == whole_state(at_once) and run.state() == ("finished", 30)


@pytest.mark.parametrize("restart", [False, True])
def test_a_replay_across_the_extension_is_exact(place, restart):
    library, _ = place
    run, _ = trained(*place, keep=9)
    run.extend(20, restart)
    trainer_of(library, run).run()
    report = prove_resume(library, run.id, FAMILIES, steps=12)
    assert (report.identical, report.first, report.last) == (True, "step-000000008", "step-000000020")


def test_what_was_done_before_is_not_trained_otherwise(place):
    """The newest checkpoint is gone: the steps up to the extension are taken again as they were."""
    library, _ = place
    run, before = trained(*place, keep=9)
    state = whole_state(before)
    run.extend(16)
    (run.layout.checkpoint(12).root / "manifest.json").unlink()
    again = trainer_of(library, run)
    assert again.step == 8
    while again.step < 12:
        again.advance()
    assert whole_state(again) == state


def test_the_record_and_the_curve_tell_the_history_and_old_states_stay(place):
    library, _ = place
    run, _ = trained(*place)
    digest = run.record().training
    told = run.extend(40)
    assert [type(event.body) for event in told] == [State, Mark] and run.state() == ("stopped", 12)
    assert told[1].body.text == "trained on to 40 steps; the learning rate goes on at 0.84 of its peak"
    trainer_of(library, run).run()
    run.extend(50, restart=True)
    trainer_of(library, run).run()
    record = run.record()
    assert record.training == digest and record.steps == 50
    assert [(one.at, one.steps, one.restart) for one in record.extended] == [(12, 40, False), (40, 50, True)]
    assert [c.step for c in run.checkpoints()] == [50, 48, 40, 12], "where it had ended once is kept beside the newest two"
    rates = {m.step: m.values["lr"] for e in run.events() if isinstance(m := e.body, Metrics) and "lr" in m.values}
    # a figure is the mean since the one before: of a rate that falls from .84 of its peak to nothing, about .4 at the most
    assert 0 < rates[max(s for s in rates if s <= 40)] < 0.45 * 0.01 and run.checkpoint("step-000000012").step == 12


@pytest.mark.parametrize("steps", [12, 3, 0])
def test_a_total_that_is_not_beyond_what_is_done_is_refused(place, steps):
    run, _ = trained(*place)
    with pytest.raises(TroubleError, match="12 steps are done") as told:
        run.extend(steps)
    assert "more than 12" in told.value.trouble.advice and run.record().extended == () and run.state() == ("finished", 12)


def test_stopped_failed_and_killed_runs_can_be_told_how_far(place):
    library, _ = place
    stopped = make_run(*place)
    trainer_of(library, stopped).run(stopped_at(stopped, 6))
    stopped.extend(8)
    trainer_of(library, stopped).run()
    assert stopped.state() == ("finished", 8), "fewer than planned, more than done"
    failed = make_run(*place, config={"poison": [5, 6, 7]})
    with pytest.raises(TroubleError):
        trainer_of(library, failed).run()
    failed.append(State("failed", 8))
    failed.extend(20)
    trainer_of(library, failed).run()
    assert failed.state() == ("finished", 20)
    fresh = make_run(*place)
    fresh.extend(5)
    trainer_of(library, fresh).run()
    assert fresh.state() == ("finished", 5)


def test_a_run_in_training_is_left_alone(place):
    run = make_run(*place)
    with run.lock_worker():
        with pytest.raises(HeldError):
            run.extend(99)
        assert run.record().extended == ()


def test_another_run_goes_on_with_the_part_that_it_was_made_with(place):
    library, _ = place
    part, trainer = trained(*place)
    before = weights.digest(trainer.loaded().nets)
    user = make_run(*place, parts={"codec": part.id})
    part.extend(20)
    trainer_of(library, part).run()
    later = make_run(*place, parts={"codec": part.id})
    for run, step in ((user, 12), (later, 20)):
        loaded = weights.load_parts(library, run.record(), FAMILIES, "cpu")["codec"]
        assert loaded.step == step and (weights.digest(loaded.nets) == before) == (step == 12)


def test_a_resumed_run_knows_its_past_figures(place):
    """What was told of steps that are taken again is forgotten."""
    library, _ = place
    run = make_run(*place, validate_every=2)
    trainer_of(library, run).run(stopped_at(run, 8))
    told = trainer_of(library, run).teller.history
    assert [step for step, _ in told["validation"]] == [0, 2, 4, 6, 8]
    (run.layout.checkpoint(8).root / "manifest.json").unlink()
    again = trainer_of(library, run)
    assert [step for step, _ in again.teller.history["validation"]] == [0, 2, 4]
    again.run()
    assert [step for step, _ in trainer_of(library, run).teller.history["validation"]] == [0, 2, 4, 6, 8, 10, 12]


def test_a_run_whose_library_goes_while_it_starts_never_begins_from_step_0(place, library_root, tmp_path, monkeypatch):
    library, _ = place
    run, _ = trained(*place)
    run.extend(30)
    assembled = loop.assemble

    def moved(*given):
        made = assembled(*given)
        library_root.rename(tmp_path / "away")
        return made

    monkeypatch.setattr(loop, "assemble", moved)
    with pytest.raises(TroubleError, match="moved while the training started; nothing was trained"):
        trainer_of(library, run, begins=12)
    assert not library_root.exists()


def test_a_run_without_a_trace_of_the_checkpoint_that_there_was_does_not_begin_anew(place):
    library, _ = place
    run = make_run(*place)
    with pytest.raises(TroubleError, match="the checkpoint of step 12 was there"):
        trainer_of(library, run, begins=12)


def test_a_checkpoint_is_saved_by_time_too_and_takes_no_room_for_long(place, monkeypatch):
    library, _ = place
    run, saved = make_run(*place, checkpoint_every=5, keep=3), []
    trainer = trainer_of(library, run, lambda body: saved.append(body.step) if isinstance(body, Saved) else None)
    clock = [1000.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    standing = {}

    def between(trainer):
        standing[trainer.step] = sorted(layout.step for layout in run.checkpoints())
        clock[0] += 40.0

    trainer.run(between)
    assert saved == [2, 4, 5, 7, 9, 10, 12], "each 80 s, and where they are due"
    assert standing[3] == [2] and standing[6] == [4, 5] and standing[8] == [5, 7]
    assert sorted(layout.step for layout in run.checkpoints()) == [5, 10, 12]
    _, whole = trained(*place, checkpoint_every=5)
    assert whole_state(trainer) == whole_state(whole)


def test_saving_by_time_takes_no_more_than_its_share(place, monkeypatch):
    run, saved = make_run(*place, checkpoint_every=100, steps=20), []
    trainer = trainer_of(place[0], run, lambda body: saved.append(body.step) if isinstance(body, Saved) else None)
    clock, save = [1000.0], run.save_checkpoint
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])

    def slow(*given):
        clock[0] += 10.0
        return save(*given)

    monkeypatch.setattr(trainer.run_folder, "save_checkpoint", slow)
    trainer.run(lambda trainer: clock.__setitem__(0, clock[0] + 70.0))
    assert saved == [1, 9, 17, 20], "after 10 s of saving not before 500 s have passed"


def test_how_large_the_networks_are_is_told_at_the_start(place):
    heard = []
    trainer = trainer_of(place[0], make_run(*place, "duel"), heard.append)
    trainer.run()
    assert "training 12 parameters" in [body.what for body in heard if isinstance(body, Progress)]
