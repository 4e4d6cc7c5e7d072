"""The parts of the trainer, each against its closed form."""

import functools
import math

import numpy as np
import psutil
import pytest
import torch
from small_families import FAMILIES, Denoiser, make_run, opened, trainer_of
from torch import nn

from models_backend.contract.course import Course
from models_backend.contract.family import Sharing
from models_backend.contract.messages import Budget, Levels, Metrics, Progress, TroubleError
from models_backend.contract.run_layout import Extension
from models_backend.contract.settings import SGD, AdamW, Constant, Cosine, Linear, RMSprop, TrainingSettings
from models_backend.networks import at_hand, averaging, precision
from models_backend.objectives import adversarial
from models_backend.training import activations, choices, compiling, ema, optimisers, randomness, stages
from models_backend.training.batches import Order
from models_backend.training.budget import measure
from models_backend.training.ema import Average, decay_at
from models_backend.training.loss_scale import LossScale
from models_backend.training.telling import BINS, Teller

# ------------------------------------------------------------------------------------------------- learning rate


def factor(settings, step):
    return Course(settings).factor(step)


def test_warm_up_rises_along_a_line_to_the_peak():
    settings = TrainingSettings(steps=100, warmup=4, decay=Constant())
    assert [factor(settings, k) for k in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "decay, middle, end",
    [(Cosine(), 0.5, 0.0), (Cosine(0.2), 0.6, 0.2), (Linear(), 0.5, 0.0), (Linear(0.2), 0.6, 0.2), (Constant(), 1.0, 1.0)],
)
def test_decay_starts_at_the_peak_and_ends_where_it_should(decay, middle, end):
    settings = TrainingSettings(steps=110, warmup=10, decay=decay)
    assert factor(settings, 10) == pytest.approx(1.0)
    assert factor(settings, 60) == pytest.approx(middle)
    assert factor(settings, 110) == factor(settings, 500) == pytest.approx(end)


def test_no_step_has_a_rate_of_zero_in_the_warm_up():
    assert factor(TrainingSettings(steps=1, warmup=1000), 0) == pytest.approx(0.001)


def test_trained_further_the_decay_is_laid_over_the_new_length_or_begins_anew():
    settings = TrainingSettings(steps=100, warmup=20)
    longer = Course(settings, [Extension(100, 180)])
    assert longer.total == 180 and longer.factor(99) == Course(settings).factor(99), "what is done stays as it was"
    assert longer.factor(100) == pytest.approx(0.5), "half a cosine over 180 steps is at its middle at step 100"
    assert longer.factor(179) == pytest.approx(0.0, abs=1e-3)
    again = Course(settings, [Extension(100, 220, restart=True)])
    assert [again.factor(step) for step in (99, 100, 119, 120, 170)] == pytest.approx(
        [factor(settings, 99), 0.05, 1.0, 1.0, 0.5]
    )
    twice = Course(settings, [Extension(100, 220, restart=True), Extension(220, 320)])
    assert twice.factor(219) == again.factor(219) and twice.factor(220) == pytest.approx(0.5)
    sooner = Course(settings, [Extension(50, 60)])
    assert sooner.total == 60 and sooner.factor(40) == factor(settings, 40) and sooner.factor(55) < 0.05


def test_what_is_brought_in_along_a_run_never_goes_back():
    settings = TrainingSettings(steps=100)
    finished, stopped = Course(settings, [Extension(100, 400)]), Course(settings, [Extension(40, 400), Extension(220, 230)])
    assert [finished.progress(step) for step in (0, 50, 99, 100, 250, 400)] == [0, 0.5, 0.99, 1, 1, 1]
    assert [stopped.progress(step) for step in (39, 40, 220, 225, 230)] == pytest.approx([0.39, 0.4, 0.7, 0.85, 1])
    rising = [stopped.progress(step) for step in range(231)]
    assert rising == sorted(rising)


# ------------------------------------------------------------------------------------------------- average


def test_average_of_a_moving_weight_equals_the_closed_form():
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(1.0)
    average = Average({"net": net}, ema.exponential(0.9, False))
    for k in range(1, 6):
        with torch.no_grad():
            net.weight.fill_(1.0 + k)
        average.update()
    # a_n = d^n a_0 + (1 - d) sum d^(n-k) w_k
    exact = 0.9**5 * 1.0 + 0.1 * sum(0.9 ** (5 - k) * (1.0 + k) for k in range(1, 6))
    assert float(average.nets["net"].weight.detach()) == pytest.approx(exact, rel=1e-6)


