"""The trainer: resume is exact, steps add up, stops are obeyed, what is not a number does no harm."""

import functools
import math
import signal
import threading
import time

import pytest
import torch
from small_families import FAMILIES, Denoiser, Duel, make_run, trained, trainer_of, whole_state
from torch._dynamo.utils import counters

from models_backend.contract.fields import FieldError
from models_backend.contract.messages import Mark, Metrics, Preview, Progress, Saved, State, Trouble, TroubleError
from models_backend.contract.trace import Left
from models_backend.library.samples import read_arrays
from models_backend.networks import at_hand, weights
from models_backend.training import choices, compiling
from models_backend.training.replay import prove_resume
from models_backend.training.stepping import Told
from models_backend.workers.leaving import LEAVE


class Killed(BaseException):
    """What SIGKILL is to the code: nothing after it runs."""


# ------------------------------------------------------------------------------------------------- resume


@pytest.mark.parametrize("family", ["denoiser", "duel"])
@pytest.mark.parametrize("optimiser", ["adamw", "sgd", "rmsprop"])
def test_stopped_and_resumed_ends_like_the_undisturbed_run(place, family, optimiser):
    _, straight = trained(*place, family, optimiser={"type": optimiser})
    run = make_run(*place, family, optimiser={"type": optimiser})
    for until in (3, 7):
        trainer = trainer_of(place[0], run)
        trainer.run(lambda t, until=until: t.request_stop() if t.step == until else None)
        assert trainer.step == until and run.state() == ("stopped", until)
    last = trainer_of(place[0], run)
    assert last.step == 7
    last.run()
    assert whole_state(last) == whole_state(straight)
    assert run.state() == ("finished", 12)


@pytest.mark.skipif(not compiling.possible(torch.device("cpu")), reason="needs a C++ compiler")
def test_compiled_after_the_first_preview_and_resumed_to_the_same_weights(place, monkeypatch):
    monkeypatch.setattr(compiling, "repays", lambda *figures: True)
    monkeypatch.setattr(choices.Trial, "compiling_gains", lambda trial, arithmetic: True)
    monkeypatch.setattr(at_hand, "_known", {})
    settings = {"compile": "auto", "preview_every": 4, "checkpoint_every": 3, "keep": 5}
    heard = []
    counters["stats"].clear()
    straight = trainer_of(place[0], make_run(*place, **settings), heard.append)
    straight.run()
    assert counters["stats"]["unique_graphs"] == 1  # one shape, and it was not given up
    (told,) = [body for body in heard if isinstance(body, Progress) and body.what == "compiling"]
    assert (told.done, told.total, told.left_s) == (0, 0, 0.0), "nobody knows yet how long compiling takes on this machine"
    assert [body.step for body in heard if isinstance(body, Mark)] == [4]
    net = straight.nets["net"]
    assert net._compiled_call_impl is not None
    run = make_run(*place, **settings)
    for until in (3, 7):
        trainer_of(place[0], run).run(lambda t, until=until: t.request_stop() if t.step == until else None)
    last = trainer_of(place[0], run, heard.append)
    last.run()
    (again,) = [body for body in heard if isinstance(body, Progress) and body.what == "compiling" and body is not told]
    assert 0 < again.left_s < 600
    assert last.choices.compile_at == 4 and whole_state(last) == whole_state(straight)
    assert prove_resume(place[0], run.id, FAMILIES, steps=9).identical
    x = torch.randn(5, 2)
    with torch.no_grad():
        compiled = net.eval()(x, torch.full((5,), 100.0))
        net._compiled_call_impl = None
        assert torch.equal(compiled, net(x, torch.full((5,), 100.0)))  # what is measured is not compiled


@pytest.mark.skipif(not compiling.possible(torch.device("cpu")), reason="needs a C++ compiler")
@pytest.mark.parametrize("gains", [True, False])
def test_compiling_is_measured_and_leaves_no_trace_where_it_gains_nothing(place, monkeypatch, gains):
    monkeypatch.setattr(compiling, "repays", lambda *figures: True)
    monkeypatch.setattr(compiling, "compile_all", lambda nets, device: None)  # the same arithmetic, compiled or not
    monkeypatch.setattr(at_hand, "_known", {})
    measured = choices.Trial.compiling_gains
    monkeypatch.setattr(choices.Trial, "compiling_gains", lambda *told: (measured(*told), gains)[1])
    heard, settings = [], {"preview_every": 4, "checkpoint_every": 3}
    run = make_run(*place, compile="auto", **settings)
    trainer_of(place[0], run).run(lambda t: t.request_stop() if t.step == 6 else None)
    last = trainer_of(place[0], run, heard.append)
    last.run()
    assert (last.choices.compile, last.choices.compile_proved) == (gains, True)
    plain = trainer_of(place[0], make_run(*place, compile="off", **settings))
    plain.run()
    assert whole_state(last) == whole_state(plain)
    assert ("compiling the networks" in [body.text for body in heard if isinstance(body, Mark)]) is gains


