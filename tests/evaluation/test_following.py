"""How a run follows what it is asked for, with makers that obey, that are deaf, and that mix the words up."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from small_families import LinearSampling

from models_backend.contract.family import Condition, Family, LoadedRun
from models_backend.data import scenes
from models_backend.data.builtin import make
from models_backend.data.reading import open_data
from models_backend.evaluation import features, following
from models_backend.evaluation.evaluate import evaluate


class Guided(LinearSampling, frozen=True):
    guidance: float = 1.0


class Speaks(Family):
    title = "Speaks"
    modalities = ("image",)
    conditions = (Condition("class"), Condition("text"))
    Sampling = Guided


class Classes(Speaks):
    conditions = (Condition("class"),)
    Sampling = LinearSampling


def loaded(family, data) -> LoadedRun:
    member = family(None, data.spec)
    return LoadedRun(member, {}, msgspec.structs.asdict(LinearSampling()), data.spec, torch.device("cpu"))


def opened(tmp_path_factory, name):
    root = tmp_path_factory.mktemp("scenes")
    return open_data(root, make(root, name).id)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Readers trained for a few steps only, since what they see is not what is tested here; and fewer prompts."""
    patch = pytest.MonkeyPatch()
    patch.setattr(features, "STEPS", 10)
    patch.setattr(following, "PROMPTS", 96)
    patch.setattr(following, "ITEMS", 100)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return opened(tmp_path_factory, "scenes:size=16,count=1200,leave_out=1")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return opened(tmp_path_factory, "scenes:size=32,count=1000,objects=2")


class Painter:
    """Makes for each caption the picture that it describes; deaf where guidance is 0. ``told`` holds what it was asked."""

    def __init__(self, data, side: int, objects: int):
        self.rows = {}
        names = data.record.options["factors"]
        known = np.stack([data.factors()[name] for name in names], 1)
        for split in (data.train, data.validation):
            self.rows |= dict(zip(split.captions, known[split.positions]))
        self.rows |= dict(zip(*scenes.unseen(following.PROMPTS, objects=objects)))
        self.side, self.told = side, []

    def __call__(self, count, seed, sampling, trace=0, conditions=None):
        self.told.append((dict(sampling), conditions))
        captions = [conditions["text"][i % len(conditions["text"])] for i in range(count)]
        if sampling.get("guidance") == 0:
            captions = list(np.random.default_rng(seed).permutation(list(self.rows))[np.arange(count) % len(self.rows)])
        return np.stack([self.paint(self.rows[str(caption)]) for caption in captions]), None

    def paint(self, row):
        if len(row) == len(scenes.ONE):
            return scenes.render([scenes.Thing(int(row[0]), int(row[1]), row[4], row[5], row[6])], self.side)
        return scenes.render([scenes.Thing(int(a[0]), int(a[1]), 0.16, a[2], a[3]) for a in (row[:4], row[4:8])], self.side)


class Muddled(Painter):
    """Hears which two objects there are, and does not hear which is where: each order is as likely."""

    def paint(self, row):
        turned = hash(tuple(map(float, row))) % 2
        return super().paint(np.concatenate([row[4:6], row[2:4], row[:2], row[6:8], row[8:]]) if turned else row)


def measured(family, data, draw):
    run, items = loaded(family, data), following.asked(loaded(family, data), data)

    def make(count, conditions, guidance):
        return pixels(draw(count, 1, {} if guidance is None else {"guidance": guidance}, 0, conditions)[0])

    made = pixels(draw(240, 0, {}, 0, items)[0])
    return following.measured(run, data, features.reader(data), made, make, 0)


def pixels(pictures):
    return np.moveaxis(pictures, -1, 1) / np.float32(127.5) - 1


def test_held_out_captions_are_asked_in_turn_and_empty_ones_are_not(one):
    given = following.asked(loaded(Speaks, one), one)
    assert given == {"text": one.validation.captions[: following.PROMPTS]} and len(given["text"]) == 96
    kept = one.validation.captions[0]
    one.validation.captions[0] = ""
    assert following.asked(loaded(Speaks, one), one)["text"][0] == one.validation.captions[1]
    one.validation.captions[0] = kept