def test_the_average_follows_quickly_at_first():
    assert decay_at(0.999, 0, True) == pytest.approx(0.1)
    assert decay_at(0.999, 90, True) == pytest.approx(91 / 100)
    assert decay_at(0.999, 10**6, True) == 0.999
    assert decay_at(0.999, 0, False) == 0.999


def test_buffers_are_copied_and_the_average_stays_in_eval_mode():
    net = nn.BatchNorm1d(2)
    average = Average({"net": net}, ema.exponential(0.5, True))
    net(torch.randn(8, 2) + 3)
    average.update()
    kept = average.nets["net"]
    assert torch.equal(kept.running_mean, net.running_mean) and int(kept.num_batches_tracked) == 1
    assert not kept.training and not any(p.requires_grad for p in kept.parameters())


def walk(steps, widths, at=()):
    """Averages of the widths over weights 1, 4, 9, ..., and what each was after the steps ``at``."""
    net = nn.Linear(1, 1, bias=False)
    kept = {width: Average({"net": net}, ema.power(width)) for width in widths}
    seen = {}
    for k in range(1, steps + 1):
        with torch.no_grad():
            net.weight.fill_(float(k * k))
        for average in kept.values():
            average.update()
        if k in at:
            seen |= {(k, width): float(average.nets["net"].weight) for width, average in kept.items()}
    return seen


def test_a_power_average_has_the_published_profile():
    for width, gamma in ((0.05, 16.97), (0.10, 6.94)):  # Karras 2024, section 3.1
        assert averaging.gamma_of(width) == pytest.approx(gamma, abs=0.01)
        exact = 1000**2 * (gamma + 1) / (gamma + 3)  # the mean of t^2 under t^gamma
        assert walk(1000, [width], {1000})[1000, width] == pytest.approx(exact, rel=3e-3)
        spread = math.sqrt((gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)))
        assert spread == pytest.approx(width, rel=1e-3)


@pytest.mark.parametrize("wanted", [0.05, 0.06, 0.08, 0.1, 0.12])
def test_any_width_is_made_afterwards_of_two(wanted):
    places = {250, 500, 750, 1000}
    seen = walk(1000, averaging.KEPT, places)
    steps, widths = zip(*seen, strict=True)
    factors = averaging.mixing(steps, widths, 1000, wanted)
    assert sum(factors) == pytest.approx(1, abs=0.02)
    made = sum(f * v for f, v in zip(factors / sum(factors), seen.values(), strict=True))
    assert made == pytest.approx(walk(1000, [wanted], {1000})[1000, wanted], rel=1e-2)


# ------------------------------------------------------------------------------------------------- stages


def test_sides_double_in_even_stages_and_end_whole():
    assert stages.sides(0, 32) == [32] and stages.sides(8, 32) == [8, 16, 32] and stages.sides(12, 32) == [12, 24, 32]
    x = torch.arange(64.0).view(1, 1, 8, 8)
    seen = [stages.at(x, 2, progress).shape[-1] for progress in (0.0, 0.33, 0.34, 0.66, 0.67, 1.0)]
    assert seen == [2, 2, 4, 4, 8, 8]
    assert stages.at(x, 2, 0.0)[0, 0, 0, 0] == x[0, 0, :4, :4].mean() and stages.at(x, 2, 1.0) is x
    assert stages.at(torch.zeros(1, 3, 8, 16), 4, 0.0).shape == (1, 3, 2, 4)
    points = torch.zeros(5, 2)
    assert stages.at(points, 4, 0.0) is points


def test_what_takes_one_size_only_is_refused_before_the_first_step(library_root):
    library, dataset = opened(library_root)
    try:
        with pytest.raises(TroubleError, match="one size only; set it to 0"):
            trainer_of(library, make_run(library, dataset, grow_from=4))
    finally:
        library.close()


# ------------------------------------------------------------------------------------------------- optimisers


