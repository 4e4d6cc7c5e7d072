"""Measures of translation on pictures whose answers are known, and the monitor of the way back."""

from __future__ import annotations

import numpy as np
import pytest

from models_backend.data import shapes
from models_backend.data.reading import pictures_to_float
from models_backend.evaluation import translation
from models_backend.evaluation.health import judge


@pytest.mark.parametrize("side", [16, 24, 32])
def test_styles_are_read_back(side):
    pictures, labels, factors = shapes.make_styles(side, 300, 3)
    found = shapes.read_styles(pictures)
    assert (found["outlined"] == labels).mean() >= 0.99
    assert (found["shape"] == factors[:, 0]).mean() >= 0.99 and (found["colour"] == factors[:, 1]).mean() >= 0.99


def test_the_same_scene_in_the_other_style_is_a_perfect_translation_and_itself_is_none():
    rng = np.random.default_rng(0)
    scenes = [s for s in (shapes.draw_scene(rng) for _ in range(300)) if shapes.SIZES[s.size] == "large"]
    filled, hollow = (pictures_to_float(np.stack([shapes.render(s, 24, o) for s in scenes])) for o in (False, True))
    wanted = np.ones(len(scenes), bool)
    perfect = translation.of_styles(filled, hollow, wanted)
    assert perfect["content_kept"] >= 0.98 and perfect["domain_switched"] >= 0.99
    assert translation.of_styles(filled, filled, wanted)["domain_switched"] <= 0.01
    assert translation.of_styles(filled, np.roll(hollow, 1, 0), wanted)["content_kept"] < 0.3, "shuffled"
    assert translation.of_styles(filled, np.roll(hollow, 4, 3), wanted)["content_place"] < 0.1, "moved by four pixels"


def test_psnr_is_that_of_its_definition():
    x = np.zeros((2, 3, 4, 4), np.float32)
    assert translation.psnr(x, x + 0.2) == pytest.approx(20.0, abs=1e-4)
    assert translation.psnr(x, x) == pytest.approx(100.0)


@pytest.mark.parametrize("end,level", [(0.3, "ok"), (0.5, "warn"), (0.9, "bad")])
def test_monitor_wants_a_third_of_the_first_error(end, level):
    history = {"cycle/a_to_b": [(i, 1.0 if i < 5 else end) for i in range(30)]}
    line = judge(("cycle_error",), history, {}).lines[-1]
    assert line.monitor == "cycle_error" and line.level == level
