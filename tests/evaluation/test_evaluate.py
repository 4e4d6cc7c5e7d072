"""The evaluation of a run on real built-in data, with makers whose quality is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from msgspec import structs

from models_backend import cli
from models_backend.commands import making
from models_backend.contract.family import LoadedRun
from models_backend.contract.fields import build
from models_backend.contract.messages import Event, Levels, Metrics
from models_backend.data.builtin import make
from models_backend.data.densities import reference_sampler
from models_backend.data.reading import open_data
from models_backend.evaluation import evaluate as evaluate_module
from models_backend.evaluation import features, following
from models_backend.evaluation.evaluate import evaluate, mean_frechet, some, told_by
from models_backend.evaluation.health import judge
from models_backend.families.gan import GAN
from models_backend.families.vae import VAE
from models_backend.library.library import Library


def opened(root, name):
    return open_data(root, make(root, name).id)


def loaded(family, data, **config) -> LoadedRun:
    member = family(build(family.Config, config), data.spec)
    torch.manual_seed(0)
    nets = {name: net.eval() for name, net in member.networks().items()}
    return LoadedRun(member, nets, member.config, data.spec, torch.device("cpu"))


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    return opened(tmp_path_factory.mktemp("ring"), "points:density=8gaussians,count=4000")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits with a reader trained for a few steps only: enough to be well above chance."""
    data = opened(tmp_path_factory.mktemp("digits"), "digits")
    patch = pytest.MonkeyPatch()
    patch.setattr(features, "STEPS", 120)
    yield data
    patch.undo()


def test_a_perfect_maker_of_points_reaches_its_floor(ring):
    sampler = reference_sampler("8gaussians")

    def draw(count, seed, sampling, trace=0, conditions=None):
        return torch.from_numpy(ring.standardised(sampler(count, 77))), None

    found = evaluate(None, loaded(GAN, ring), ring, 2000, 0, {}, draw)
    assert found["modes"] == 8 and found["within_3sd"] > 0.98 and found["least_mode"] > 0.09
    assert found["w2"] < 1.5 * found["w2_floor"]
    assert found["coverage"] > 0.85


def test_one_mode_is_found_to_be_one_mode(ring):
    def draw(count, seed, sampling, trace=0, conditions=None):
        rng = np.random.default_rng(seed)
        return ring.standardised(np.array([2.0, 0.0]) + 0.1 * rng.standard_normal((count, 2))), None

    found = evaluate(None, loaded(GAN, ring), ring, 1000, 0, {}, draw)
    assert found["modes"] == 1 and found["w2"] > 5 * found["w2_floor"]


def test_steps_are_measured_only_where_sampling_takes_them(ring):
    asked = []

    def draw(count, seed, sampling, trace=0, conditions=None):
        asked.append((sampling, trace))
        return torch.zeros(count, 2), None

    found = evaluate(None, loaded(GAN, ring), ring, 200, 0, {"truncation": 0.5}, draw)
    assert asked == [({"truncation": 0.5}, 0)] and "w2_1step" not in found and "straightness" not in found


def test_the_reader_reads_held_out_digits_and_is_kept(digits):
    first = features.reader(digits)
    kept = next(digits.layout.cache.glob("reader-*.safetensors"))
    stamp = kept.stat().st_mtime_ns
    again = features.reader(digits)
    assert first.accuracy > 0.9 and first.classes == tuple("0123456789")
    assert (again.weights, again.accuracy) == (first.weights, first.accuracy) and kept.stat().st_mtime_ns == stamp
    x = some(digits.validation, 20, 0)
    assert np.array_equal(first.probabilities(x), again.probabilities(x))
    assert first.probabilities(x).sum(1) == pytest.approx(1.0, abs=1e-5)


def test_what_the_reader_costs_is_told_first_and_once(tmp_path, monkeypatch):
    data, told = opened(tmp_path, "digits"), []
    monkeypatch.setattr(features, "STEPS", 60)

    def draw(count, seed, sampling, trace=0, conditions=None):
        return data.train.take(range(count)), None

    run = loaded(VAE, data, encoder={"type": "mlp", "width": 16}, decoder={"type": "mlp", "width": 16})
    for _ in range(2):
        evaluate(None, run, data, 20, 0, {}, draw, tell=told.append)
    learning = [progress for progress in told if "once for these pictures and labels" in progress.what]
    assert told[0] is learning[0] and [progress.done for progress in learning] == [0, 10, 20, 30, 40, 50]
    assert learning[-1].left_s > 0 and told.count(told[-1]) == 2