@pytest.mark.parametrize("settings", [AdamW(weight_decay=0.1), SGD(), RMSprop()])
def test_optimiser_state_goes_there_and_back_bit_for_bit(settings):
    def fresh():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 1)).to(memory_format=torch.channels_last)
        return {"net": net}, {"net": optimisers.make(settings, net, 0.1, Sharing())}

    def move(nets, steppers, first, last):
        for k in range(first, last):
            steppers["net"].zero_grad()
            nets["net"](torch.full((2, 1, 4, 4), 1.0 + k)).square().sum().backward()
            steppers["net"].step()

    straight, cut, resumed = fresh(), fresh(), fresh()
    move(*straight, 0, 5)
    move(*cut, 0, 3)
    resumed[0]["net"].load_state_dict(cut[0]["net"].state_dict())
    kept = {k: v.clone() for k, v in optimisers.tensors_of(cut[1], cut[0]).items()}
    optimisers.restore(resumed[1], resumed[0], kept)
    move(*resumed, 3, 5)
    assert all(torch.equal(a, b) for a, b in zip(straight[0]["net"].parameters(), resumed[0]["net"].parameters(), strict=True))
    ended, same = (optimisers.tensors_of(steppers, nets) for nets, steppers in (straight, resumed))
    assert ended.keys() == same.keys() == kept.keys() and all(torch.equal(ended[k], same[k]) for k in ended)
    assert all(k.split("|")[0] == "net" for k in kept)


def test_state_of_another_network_is_refused():
    net = nn.Linear(2, 2)
    steppers = {"net": optimisers.make(AdamW(), net, 0.1, Sharing())}
    with pytest.raises(TroubleError, match="another network"):
        optimisers.restore(steppers, {"net": net}, {"net|strange|exp_avg": torch.zeros(2)})


# ------------------------------------------------------------------------------------------------- randomness


def test_every_step_rank_purpose_and_part_has_a_stream_of_its_own():
    words = {
        randomness.stream(seed, step, rank, purpose, part)
        for seed in range(3) for step in range(5) for rank in range(3) for purpose in range(3) for part in range(3)
    }  # fmt: skip
    assert len(words) == 3 * 5 * 3 * 3 * 3
    assert len({w & 0xFFFFFFFF for w in words}) == len(words)


def test_the_row_of_items_does_not_depend_on_how_it_is_cut():
    whole = Order(3, 10).items(0, 35)
    cut = np.concatenate([Order(3, 10).items(a, a + 7) for a in range(0, 35, 7)])
    assert np.array_equal(whole, cut)
    assert [sorted(whole[i : i + 10].tolist()) for i in (0, 10, 20)] == [list(range(10))] * 3


# ------------------------------------------------------------------------------------------------- arithmetic


def test_loss_scale_halves_on_overflow_and_doubles_after_patience():
    scale = LossScale("fp16", patience=2)
    assert scale.value == 65536
    scale.overflowed()
    assert scale.value == 32768
    scale.went_well()
    scale.went_well()
    assert scale.value == 65536
    gradient = torch.full((3,), 65536.0)
    scale.unscale([gradient])
    assert torch.equal(gradient, torch.ones(3))
    assert LossScale("bf16").value == 1.0


class _Clocked:
    """A trial whose passes take what the test says."""

    device = torch.device("cpu")
    nets: dict = {}
    name = "clocked"

    def __init__(self, **seconds):
        self._seconds, self.asked = seconds, []

    def seconds(self, *ways):
        self.asked += [f"{way.arithmetic} channels last" if way.channels_last else way.arithmetic for way in ways]
        return [self._one(way) for way in ways]

    def _one(self, way):
        if (way.threads or torch.get_num_threads()) == 1 and "alone" in self._seconds:
            return self._seconds["alone"]
        return self._seconds["last" if way.channels_last else way.arithmetic]

    def repeats(self, arithmetic):
        return False


@pytest.mark.parametrize("bf16, chosen", [(0.5, "bf16"), (0.98, "fp32"), (1.5, "fp32")])
def test_auto_takes_bf16_where_it_is_measured_faster(monkeypatch, bf16, chosen):
    monkeypatch.setattr(precision, "may_be_faster", lambda device: True)
    trial = _Clocked(fp32=1.0, bf16=bf16)
    assert choices.choose(TrainingSettings(), trial, 10).precision == chosen
    assert trial.asked == ["fp32", "bf16"]


