"""What is measured where few items are held out, or none: what can be had, and a sentence about the rest."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch

from models_backend.contract import measures as words
from models_backend.contract.family import LoadedRun
from models_backend.contract.fields import build
from models_backend.data.builtin import make
from models_backend.data.reading import Split, open_data
from models_backend.evaluation import features, following
from models_backend.evaluation.evaluate import evaluate
from models_backend.evaluation.health import judge
from models_backend.workers.registry import families

COMPARED = {"fd", "kid", "precision", "recall", "density", "coverage", "near_copies_real", "sure_real", "w1", "w2", "fd_1step"}


@pytest.fixture(scope="module", autouse=True)
def quick():
    patch = pytest.MonkeyPatch()
    patch.setattr(features, "STEPS", 3)
    patch.setattr(following, "ITEMS", 20)
    patch.setattr(following, "PROMPTS", 20)
    patch.setattr(following, "STYLED", 5)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    names = {"digits": "digits", "points": "points:count=400", "scenes": "scenes:size=16,count=300"}
    return {key: open_data(root, make(root, name).id) for key, name in names.items()}


def cut(split: Split, places) -> Split:
    """The split with those items only."""
    kept = copy.copy(split)
    kept.positions = split.positions[places]
    kept.count = len(kept.positions)
    kept.labels, kept.attributes = split.labels[places], split.attributes[places]
    kept.captions = [split.captions[i] for i in places]
    return kept


def with_few(data, held_out: int, known: int = 60):
    """The data set with so many held-out and training items."""
    few, picks = copy.copy(data), np.random.default_rng(0)
    few.validation = cut(data.validation, picks.permutation(data.validation.count)[:held_out])
    few.train = cut(data.train, picks.permutation(data.train.count)[:known])
    return few


def run_of(key: str, data) -> LoadedRun:
    """The family's tiny preset, untrained."""
    kind = families()[key]
    tiny = next(p for p in kind.presets if p.name == "tiny")
    member = kind(build(kind.Config, tiny.config), data.spec)
    nets = {name: net.eval() for name, net in member.networks().items()}
    return LoadedRun(member, nets, member.config, data.spec, torch.device("cpu"))


def measured(key: str, data, count: int = 40) -> dict[str, float]:
    run = run_of(key, data)

    def draw(count, seed, sampling, trace=0, conditions=None):
        rng = np.random.default_rng(seed)
        if data.spec.modality == "points":
            return rng.standard_normal((count, 2)).astype(np.float32), None
        channels, height, width = data.spec.shape
        return rng.integers(0, 256, (count, height, width, channels), dtype=np.uint8), None

    return evaluate(None, run, data, count, 0, {}, draw, lambda told: judge(families()[key].health, {}, told))


#: The families of a modality that need no other run (and, for points, no classes).
ALONE = {m: [k for k, f in families().items() if m in f.modalities and all(p.optional for p in f.uses)]
         for m in ("image", "points")}  # fmt: skip
ALONE["points"] = [key for key in ALONE["points"] if key not in ("conditional_gan", "cvae")]


@pytest.mark.parametrize("held_out", [0, 1, 2, 5])
@pytest.mark.parametrize("key", ALONE["image"])
def test_pictures_too_few_to_compare_with_are_told_and_the_rest_is_measured(sets, key, held_out):
    found = measured(key, with_few(sets["digits"], held_out))
    assert found["held_out"] == held_out and not COMPARED & set(found)
    assert {"sure", "least_class", "near_copies", "inception_score"} <= set(found)
    assert words.warnings(found)[0].startswith(f"Only {held_out} item" if held_out else "No item is held out")


@pytest.mark.parametrize("held_out", [0, 1, 2, 5])
@pytest.mark.parametrize("key", ALONE["points"])
def test_points_too_few_to_compare_with_are_told_and_the_rest_is_measured(sets, key, held_out):
    found = measured(key, with_few(sets["points"], held_out))
    assert not COMPARED & set(found) and {"modes", "within_3sd", "least_mode"} <= set(found)
    assert len(words.warnings(found)) == 1


@pytest.mark.parametrize("known", [1, 2, 3])
def test_a_handful_of_training_items_is_no_reason_to_fail(sets, known):
    for held_out in (0, 1, 20):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a mean of nothing is a warning of numpy's
            found = measured("vae", with_few(sets["digits"], held_out, known))
        assert found["held_out"] == held_out and "fd" not in found


def test_twenty_held_out_items_are_compared_with_and_said_to_be_rough(sets):
    found = measured("vae", with_few(sets["digits"], 20))
    assert {"fd", "fd_floor", "sure_real", "near_copies_real", "temperature"} <= set(found)
    said = "Only 20 items are held out: figures that compare with them are rough. Firm ones take about 100."
    neighbours = {"precision", "recall", "density", "coverage"}
    assert words.warnings(found)[0] == said
    assert not {words.base(name)[0] for name in found} & neighbours
    assert words.warnings(found)[1] == (
        "Precision, recall, density and coverage are left out: they look at nearest neighbours, which takes 50 items held out "
        "and 50 made."
    )
    whole = measured("vae", sets["digits"], count=60)
    assert neighbours <= set(whole) and not [one for one in words.warnings(whole) if "left out" in one]


def test_no_figure_is_minus_nought(sets):
    assert not [name for name, value in measured("vae", sets["digits"]).items() if str(value) == "-0.0"]


def test_ten_held_out_items_do_not_calibrate_a_reader(sets):
    found = measured("vae", with_few(sets["digits"], 10))
    assert "temperature" not in found and any("not calibrated" in sentence for sentence in words.warnings(found))


def test_one_class_alone_has_no_measures_of_classes(sets):
    data = with_few(sets["digits"], 30)
    data.train.labels[:] = 3
    found = measured("vae", data)
    assert "sure" not in found and "classifier_accuracy" not in found and found["fd"] > 0


def test_classes_that_are_not_held_out_are_read_all_the_same(sets):
    data = with_few(sets["digits"], 200)
    data.validation = cut(data.validation, np.flatnonzero(data.validation.labels < 3))
    found = measured("conditional_gan", data)
    assert found["least_class_real"] == 0 and "least_class_ratio" not in found and "class_accuracy_real" in found


def test_held_out_items_without_labels_leave_the_reader_unjudged(sets):
    data = with_few(sets["digits"], 40)
    data.validation.labels[:] = -1
    found = measured("vae", data)
    assert "classifier_accuracy" not in found and "sure_real" in found
    assert "nobody knows how well the reader reads" in " ".join(words.warnings(found))


def test_few_made_items_are_not_compared_either(sets):
    found = measured("vae", sets["digits"], count=1)
    assert "fd" not in found and "sure" in found and found["held_out"] == sets["digits"].validation.count
    assert found["made"] == 1 and words.warnings(found)[0] == (
        "Only 1 item was made: too few to compare with held-out ones, so every distance to them is left out. That takes 10."
    )


@pytest.mark.parametrize("held_out", [0, 1, 3])
def test_captions_are_asked_for_where_none_is_held_out(sets, held_out):
    found = measured("conditional_diffusion", with_few(sets["scenes"], held_out), 12)
    assert 0 <= found["text_joint"] <= 1 and found["text_joint_real"] > 0.6
    assert ("text_swapped" in found) == (held_out != 1)