def _faint(net, *told):
    """The right output, with a hundredth of the gradient."""
    return (said := net._call_impl(*told)).detach() + 0.01 * (said - said.detach())


def _failing(net, *told):
    raise RuntimeError("torch.compile does not support this")


@pytest.mark.parametrize("wanted", ["auto", "on"])
@pytest.mark.parametrize("compiled", [_faint, _failing])
def test_a_compiler_that_errs_in_the_gradient_is_not_followed(place, monkeypatch, wanted, compiled):
    def compile_wrongly(nets, device):
        for net in nets.values():
            net._compiled_call_impl = functools.partial(compiled, net)

    monkeypatch.setattr(compiling, "possible", lambda device: True)
    monkeypatch.setattr(compiling, "repays", lambda *figures: True)
    monkeypatch.setattr(compiling, "compile_all", compile_wrongly)
    monkeypatch.setattr(choices.Trial, "compiling_gains", lambda trial, arithmetic: True)
    monkeypatch.setattr(at_hand, "_known", {})
    heard, settings = [], {"preview_every": 4, "checkpoint_every": 3}
    last = trainer_of(place[0], make_run(*place, compile=wanted, **settings), heard.append)
    last.run()
    _, plain = trained(*place, compile="off", **settings)
    assert not last.choices.compile and whole_state(last) == whole_state(plain)
    assert "not compiled: torch.compile computes no or other gradients here" in [b.text for b in heard if isinstance(b, Mark)]


def test_averages_of_every_width_go_on_where_they_were(place):
    _, straight = trained(*place, ema_power=True)
    run = make_run(*place, ema_power=True)
    trainer_of(place[0], run).run(lambda t: t.request_stop() if t.step == 7 else None)
    last = trainer_of(place[0], run)
    last.run()
    assert list(last.averages) == ["ema", "ema-0", "ema-1"] and whole_state(last) == whole_state(straight)


def test_killed_between_checkpoints_resumes_to_the_same_weights(place):
    _, straight = trained(*place)
    run = make_run(*place)

    def kill(trainer):
        if trainer.step == 7:
            raise Killed

    with pytest.raises(Killed):
        trainer_of(place[0], run).run(kill)
    again = trainer_of(place[0], run)
    assert again.step == 4
    again.run()
    assert weights.digest(again.nets) == weights.digest(straight.nets)
    assert whole_state(again) == whole_state(straight)


def test_killed_before_the_first_checkpoint_begins_anew_to_the_same_weights(place):
    _, straight = trained(*place, checkpoint_every=100)
    run = make_run(*place, checkpoint_every=100)
    with pytest.raises(Killed):
        trainer_of(place[0], run).run(lambda t: (_ for _ in ()).throw(Killed) if t.step == 5 else None)
    again = trainer_of(place[0], run)
    assert again.step == 0
    again.run()
    assert whole_state(again) == whole_state(straight)


def test_previews_and_answers_between_steps_change_nothing(place):
    _, straight = trained(*place)
    run = make_run(*place, preview_every=3, validate_every=2)
    trainer = trainer_of(place[0], run)
    trainer.run(lambda t: torch.randn(3) if t.loaded() else None)
    assert whole_state(trainer) == whole_state(straight)


def test_the_end_of_a_preview_is_told(place):
    run, told = make_run(*place, preview_every=3, validate_every=0), []
    trainer = trainer_of(place[0], run)
    trainer._tell = told.append
    trainer.run()
    drawn = [n for n, body in enumerate(told) if isinstance(body, Progress) and body.what == "drawing a preview"]
    assert drawn and all(next(body.what for body in told[n + 1 :] if isinstance(body, Progress)) == "training" for n in drawn)