def test_nothing_is_measured_where_the_machine_has_no_bf16(monkeypatch):
    monkeypatch.setattr(precision, "may_be_faster", lambda device: False)
    trial = _Clocked()
    assert choices.choose(TrainingSettings(), trial, 10).precision == "fp32" and trial.asked == []


@pytest.mark.parametrize(("alone", "threads"), [(0.5, 1), (0.98, 2), (2.0, 2)])
def test_one_thread_is_taken_where_it_is_measured_faster(alone, threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        trial = _Clocked(fp32=1.0, alone=alone)
        settings = TrainingSettings(precision="fp32", compile="off")
        assert choices.choose(settings, trial, 10).threads == 2 and trial.asked == []  # not worth it for ten steps
        chosen = choices.choose(settings, trial, 1000)
        assert (chosen.threads, torch.get_num_threads(), chosen.step_s) == (threads, threads, alone if threads == 1 else 1.0)
        torch.set_num_threads(2)
        told = TrainingSettings(precision="fp32", compile="off", threads=2)
        assert choices.choose(told, trial, 1000).threads == 2
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("half", "taken"), [(True, ("bf16", 1, 0.2)), (False, ("fp32", 1, 0.6))], ids=["half precision", "none"]
)
def test_arithmetic_and_threads_are_chosen_together(monkeypatch, two_threads, half, taken):
    monkeypatch.setattr(precision, "may_be_faster", lambda device: half)
    times = {("fp32", 2): 1.0, ("bf16", 2): 0.95, ("fp32", 1): 0.6, ("bf16", 1): 0.2}
    trial = _Clocked()
    trial.seconds = lambda *ways: [times[way.arithmetic, way.threads] for way in ways]
    chosen = choices.choose(TrainingSettings(compile="off"), trial, 1000)
    assert (chosen.precision, chosen.threads, chosen.step_s) == taken


def test_a_trial_takes_the_least_of_the_steps_of_each_way_in_turn(monkeypatch, two_threads):
    trial, seen = choices.Trial(None, {}, None, torch.device("cpu"), None), []
    took = {"fp32": iter([9.0, 3.0, 8.0, 2.0]), "bf16": iter([7.0, 6.0, 1.0, 4.0])}  # the first warms up; others only add

    def step_of(nets, arithmetic):
        return lambda: seen.append((arithmetic, torch.get_num_threads())) or next(took[arithmetic])

    monkeypatch.setattr(trial, "_step_of", step_of)
    assert trial.seconds(choices.Way("fp32"), choices.Way("bf16", 1)) == [2.0, 1.0]
    assert seen == [("fp32", 2), ("bf16", 1)] * 4 and torch.get_num_threads() == 2


@pytest.mark.parametrize(("last", "taken"), [(0.5, True), (0.98, False), (2.0, False)])
def test_pictures_lie_channels_last_where_that_is_measured_faster(monkeypatch, last, taken):
    monkeypatch.setattr(at_hand, "_known", {})
    monkeypatch.setattr(at_hand, "_taken", {})
    trial = _Clocked(fp32=1.0, last=last)
    settings = TrainingSettings(precision="fp32", compile="off")
    assert not choices.choose(settings, trial, 1000).channels_last and trial.asked == []  # nothing convolves
    trial.nets = {"net": nn.Conv2d(8, 8, 3)}
    assert not choices.choose(settings, trial, 10).channels_last and trial.asked == []  # not worth it for ten steps
    assert choices.choose(settings, trial, 1000).channels_last is taken
    assert trial.asked[-2:] == ["fp32", "fp32 channels last"]


def test_compile_is_used_only_where_the_steps_repay_it(monkeypatch):
    monkeypatch.setattr(compiling, "possible", lambda device: True)
    settings = TrainingSettings(precision="fp32", compile="auto")
    assert not choices.choose(settings, _Clocked(fp32=0.5), 20).compile
    assert choices.choose(settings, _Clocked(fp32=0.5), 10_000).compile
    # not before the first preview, and not at all where pictures grow: each side would be compiled for
    assert choices.choose(settings, _Clocked(fp32=0.5), 10_000).compile_at == settings.preview_every
    assert choices.choose(TrainingSettings(precision="fp32", compile="on"), _Clocked(fp32=1.0, last=1.0), 10).compile_at == 0
    growing = TrainingSettings(precision="fp32", compile="auto", grow_from=8)
    assert not choices.choose(growing, _Clocked(), 10_000).compile