def test_a_maker_that_obeys_is_right_everywhere_and_deaf_without_guidance(one):
    found = measured(Speaks, one, Painter(one, 16, 1))
    for name in ("text_shape", "text_colour", "text_place", "text_joint", "text_unseen", "text_joint_w1", "text_joint_w4"):
        assert found[name] >= 0.97, name
    assert found["text_swapped"] < 0.1 and found["text_joint_w0"] < 0.1
    assert found["diversity_w4"] < 0.05 < 0.5 < found["diversity_w0"], "one caption gives one picture; deaf, all kinds of them"
    assert {f"{name}_w{w}" for name in ("text_joint", "diversity") for w in (0, 1, 2, 4)} <= set(found)


def test_unseen_prompts_ask_for_combinations_that_are_not_in_the_data(one):
    painter = Painter(one, 16, 1)
    measured(Speaks, one, painter)
    unseen = {f"{scenes.COLOURS[c]} {scenes.SHAPES[s]}" for s, c in scenes.left_out()}
    asked = [c["text"] for _, c in painter.told if any(c["text"][0] in p for p in [scenes.unseen(following.PROMPTS)[0]])]
    assert len(asked) == 1 and len(asked[0]) == following.PROMPTS
    captions = one.train.captions + one.validation.captions
    assert not any(pair in caption for pair in unseen for caption in captions)
    assert any(pair in caption for pair in unseen for caption in asked[0])


def test_one_wrong_factor_is_found_to_be_that_one(one):
    class Red(Painter):
        def paint(self, row):
            return super().paint(np.concatenate([row[:1], [0.0], row[2:]]))

    found = measured(Speaks, one, Red(one, 16, 1))
    assert found["text_shape"] > 0.95 and found["text_place"] > 0.97
    assert found["text_colour"] == pytest.approx(1 / 8, abs=0.08) and found["text_joint"] <= found["text_colour"]


def test_word_order_of_two_objects(two):
    good, muddled = measured(Speaks, two, Painter(two, 32, 2)), measured(Speaks, two, Muddled(two, 32, 2))
    assert good["relation_accuracy"] >= 0.98 and good["pair_accuracy"] >= 0.98 and good["text_joint_w2"] >= 0.98
    assert muddled["relation_accuracy"] == pytest.approx(0.5, abs=0.15) and muddled["pair_accuracy"] >= 0.98
    assert muddled["text_joint"] == pytest.approx(muddled["relation_accuracy"], abs=0.02)


def test_two_things_where_one_was_asked_are_wrong(one):
    row = one.factors()
    row = np.array([row[name][0] for name in scenes.ONE])
    alone = Painter(one, 32, 1).paint(row)
    extra = np.maximum(
        alone, scenes.render([scenes.Thing(1, 7, 0.13, 0.8 if row[5] < 0.5 else 0.2, 0.8 if row[6] < 0.5 else 0.2)], 32)
    )
    assert following.judged(pixels(alone[None]), row[None])["text_joint"] == 1
    assert following.judged(pixels(extra[None]), row[None])["text_joint"] == 0


def test_what_is_no_number_is_nothing(one):
    row = np.array([one.factors()[name][0] for name in scenes.ONE])
    assert following.judged(np.full((1, 3, 16, 16), np.nan, np.float32), row[None])["text_joint"] == 0


def test_runs_of_classes_are_asked_for_the_classes_that_have_items(one):
    run = loaded(Classes, one)
    given = following.asked(run, one)["class"]
    assert len(given) == 42 and following.in_turn(run, one, 43)[-1] == given[0]
    away = {s * len(scenes.COLOURS) + c for s, c in scenes.left_out()}
    assert not away & set(given)


def test_the_whole_evaluation_of_a_run_that_takes_text(one):
    found = evaluate(None, loaded(Speaks, one), one, 200, 0, {}, Painter(one, 16, 1))
    assert found["text_joint"] > 0.97 and found["text_unseen"] > 0.97 and "class_accuracy" not in found
    assert found["fd"] < 2 * found["fd_floor"] + 1