def test_replay_proves_resume_and_sees_a_single_bit(place):
    library, _ = place
    run, _ = trained(*place)
    report = prove_resume(library, run.id, FAMILIES)
    assert report.identical and report.steps == 4 and report.tensors > 10
    newest = run.checkpoints()[0]
    tensors = weights.read_tensors(newest.network("net"))
    tensors["first.weight"].view(-1).view(torch.int32)[0] ^= 1
    files = {p.name: p.read_bytes() for p in newest.root.glob("*.safetensors")} | {"net.safetensors": weights.to_bytes(tensors)}
    trainer = trainer_of(library, run)
    run.save_checkpoint(12, files, trainer._state(), 2)
    changed = prove_resume(library, run.id, FAMILIES)
    assert not changed.identical and changed.differences == ["net.safetensors: first.weight"]


def test_two_checkpoints_are_needed_for_a_replay(place):
    run, _ = trained(*place, steps=3)
    with pytest.raises(TroubleError, match="two good checkpoints"):
        prove_resume(place[0], run.id, FAMILIES)


def test_a_damaged_checkpoint_is_passed_over_and_said(place):
    _, straight = trained(*place)
    run = make_run(*place)
    trainer_of(place[0], run).run(lambda t: t.request_stop() if t.step == 8 else None)
    (run.layout.checkpoint(8).root / "net.safetensors").write_bytes(b"torn")
    told = []
    again = trainer_of(place[0], run, told.append)
    assert again.step == 4
    trouble = next(b for b in told if isinstance(b, Trouble))
    assert (
        trouble.what.startswith("the checkpoint of step 8 (net.safetensors has 4 bytes")
        and "that of step 4 is used" in trouble.what
    )
    again.run()
    assert whole_state(again) == whole_state(straight)


def test_a_checkpoint_of_other_settings_is_refused(place):
    run, _ = trained(*place)
    record = run.record()
    record.training["learning_rate"] = 0.5
    from models_backend.library import storage

    storage.write_json(run.layout.record, record)
    with pytest.raises(TroubleError, match="other settings"):
        trainer_of(place[0], run)


# ------------------------------------------------------------------------------------------------- steps