def test_a_damaged_reader_is_made_again(digits):
    before = features.reader(digits).weights
    kept = next(digits.layout.cache.glob("reader-*.safetensors"))
    kept.write_bytes(kept.read_bytes()[:1000])
    assert features.reader(digits).weights == before


def test_a_reader_that_was_stopped_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "STEPS", 40)
    monkeypatch.setattr(features, "SAVED_S", 0.0)
    whole, data = (opened(tmp_path / name, "digits") for name in ("whole", "stopped"))
    before = features.reader(whole).weights

    def stopped(progress):
        if progress.done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.reader(data, stopped)
    assert "goes on" in cli.READER and "goes on" in making.NO_FIGURES
    told = []
    assert features.reader(data, told.append).weights == before
    assert told[0].done == 20 and not list(data.layout.cache.glob("begun-*"))
    kept = next(data.layout.cache.glob("reader-*.safetensors"))
    kept.with_name(f"begun-{kept.name}").write_bytes(b"nothing that could be gone on with")
    kept.unlink()
    told.clear()
    assert features.reader(data, told.append).weights == before and told[0].done == 0


def test_held_out_digits_pass_and_repeated_training_digits_are_caught(digits):
    def real(count, seed, sampling, trace=0, conditions=None):
        return np.resize(digits.validation.raw(range(digits.validation.count)), (count, 8, 8, 1)), None

    def copied(count, seed, sampling, trace=0, conditions=None):
        return digits.train.take(range(count)), None

    vae = loaded(VAE, digits, encoder={"type": "mlp", "width": 16}, decoder={"type": "mlp", "width": 16})
    good, copy = (evaluate(None, vae, digits, 400, 0, {}, draw) for draw in (real, copied))
    assert good["fd"] < 0.2 * good["fd_floor"] and good["near_copies"] <= 0.02
    assert copy["near_copies"] == 1.0 and copy["fd"] == pytest.approx(copy["fd_floor"], rel=0.5)
    assert good["least_class"] > 0.03 and good["class_entropy"] > 0.95
    assert good["reconstruction_accuracy"] < 0.5  # the network was never trained
    assert good["log_likelihood"] < good["ppca_nats"]


def test_pictures_without_labels_are_measured_by_random_features(tmp_path):
    data = opened(tmp_path, "digits")
    data.train.labels[:] = -1
    found = features.reader(data)
    train, held_out = found(some(data.train, 200, 0)), found(some(data.validation, 200, 0))
    noise = found(np.random.default_rng(0).uniform(-1, 1, (200, 1, 8, 8)).astype(np.float32))
    assert np.isnan(found.accuracy) and not features.labelled(data)
    assert mean_frechet(train, noise) > 5 * mean_frechet(train, held_out) > 0.01


def test_history_comes_from_events_and_health_is_counted(ring):
    told = [Metrics(step, {"d_accuracy": 0.99, "loss/generator": 1.0}) for step in range(20)]
    events = [Event(0, 0.0, "run", body) for body in (*told, Levels(9, [0.5, 1.0]), Levels(30, [1.0, 0.5]))]
    series, levels = told_by(events, 15)
    assert series["d_accuracy"][3] == (3, 0.99) and len(series["d_accuracy"]) == 16 and levels == [0.5, 1.0]

    def draw(count, seed, sampling, trace=0, conditions=None):
        return torch.zeros(count, 2), None

    def judged(diagnostics):
        return judge(GAN.health, told_by(events, 20)[0], diagnostics)

    found = evaluate(None, loaded(GAN, ring), ring, 200, 0, {}, draw, judged)
    assert found["health_adversarial_balance"] == 2.0 and found["health_mode_collapse"] == 2.0
    assert found["health_non_finite"] == 0.0


def test_latents_are_set_beside_the_factors_that_shapes_were_drawn_from(tmp_path):
    data = opened(tmp_path, "shapes:size=16,count=600")
    assert set(data.generative()) == {"shape", "colour", "radius", "x", "y"}
    own = np.stack([(values - values.mean()) / values.std() for values in data.generative().values()], 1)

    class Knowing(VAE):
        """Encodes an item as its own factors."""

        def encode(self, nets, x):
            rows = [np.flatnonzero((data.pictures == item).all((1, 2, 3)))[0] for item in x.numpy()]
            return torch.from_numpy(own[rows])

    data.pictures = np.zeros((600, 3, 16, 16), np.float32)
    for split in (data.train, data.validation):
        data.pictures[split.positions] = split.take(range(split.count))
    knowing, ignorant = (evaluate_module._disentanglement(loaded(f, data, latent=5), data, 0) for f in (Knowing, VAE))
    assert knowing["mig"] > 0.7 and knowing["dci"] > 0.9
    assert ignorant["mig"] < 0.3 * knowing["mig"] and ignorant["dci"] < 0.5 * knowing["dci"]