@pytest.mark.parametrize(
    ("change", "alike"),
    [(lambda g: g * 1.03, True), (lambda g: g * 0, False), (lambda g: -g, False), (lambda g: g * math.nan, False)],
)
def test_gradients_of_a_compiler_agree_up_to_rounding_or_not(change, alike):
    torch.manual_seed(0)
    eager = [torch.randn(5, 5), torch.randn(30, 30), torch.randn(4) * 1e-6]
    assert choices.gradients_alike(eager, [change(eager[0]), eager[1] * 1.01, torch.zeros(4)]) is alike
    assert not choices.gradients_alike(eager, eager[:2])
    assert choices.gradients_alike(eager, [torch.randn(5, 5), *eager[1:]], drawn=1.0), "dropout draws differently"


def test_what_compiling_takes_is_known_once_it_was_measured_on_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(at_hand, "_known", {})
    monkeypatch.setattr(at_hand, "_file", tmp_path / "at-hand.json")
    two = {"net": nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 4))}
    four = {"net": nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))}
    assert compiling.measured_s(two) == 0 and compiling.cost_s(two) > compiling.LEAST_S
    compiling.took(two, 12.0)
    assert compiling.measured_s(two) == compiling.cost_s(two) == 12
    assert compiling.measured_s(four) == 24, "by their layers what others took"
    compiling.took(four, 18.0)
    assert (compiling.measured_s(two), compiling.measured_s(four)) == (12, 18)
    assert at_hand.choices().keys().isdisjoint(at_hand._known), "no run keeps it: it decides no bit"


def test_linear_layers_gain_most_from_compiling_and_graphics_cards_are_not_compiled_for_unasked():
    dense, conv = {"net": nn.Linear(64, 64)}, {"net": nn.Conv2d(64, 64, 3)}
    cpu = torch.device("cpu")
    assert compiling.gain(dense, cpu) > compiling.gain(conv, cpu) > 0
    assert compiling.gain(dense, torch.device("cuda")) == 0


@pytest.mark.parametrize("arithmetic", ["bf16", "fp16"])
def test_half_precision_trains_and_keeps_full_weights(library_root, arithmetic):
    library, dataset = opened(library_root)
    with library:
        trainer = trainer_of(library, make_run(library, dataset, precision=arithmetic, steps=6))
        before = [p.detach().clone() for p in trainer.nets["net"].parameters()]
        trainer.run()
        after = list(trainer.nets["net"].parameters())
        assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in after)
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


# ------------------------------------------------------------------------------------------------- activations


def test_blocks_are_recomputed_with_equal_gradients():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    x = torch.randn(4, 3)
    net(x).sum().backward()
    kept = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    assert activations.recompute(net) == 3  # the norm has buffers, tanh no weights
    net(x).sum().backward()
    assert all(torch.equal(a, p.grad) for a, p in zip(kept, net.parameters(), strict=True))


# ------------------------------------------------------------------------------------------------- telling


def test_figures_are_told_as_means_no_more_than_ten_times_a_second():
    now, told = [0.0], []
    teller = Teller(told.append, 1000, 16, lambda: now[0])
    for step in range(1, 101):
        now[0] += 0.01
        teller.add({"loss": torch.tensor(float(step)), "bad": float("nan")})
        teller.stepped(step)
    figures = [b for b in told if isinstance(b, Metrics)]
    assert 9 <= len(figures) <= 11 and len([b for b in told if isinstance(b, Progress)]) <= 2
    assert figures[0].values["loss"] == pytest.approx(figures[0].step / 2 + 0.5)
    assert figures[-1].values["rate"] == pytest.approx(1600, rel=0.05)
    assert all(math.isfinite(v) for b in figures for v in b.values.values()) and "bad" not in figures[0].values


def test_loss_by_noise_level_falls_into_its_bin():
    now, told = [0.0], []
    teller = Teller(told.append, 1000, 16, lambda: now[0])
    for step in range(1, 30):
        now[0] += 1
        teller.add_levels((torch.tensor([0.01, 0.99, 1.0]), torch.tensor([5.0, 1.0, 3.0])))
        teller.stepped(step)
    levels = [b for b in told if isinstance(b, Levels)][-1].losses
    assert len(levels) == BINS and levels[0] == pytest.approx(5.0) and levels[-1] == pytest.approx(2.0, rel=0.01)
    assert math.isnan(levels[3])