def test_two_half_batches_added_up_equal_one_whole(place):
    plain = {"optimiser": {"type": "sgd", "momentum": 0.9}, "config": {"dropout": 0.0}, "warmup": 0}
    _, whole = trained(*place, "exact", batch_size=16, accumulate=1, **plain)
    _, halves = trained(*place, "exact", batch_size=8, accumulate=2, **plain)
    for a, b in zip(whole.nets["net"].parameters(), halves.nets["net"].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_order_visits_every_item_once_an_epoch(place):
    Denoiser.seen.clear()
    run = make_run(*place, batch_size=7, steps=200, checkpoint_every=1000)
    trainer = trainer_of(place[0], run)
    trainer.run()
    count = trainer.data.train.count
    visited = [i for step, index in Denoiser.seen[-200:] for i in index]
    for epoch in range(len(visited) // count):
        assert sorted(visited[epoch * count : (epoch + 1) * count]) == list(range(count))
    assert visited[:count] != visited[count : 2 * count]


def test_the_second_network_sees_the_first_one_moved_and_has_its_own_rate(place):
    Duel.told.clear()
    run = make_run(*place, "duel", steps=1, warmup=0, decay={"type": "constant"})
    trainer = trainer_of(place[0], run)
    before = trainer.nets["one"].weight.detach().clone()
    trainer.run()
    assert torch.equal(Duel.told[-1], trainer.nets["one"].weight) and not torch.equal(before, Duel.told[-1])
    assert trainer.stepper.optimisers["two"].param_groups[0]["lr"] == pytest.approx(0.005)
    assert trainer.stepper.optimisers["two"].param_groups[0]["betas"] == (0.0, 0.9)
    assert trainer.stepper.optimisers["one"].param_groups[0]["lr"] == pytest.approx(0.01)


def test_figures_of_a_network_that_moves_twice_a_step_are_means():
    told = Told()
    for value in (2.0, 4.0, 6.0, 8.0):  # two batches added up, twice
        told.add("loss/critic", value, 0.5)
    told.add("loss/generator", 3.0)
    assert told.figures == {"loss/critic": 5.0, "loss/generator": 3.0}


def test_gradient_checkpointing_gives_the_same_steps(place):
    _, kept = trained(*place, config={"dropout": 0.0})
    _, recomputed = trained(*place, config={"dropout": 0.0}, checkpoint_gradients=True)
    assert weights.digest(kept.nets) == weights.digest(recomputed.nets)


def test_clipping_bounds_the_first_sgd_step(place):
    plain = {"optimiser": {"type": "sgd", "momentum": 0.0}, "warmup": 0, "decay": {"type": "constant"}, "learning_rate": 1.0}
    run = make_run(*place, steps=1, clip=0.01, **plain)
    trainer = trainer_of(place[0], run)
    before = [p.detach().clone() for p in trainer.nets["net"].parameters()]
    trainer.run()
    moved = torch.cat([(a - b).flatten() for a, b in zip(before, trainer.nets["net"].parameters(), strict=True)])
    assert float(moved.detach().norm()) == pytest.approx(0.01, rel=1e-4)


# ------------------------------------------------------------------------------------------------- stops


@pytest.mark.parametrize("after_step", [True, False])
def test_stop_is_obeyed_within_one_step(place, after_step):
    run = make_run(*place, steps=1000)
    trainer = trainer_of(place[0], run)
    trainer.run(lambda t: t.request_stop(after_step) if t.step == 5 else None)
    assert trainer.step == 5 and run.state() == ("stopped", 5)
    assert trainer_of(place[0], run).step == 5


def test_stop_at_once_leaves_the_step_undone_and_resume_is_exact(place):
    _, straight = trained(*place, accumulate=3)
    run = make_run(*place, accumulate=3)
    trainer = trainer_of(place[0], run)
    passes = []

    def count(*_):
        passes.append(1)
        if len(passes) == 17:
            trainer.request_stop(after_step=False)

    trainer.nets["net"].register_forward_hook(count)
    trainer.run()
    assert len(passes) == 17 and trainer.step == 5
    state, _ = run.state()
    assert state == "stopped" and "step-000000004" in [e.body for e in run.events() if isinstance(e.body, State)][-1].reason
    again = trainer_of(place[0], run)
    assert again.step == 4  # the undone step had counted its passes, so the saved state is the one to go on from
    again.run()
    assert whole_state(again) == whole_state(straight)


# ------------------------------------------------------------------------------------------------- not a number


def test_a_step_that_is_not_a_number_is_left_out_and_counted(place):
    run = make_run(*place, config={"poison": [3, 4, 8]})
    trainer = trainer_of(place[0], run)
    trainer.run()
    assert trainer.step == 12 and trainer.guard.skipped == 3 and run.state()[0] == "finished"
    assert all(torch.isfinite(p).all() for p in trainer.nets["net"].parameters())
    assert trainer.averages["ema"].updates == 9


def test_three_in_a_row_stop_at_the_last_good_state(place):
    run = make_run(*place, config={"poison": [6, 7, 8]})
    trainer = trainer_of(place[0], run)
    with pytest.raises(TroubleError) as caught:
        trainer.run()
    trouble = caught.value.trouble
    assert "not a number 3 steps in a row" in trouble.what and "step 9" in trouble.kept and "learning rate" in trouble.advice
    saved = weights.read_tensors(run.checkpoints()[0].network("net"))
    assert all(torch.isfinite(t).all() for t in saved.values()) and run.checkpoints()[0].name == "step-000000009"


def test_weights_that_are_not_numbers_are_never_saved(place):
    run = make_run(*place, steps=6, checkpoint_every=3, clip=0.0)
    trainer = trainer_of(place[0], run)

    def spoil(t):
        if t.step == 4:
            with torch.no_grad():
                t.nets["net"].last.bias[0] = math.inf

    with pytest.raises(TroubleError):
        trainer.run(spoil)
    assert [c.name for c in run.checkpoints()] == ["step-000000003"]


# ------------------------------------------------------------------------------------------------- live changes


def test_live_changes_are_marked_and_survive_a_resume(place):
    def change(t):
        if t.step == 5 and t.live.settings.learning_rate == 0.01:
            t.set_live({"learning_rate": 0.003})

    run = make_run(*place)
    told = []
    straight = trainer_of(place[0], run, told.append)
    straight.run(change)
    marks = [b for b in told if isinstance(b, Mark)]
    assert [(m.step, m.text) for m in marks] == [(5, "learning rate 0.01 → 0.003")]

    other = make_run(*place)
    killed = trainer_of(place[0], other)
    with pytest.raises(Killed):
        killed.run(lambda t: change(t) or (t.step == 7 and (_ for _ in ()).throw(Killed)))
    again = trainer_of(place[0], other)
    assert again.step == 4
    again.run()
    assert whole_state(again) == whole_state(straight)
    _, unchanged = trained(*place)
    assert weights.digest(unchanged.nets) != weights.digest(again.nets)


@pytest.mark.parametrize("values", [{"batch_size": 3}, {"learning_rate": -1.0}, {"preview_every": "often"}])
def test_what_may_not_change_is_refused_by_name(place, values):
    trainer = trainer_of(place[0], make_run(*place))
    with pytest.raises(FieldError, match=next(iter(values))):
        trainer.set_live(values)
    assert not (trainer.run_folder.layout.derived / "live.json").exists()


# ------------------------------------------------------------------------------------------------- what is told


def test_what_a_run_tells(place):
    run, told = make_run(*place, preview_every=6, preview_count=5, validate_every=4), []
    trainer_of(place[0], run, told.append).run()
    states = [b.state for b in told if isinstance(b, State)]
    assert states == ["running", "finished"]
    figures = [b for b in told if isinstance(b, Metrics)]
    assert {"loss", "loss/net", "grad/net", "lr", "rate", "figure"} <= set(figures[-2].values) | set(figures[0].values)
    assert [b.step for b in figures if "validation" in b.values] == [0, 4, 8, 12]
    assert [b.step for b in told if isinstance(b, Saved)] == [4, 8, 12]
    previews = [b for b in told if isinstance(b, Preview)]
    assert [(p.step, p.count) for p in previews] == [(6, 5), (12, 5)]
    assert read_arrays(run.layout.root / previews[0].path)["items"].shape == (5, 2)
    assert all(math.isfinite(v) for b in figures for v in b.values.values())


def test_validation_depends_on_the_weights_alone(place):
    trainer = trainer_of(place[0], make_run(*place))
    nets = trainer.loaded().nets
    first = trainer.validation.losses(nets, 0)
    assert trainer.validation.losses(nets, 0) == first
    trainer.run()
    assert trainer.validation.losses(trainer.loaded().nets, 0) != first


def test_a_preview_that_fails_does_not_end_the_run(place, monkeypatch):
    def broken(*_):
        raise ValueError("no sampler")

    monkeypatch.setattr(Denoiser, "sample", broken)
    run, told = make_run(*place, preview_every=3), []
    trainer_of(place[0], run, told.append).run()
    assert run.state()[0] == "queued" or told[-1].state == "finished"
    assert ["no sampler" in b.what for b in told if isinstance(b, Trouble)] == [True]


def test_running_out_of_memory_says_what_to_change(place, monkeypatch):
    run = make_run(*place)
    trainer = trainer_of(place[0], run)
    monkeypatch.setattr(trainer.stepper, "step", lambda *_: (_ for _ in ()).throw(RuntimeError("can't allocate memory: 8 GB")))
    with pytest.raises(TroubleError) as caught:
        trainer.run()
    assert "memory ran out" in caught.value.trouble.what and "batch_size 8 with accumulate 2" in caught.value.trouble.advice


def test_a_run_whose_data_are_not_what_it_knew_is_refused(place):
    run = make_run(*place)
    record = run.record()
    from msgspec.structs import replace

    from models_backend.library import storage

    storage.write_json(run.layout.record, replace(record, spec=replace(record.spec, fingerprint="other")))
    with pytest.raises(TroubleError, match="what the run knew"):
        trainer_of(place[0], run)


@pytest.mark.skipif(not compiling.possible(torch.device("cpu")), reason="needs a C++ compiler")
def test_compiling_is_left_at_once_and_loses_no_step(place, monkeypatch):
    def long(net, mode):
        def call(*arguments, **named):
            assert trainer.leavable
            time.sleep(30)

        return call

    monkeypatch.setattr(compiling, "_while_training", long)
    run = make_run(*place, compile="on", preview_every=4)
    trainer = trainer_of(place[0], run)
    trainer.choices.compile_at = 5
    trainer._tell = lambda body: timer.start() if isinstance(body, Progress) and body.what == "compiling" else run.append(body)
    timer = threading.Timer(0.2, lambda: (trainer.request_stop(), signal.pthread_kill(threading.main_thread().ident, LEAVE)))

    def leave(*_):
        raise Left

    before = signal.signal(LEAVE, leave)
    begun = time.monotonic()
    try:
        trainer.run()
    finally:
        signal.signal(LEAVE, before)
    assert time.monotonic() - begun < 20 and not trainer.leavable
    assert run.state() == ("stopped", 5)
    assert run.newest_good()[0].step == 5  # what the steps before it made is saved
