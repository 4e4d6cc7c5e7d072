"""Monitors on synthetic histories: each says the right word, and its remedy fits the run."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from models_backend.contract.fields import build, merged, plain
from models_backend.contract.settings import TrainingSettings
from models_backend.data.densities import reference_sampler
from models_backend.evaluation.health import GENERIC, MONITORS, judge
from models_backend.families.gan import Config as GANConfig
from models_backend.families.vae import Config as VAEConfig
from models_backend.training.looks import apart, looks


def series(values, every=10):
    return [(i * every, float(v)) for i, v in enumerate(values)]


def line(name, history=None, diagnostics=None, **more):
    health = judge([name], history or {}, diagnostics or {}, **more)
    return next(each for each in health.lines if each.monitor == name)


def falling(n=100, start=2.0, end=0.5):
    return [end + (start - end) * math.exp(-5 * i / n) + 0.01 * math.sin(7 * i) for i in range(n)]


def test_every_run_has_the_generic_monitors_first_and_early_on_they_say_so():
    health = judge(["mode_collapse"], {}, {})
    assert [each.monitor for each in health.lines] == [*GENERIC, "mode_collapse"]
    assert all(each.level == "ok" for each in health.lines)
    assert {each.text for each in health.lines[1:]} == {"too early to say"}


@pytest.mark.parametrize("name", sorted(MONITORS))
def test_every_monitor_says_something_about_nothing(name):
    assert line(name).text and line(name).level == "ok"


def test_series_and_step_are_handed_on():
    health = judge([], {"loss": series([1.0, 0.9])}, {"kl_per_dimension": [0.1, 2.0], "kl": 2.1}, levels=[0.5, 0.2])
    assert health.step == 10
    assert health.series == {"kl_per_dimension": [0.1, 2.0], "loss_by_level": [0.5, 0.2]}


def test_an_unknown_monitor_is_named():
    assert "tea_leaves" in line("tea_leaves").text and line("tea_leaves").level == "warn"


# ------------------------------------------------------------------------------------------------ every run


def test_nan_is_bad_and_skipped_steps_are_counted():
    assert line("non_finite", {"loss": [(0, 1.0), (1, math.nan)]}).level == "bad"
    skipped = line("non_finite", {"skipped": series([0, 0, 2]), "lr": series([3e-4, 6e-4, 1e-4])})
    assert skipped.level == "warn" and "2 steps" in skipped.text
    assert skipped.remedy.live and skipped.remedy.training == {"learning_rate": pytest.approx(2e-4)}


def test_a_falling_loss_is_well_and_a_rising_one_is_bad():
    assert line("loss_trend", {"loss": series(falling())}).level == "ok"
    risen = falling() + [0.5 + 0.1 * i for i in range(40)]
    said = line("loss_trend", {"loss": series(risen)}, training={"learning_rate": 3e-3})
    assert said.level == "bad" and said.remedy.training["learning_rate"] == pytest.approx(1e-3)


def test_a_flat_loss_warns():
    for seed in range(20):
        noise = random.Random(seed)
        flat = [noise.gauss(1.0, 0.05) for _ in range(200)]
        assert line("loss_trend", {"loss": series(flat)}).level == "warn"


def test_held_out_loss_that_turns_is_learning_by_heart():
    turned = [2.0, 1.2, 0.9, 0.8, 0.8, 0.9, 1.0, 1.2, 1.4, 1.5]
    said = line("loss_trend", {"loss": series(falling()), "validation": series(turned, 100)}, training={"steps": 3000})
    assert said.level == "warn" and "by heart" in said.text
    assert said.remedy.training == {"steps": 1000} and not said.remedy.live


def test_networks_that_play_have_no_trend():
    history = {"loss/discriminator": series(falling()), "loss/generator": series(falling()), "loss": series(falling())}
    assert "play" in line("loss_trend", history).text


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ([0.5] * 50, "ok"),
        ([0.5] * 50 + [40.0] * 3, "bad"),
        ([0.5] * 50 + [40.0] + [0.5] * 4, "warn"),
        ([0.5] * 50 + [0.0] * 3, "bad"),
    ],
)
def test_gradients_that_explode_spike_or_vanish(values, level):
    said = line("gradient_norm", {"grad/net": series(values), "grad/calm": series([0.1] * 50)})
    assert said.level == level and (level == "ok" or said.text.startswith("net"))


# ------------------------------------------------------------------------------------------------ families' own


def test_noise_levels_that_are_missing_or_alone():
    assert line("noise_levels", levels=[0.5, 0.4, 0.3, 0.2]).level == "ok"
    assert line("noise_levels", levels=[math.nan, math.nan, 0.3, 0.2]).level == "warn"
    assert "0.12" in line("noise_levels", levels=[100.0, 0.1, 0.1, 0.1]).text


@pytest.mark.parametrize(("accuracy", "level"), [(0.99, "bad"), (0.93, "warn"), (0.7, "ok"), (0.5, "ok"), (0.3, "warn")])
def test_balance_of_the_pair(accuracy, level):
    history = {"d_accuracy": series([accuracy] * 20), "d_real": series([0.9] * 20), "d_fake": series([0.1] * 20)}
    said = line("adversarial_balance", history)
    assert said.level == level and (said.remedy is None) == (level == "ok")


def test_balance_is_judged_by_the_present_not_the_start():
    history = {"d_accuracy": series([0.99] * 60 + [0.6] * 40)}
    assert line("adversarial_balance", history).level == "ok"


@pytest.mark.parametrize(
    ("recall", "coverage", "level"), [(0.12, 0.9, "bad"), (0.9, 0.12, "bad"), (0.5, 0.9, "warn"), (0.9, 0.85, "ok")]
)
def test_collapse_needs_both_directions_to_be_well(recall, coverage, level):
    said = line("mode_collapse", diagnostics={"recall": recall, "coverage": coverage, "spread": 0.5})
    assert said.level == level and f"{min(recall, coverage):.0%}" in said.text


@pytest.mark.parametrize(
    ("steps", "spread", "level", "words"),
    [
        (500, 0.9, "ok", "too early"),
        (4000, 0.9, "warn", "not yet like"),
        (500, 0.4, "bad", "modes are lost"),
        (500, 17.0, "bad", "far from"),
    ],
)
def test_a_young_generator_has_not_lost_what_it_has_not_found(steps, spread, level, words):
    found = {"recall": 0.1, "coverage": 0.2, "spread": spread}
    said = line("mode_collapse", {"lr": [(0, 1e-3), (steps, 1e-3)]}, found, training={"steps": steps})
    assert said.level == level and words in said.text and (said.remedy is None) == (level == "ok")


def test_a_discriminator_that_remembers():
    history = {"d_real": series([0.95] * 20), "d_fake": series([0.05] * 20)}
    assert line("discriminator_memory", history, {"d_held_out": 0.1}).level == "bad"
    assert line("discriminator_memory", history, {"d_held_out": 0.4}).level == "warn"
    assert line("discriminator_memory", history, {"d_held_out": 0.9}).level == "ok"


@pytest.mark.parametrize(("slope", "level"), [(1.02, "ok"), (1.5, "warn"), (3.0, "bad"), (0.4, "warn")])
def test_a_critic_whose_slope_is_not_one(slope, level):
    said = line("critic_slope", {"critic_slope": series([slope] * 20)}, training={"learning_rate": 1e-3})
    assert said.level == level and (said.remedy is None) == (level == "ok")


def test_clipping_is_named_and_a_penalty_offered():
    clipped = {"constraint": {"type": "clipping", "bound": 0.01}}
    said = line("critic_slope", diagnostics={"critic_slope": 0.01}, config=clipped)
    assert said.level == "warn" and said.remedy.config == {"constraint": {"type": "gradient_penalty"}}
    assert line("critic_slope", diagnostics={"critic_slope": 1.0}, config=clipped).level == "ok"


def test_a_critic_that_remembers():
    history = {"wasserstein": series([2.0] * 20)}
    assert line("critic_memory", history, {"wasserstein": 0.4}).level == "warn"
    assert line("critic_memory", history, {"wasserstein": 1.9}).level == "ok"


@pytest.mark.parametrize(("active", "kl", "level"), [(0, 0.01, "bad"), (5, 0.05, "bad"), (2, 3.0, "warn"), (12, 20.0, "ok")])
def test_a_latent_that_says_nothing(active, kl, level):
    said = line("posterior_collapse", diagnostics={"active_units": active, "latent_size": 16, "kl": kl})
    assert said.level == level and f"{active} of 16" in said.text


def test_a_bound_that_holds_only_on_training_items():
    history = {"elbo": series([50.0] * 20)}
    assert line("reconstruction_balance", history, {"elbo": 45.0, "kl": 12.0}).level == "ok"
    assert line("reconstruction_balance", history, {"elbo": -20.0, "kl": 12.0}).level == "warn"


# ------------------------------------------------------------------------------------------------ remedies


SICK = (
    {
        "d_accuracy": series([0.99] * 20),
        "d_real": series([0.99] * 20),
        "d_fake": series([0.01] * 20),
        "elbo": series([90.0] * 20),
    },
    {"recall": 0.1, "d_held_out": 0.0, "active_units": 0, "latent_size": 4, "kl": 0.01, "elbo": -90.0},
)


@pytest.mark.parametrize("settings", [GANConfig, VAEConfig])
def test_remedies_fit_the_settings_of_the_run(settings):
    """What a click applies builds; a remedy for settings that the run has not is left out."""
    config = plain(settings())
    said = [each for each in judge(sorted(MONITORS), *SICK, config=config).lines if each.level != "ok"]
    assert len(said) >= 4 and any(each.remedy for each in said)
    for each in said:
        if each.remedy:
            assert build(settings, merged(config, each.remedy.config)) is not None
            assert build(TrainingSettings, merged(plain(TrainingSettings()), each.remedy.training)) is not None


def test_the_remedy_for_a_collapse_is_firmer_than_what_there_is():
    now = {"penalty": {"type": "r1", "gamma": 2.0}, "batch_spread": False}
    said = line("mode_collapse", diagnostics={"recall": 0.1}, config=now)
    assert said.remedy.config["penalty"] == {"type": "r1", "gamma": 6.0}


# ------------------------------------------------------------------------------------------------ codecs


@pytest.mark.parametrize(("width", "level"), [(1.02, "ok"), (1.3, "warn"), (0.1, "bad")])
def test_latents_at_another_width_than_stored_are_told(width, level):
    told = line("latent_scale", diagnostics={"latent_std_scaled": width}, training={"steps": 500})
    assert told.level == level and (told.remedy is None) == (level == "ok")
    assert level == "ok" or told.remedy.training == {"steps": 1000}


@pytest.mark.parametrize(
    ("perplexity", "dead", "level"), [(60.0, 4, "ok"), (10.0, 10, "warn"), (30.0, 80, "warn"), (1.1, 126, "bad")]
)
def test_an_idle_codebook_is_told_with_what_wakes_it(perplexity, dead, level):
    figures = {"perplexity": perplexity, "codes": 128, "dead_codes": dead}
    told = line("codebook_use", diagnostics=figures)
    assert told.level == level and f"{128 - dead} of 128" in told.text
    if level != "ok":
        assert line("codebook_use", diagnostics=figures, config={"revive": 0.2}).remedy.config == {"revive": 0.4}
        assert told.remedy.config == {"latent": {"type": "vq", "codes": 64}}


# ------------------------------------------------------------------------------------------------ consistency


@pytest.mark.parametrize(
    ("values", "level"), [((1.0, 0.2), "ok"), ((0.2, 0.25), "ok"), ((0.2, 0.39), "warn"), ((0.2, 1.0), "bad")]
)
def test_neighbours_that_do_not_come_to_agree_are_told(values, level):
    first, last = values
    told = line(
        "self_consistency", {"self_consistency": series(falling(start=first, end=last))}, training={"learning_rate": 1e-3}
    )
    assert told.level == level and (told.remedy is None) == (level == "ok")
    beside = line("self_consistency", {"self_consistency": series(falling(start=first, end=last))}, {"self_consistency": 0.123})
    assert "0.123 on held-out" in beside.text and "early" in line("self_consistency").text


@pytest.mark.parametrize(("gap", "level"), [(0.3, "ok"), (1.0, "warn"), (1.5, "bad")])
def test_a_jump_that_misses_the_teachers_end_is_told(gap, level):
    told = line("teacher_gap", diagnostics={"teacher_gap": gap}, training={"steps": 500})
    assert told.level == level and f"{gap:.0%}" in told.text
    assert level == "ok" or told.remedy.training == {"steps": 1000}


# ------------------------------------------------------------------------------------------------ what is made


def test_a_loss_that_exploded_is_never_praised_for_its_fall():
    history = {"loss": series([2.9e9, 4e6, 900.0, *[0.52] * 60]), "validation": [(0, 1.5), (600, 0.52)]}
    said = line("loss_trend", history, training={"learning_rate": 1.0, "steps": 630})
    assert said.level != "ok" and said.text.startswith("the loss exploded: 2.9e+09 at step 0")
    assert said.remedy.training == {"learning_rate": pytest.approx(0.1)}


def test_losses_from_before_their_weights_were_as_now_are_compared_with_nothing():
    rising = [1.3 + 0.01 * i for i in range(100)]
    history = {"loss": series([*rising, *falling(start=2.3, end=1.9)]), "validation": series([1.2, 1.9, 2.0, 1.95], 500)}
    assert line("loss_trend", history, training={"steps": 3000, "learning_rate": 1e-3}).level == "bad"
    for since, text in ((1000, "the loss has fallen from 2.2"), (1900, "too early to say: the loss was weighed otherwise")):
        said = line("loss_trend", history, training={"steps": 3000, "learning_rate": 1e-3}, since=since)
        assert said.level == "ok" and said.text.startswith(text)
    assert judge([], history, {}, since=1000).since == 1000


@pytest.mark.parametrize(("now", "level"), [(1.0, "bad"), (1.4, "bad"), (0.98, "bad"), (0.6, "ok")])
def test_learning_is_measured_against_an_untrained_network(now, level):
    history = {"loss": series(falling(start=1.3, end=1.0)), "validation": [(0, 1.0), (500, now), (1000, now)]}
    said = line("loss_trend", history, training={"steps": 1000, "learning_rate": 1e-3})
    assert said.level == level and (level == "ok") != said.text.startswith("it has learned nothing")


def test_held_out_loss_that_rises_a_little_after_a_long_fall_is_told():
    """A variational autoencoder's: 1,400 nats of fall hide 60 of learning by heart."""
    held_out = [950.0, -100.0, -300.0, -420.0, -450.0, -440.0, -420.0, -405.0, -395.0, -390.0]
    train = [950 * math.exp(-i / 8) - 560 - 0.8 * i for i in range(100)]
    assert line("loss_trend", {"loss": series(train), "validation": series(held_out, 100)}).level == "warn"
    weighed = [value + max(0.0, 2.0 * (i - 40)) for i, value in enumerate(train)]
    assert line("loss_trend", {"loss": series(weighed), "validation": series(held_out, 100)}).level == "ok"