# ------------------------------------------------------------------------------------------------- derived data


def test_derived_data_are_made_once_and_stay_aligned(library_root, monkeypatch):
    calls, seen = [], []

    def derive(self, nets, x, generator):
        calls.append(len(x))
        return {"x": 2 * x, "half": x / 2}

    original = Denoiser.losses
    monkeypatch.setattr(Denoiser, "derive", derive)
    monkeypatch.setattr(
        Denoiser, "losses",
        lambda self, nets, batch: (seen.append((batch.x, batch.extra["half"], batch.index)), original(self, nets, batch))[1],
    )  # fmt: skip
    library, dataset = opened(library_root)
    with library:
        run = make_run(library, dataset, steps=2)
        trainer = trainer_of(library, run)
        trainer.run()
        count = trainer.data.train.count
        assert sum(calls) == count
        x, half, index = seen[0]
        assert torch.equal(x, 4 * half)
        assert np.allclose(x.numpy(), 2 * trainer.data.train.take(index.numpy()))
        trainer_of(library, run)
        assert sum(calls) == count


# ------------------------------------------------------------------------------------------------- budget


def test_a_budget_is_measured_and_leaves_nothing_behind(library_root):
    library, dataset = opened(library_root)
    with library:
        before = {p: p.stat().st_mtime_ns for p in library_root.rglob("*")}
        report = measure(
            library, Budget("denoiser", dataset.id, training={"steps": 500, "batch_size": 16, "keep": 3}), FAMILIES, "cpu"
        )
        assert report.memory_mb >= 0.5 * psutil.Process().memory_info().rss / 2**20, "with what the process itself takes"
        assert {p: p.stat().st_mtime_ns for p in library_root.rglob("*")} == before
    weights_of_net = 3 * 8 + 8 + 8 * 2 + 2
    assert report.parameters == {"net": weights_of_net} and report.fits and report.step_ms > 0
    assert report.total_s == pytest.approx(report.step_ms / 1000 * 500)
    held = 4 * 4 * weights_of_net  # weights, average and two moments in float32
    assert 4 * held < report.disk_mb * 2**20 < 8 * held + 2 * 12 * 8  # four checkpoints while one is replaced, and previews


def test_a_budget_says_how_far_it_is_and_is_left_where_nobody_waits(library_root):
    library, dataset = opened(library_root)
    heard = []

    def tell(progress):
        heard.append(progress)
        if progress.done == 3:
            raise InterruptedError

    with library, pytest.raises(InterruptedError):
        measure(library, Budget("denoiser", dataset.id, training={"steps": 500}), FAMILIES, "cpu", tell)
    assert [(p.what, p.done) for p in heard[-4:]] == [("measuring a few steps", done) for done in range(4)]
    assert heard[-1].total >= 4 and heard[0].what == "opening the data"


def test_a_budget_that_does_not_fit_says_what_would(library_root, monkeypatch):
    library, dataset = opened(library_root)

    def hungry(self, nets, batch):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 TB")

    monkeypatch.setattr(Denoiser, "losses", hungry)
    with library:
        report = measure(library, Budget("denoiser", dataset.id), FAMILIES, "cpu")
    assert not report.fits and "batch_size 32 with accumulate 2" in report.note


class _Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


def test_what_is_differentiated_twice_is_not_compiled(monkeypatch):
    compiled = functools.partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", lambda function, **how: compiled(function, dynamic=False))
    net, x = _Judge(), torch.randn(5, 3)

    def gradients():
        ahead = adversarial.unrolled(net, lambda judge: judge(x).square().mean(), 2, 0.1)
        costs = adversarial.slopes(net, x).sum(), adversarial.r1_penalty(net, x), ahead(x).mean()
        return [torch.autograd.grad(cost, net.first.weight)[0] for cost in costs]

    eager = gradients()
    compiling.compile_all({"judge": net}, torch.device("cpu"))
    try:
        assert "Compiled" in type(net(x).grad_fn).__name__  # what is differentiated once is compiled
        assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(gradients(), eager, strict=True))
    finally:
        compiling.undo({"judge": net})