def test_points_have_no_factors_to_set_latents_beside(ring):
    assert evaluate_module._disentanglement(loaded(VAE, ring), ring, 0) == {}


def test_style_across_classes_is_that_of_the_same_latents(digits):
    """A maker whose class moves a bright column and whose seed decides how bright: ink is kept, where nothing else varies."""
    told = []

    def make(count, conditions, guidance):
        told.append((count, conditions["class"]))
        items = np.full((count, 1, 8, 8), -1.0, np.float32)
        items[:, 0, :, int(conditions["class"]) % 8] = np.random.default_rng(3).uniform(-0.5, 1, (count, 1))
        return items

    run = loaded(VAE, digits)
    found = following.across_classes(run, make)
    assert told == [(following.STYLED, digit) for digit in "0123456789"]
    told.clear()
    following.across_classes(replace(run, spec=structs.replace(run.spec, unseen=("0", "4"))), make)
    assert [digit for _, digit in told] == list("12356789"), "no style is asked for of what was never there"
    assert found["style_kept"] == pytest.approx(0.25, abs=0.01)  # one of four measures; the others stand still


def test_a_reader_that_is_too_sure_is_calibrated():
    """Labels that are drawn from known scores are likeliest at those scores: made five times as sure, five is found."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (4000, 10))
    labels = np.array([rng.choice(10, p=np.exp(row) / np.exp(row).sum()) for row in scores])
    assert features.temperature(5 * scores, labels) == pytest.approx(5, rel=0.06)
    assert features.temperature(0.2 * scores, labels) == pytest.approx(1, abs=0.01), "never surer than it was"


def test_held_out_items_are_read_at_the_temperature_of_the_other_half(digits):
    found = features.Features(features.reader(digits).net, (), 0.9, 1.0, "", (2.0, 3.0, 1.5))
    items = digits.validation.take([0, 1])
    scores, read = found.scores(items), found.held_out_probabilities(items, np.array([0, 1]))
    wanted = [np.exp(row / t) / np.exp(row / t).sum() for row, t in zip(scores, (3.0, 1.5))]
    assert read == pytest.approx(np.array(wanted), abs=1e-6)
    assert found.probabilities(items)[0] == pytest.approx(np.exp(scores[0] / 2) / np.exp(scores[0] / 2).sum(), abs=1e-6)


def test_shares_stand_beside_those_of_real_items_with_their_ratio(digits):
    def real(count, seed, sampling, trace=0, conditions=None):
        return digits.validation.raw(np.resize(np.arange(digits.validation.count), count)), None

    found = evaluate(None, loaded(VAE, digits), digits, digits.validation.count, 0, {}, real)
    for name in ("sure", "least_class", "class_entropy", "precision", "near_copies", "inception_score"):
        assert found[f"{name}_ratio"] == pytest.approx(found[name] / found[f"{name}_real"])
    assert found["sure_ratio"] == pytest.approx(1, abs=0.05) and found["least_class_ratio"] == 1
    assert 0 < found["reconstruction_accuracy_ratio"] < 0.6 and found["temperature"] >= 1


def test_a_reader_belongs_to_its_split(digits):
    """One that was trained on what is held out now would be no judge."""
    before = features._name(digits)
    positions = digits.train.positions
    digits.train.positions = positions[1:]
    assert features._name(digits) != before
    digits.train.positions = positions


def test_a_reader_outlives_edits_of_words_and_is_made_anew_for_other_labels_and_crops(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "STEPS", 2)
    library = Library.open(tmp_path)
    dataset = make(library, "digits").id
    stored, told = library.dataset(dataset), []

    def weights():
        told.clear()
        return features.reader(open_data(library, dataset), told.append).weights

    before = weights()
    assert told
    stored.edit_many({3: "a seven"}, classes=("zero", *"123456789"))
    data = open_data(library, dataset)
    assert features.reader(data).classes[0] == "zero" and weights() == before and not told
    stored.edit_many(labels={0: 5})
    weights()
    library.close()
    assert told, "it learns from labels"
    other = open_data(tmp_path, dataset, structs.replace(data.settings, crop="stretch"))
    assert features._name(other) != features._name(open_data(tmp_path, dataset))