def test_held_out_loss_that_scatters_about_its_lowest_is_not_learning_by_heart():
    for seed in range(40):
        noise = random.Random(seed)
        train = [2.5 + math.exp(-i / 10) + noise.gauss(0, 0.05) for i in range(200)]
        held_out = [2.5 + math.exp(-i) + noise.gauss(0, 0.01) for i in range(20)]
        said = line("loss_trend", {"loss": series(train), "validation": series(held_out, 100)}, training={"steps": 2000})
        assert said.level == "ok" and "by heart" not in said.text


def pictures(kind, n=32, seed=0):
    """uint8 (N, 16, 16, 1): soft blobs at places by chance, and what broken models make of them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    places = rng.uniform(4, 12, (n, 2, 1, 1))
    blobs = 255 * np.exp(-((y - places[:, 0]) ** 2 + (x - places[:, 1]) ** 2) / 12)
    made = {
        "good": blobs, "soft": 0.8 * blobs + 20, "noise": rng.normal(128, 60, blobs.shape), "flat": np.full(blobs.shape, 99.0),
        "static": 255.0 * (rng.random(blobs.shape) < 0.5), "alike": np.repeat(blobs[:1], n, 0) + rng.normal(0, 3, blobs.shape),
        "burnt": np.where(blobs > 20, 255.0, 0.0) + 0.0 * blobs,
    }[kind]  # fmt: skip
    return made.clip(0, 255).astype(np.uint8)[..., None]


@pytest.mark.parametrize(("kind", "level", "word"), [
    ("good", "ok", "neither noise"), ("soft", "ok", "neither noise"), ("noise", "bad", "noise"), ("static", "bad", "noise"),
    ("flat", "bad", "flat"), ("alike", "bad", "alike"),
])  # fmt: skip
def test_samples_are_looked_at_beside_held_out_items(kind, level, word):
    found = looks(pictures(kind, 12, seed=1), pictures("good"))
    said = line("samples", {"loss": series([1.0] * 50)}, found, training={"steps": 500, "learning_rate": 1e-2})
    assert said.level == level and said.text.startswith("samples are ") and word in said.text
    early_on = line("samples", {"loss": series([1.0] * 5)}, found, training={"steps": 500})
    assert early_on.level == ("warn" if level == "bad" else "ok"), "a run that has just begun may make noise"


def test_noise_of_a_run_that_still_learns_asks_for_more_steps_and_of_one_that_broke_for_a_lower_rate():
    found = looks(pictures("noise", 12, seed=1), pictures("good"))

    def remedy(train, held_out):
        history = {"loss": series(train), "validation": series(held_out, 20)}
        said = line("samples", history, found, training={"steps": 40, "learning_rate": 2e-4})
        assert said.level == "bad" and "noise" in said.text
        return said.remedy

    falls = [0.72 - 0.003 * n for n in range(40)]
    assert remedy(falls, [0.64, 0.6, 0.57]).training == {"steps": 80} and not remedy(falls, [0.64, 0.57]).live
    for train, held_out in ((falls, [0.64, 0.57, 0.6]), ([0.7, 2.8e9, *falls], [0.64, 0.6, 0.57]), (falls, [0.64])):
        assert remedy(train, held_out).training == {"learning_rate": 2e-5}


def standard(density, count, seed=0):
    """Points of a density, of standard width: what a run is given."""
    points = reference_sampler(density)(count, seed)
    return (points - points.mean(0)) / points.std()


@pytest.mark.parametrize("density", ["moons", "rings", "8gaussians", "checkerboard", "spirals", "pinwheel"])
def test_points_are_told_from_noise_whatever_their_density(density):
    real, noise = standard(density, 2048), np.random.default_rng(5).standard_normal((1024, 2))
    blurred = standard(density, 1024, 3) + np.random.default_rng(6).normal(0, 0.01, (1024, 2))
    for made, level in ((standard(density, 1024, 3), "ok"), (blurred, "ok"), (noise, "bad"), (9 * noise, "bad"),
                        (np.zeros((1024, 2)), "bad"), (real[:1] + noise / 3, "bad")):  # fmt: skip
        said = line("samples", diagnostics=looks(made.astype(np.float32), real), training={"learning_rate": 1e-2})
        assert said.level == level and said.text.startswith("samples ") and (said.remedy is None) == (level == "ok")


def test_points_that_are_a_cloud_are_not_called_noise():
    cloud = np.random.default_rng(0).standard_normal((1536, 2)).astype(np.float32)
    assert line("samples", diagnostics=looks(cloud[:512], cloud[512:])).level == "ok"


def test_too_few_points_say_nothing():
    points = standard("moons", 1024)
    assert looks(points[:60], points) == {} and looks(points, points[:100]) == {}


def test_two_measures_of_how_far_points_are_apart():
    """Hand-made: two far pairs are all told and nearly all of their distance lies between them; a point beside each, none."""
    pairs = np.array([[0.0, 0], [1, 0]]), np.array([[100.0, 0], [101, 0]])
    told, energy = apart(*pairs)
    assert told == 1.0 and energy == pytest.approx(1 - 2 / 200)
    told, energy = apart(np.array([[0.0, 0], [10, 0]]), np.array([[1.0, 0], [11, 0]]))
    assert told == 0.0 and energy < 0


def test_many_skipped_steps_are_bad():
    history = {"skipped": [(100, 60.0)], "loss": series([1.0] * 11)}
    assert line("non_finite", history).level == "bad" and "60 of 100" in line("non_finite", history).text
