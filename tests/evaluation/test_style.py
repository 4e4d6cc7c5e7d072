"""Styles of pictures drawn to order, and how far they are kept."""

from __future__ import annotations

import numpy as np
import pytest

from models_backend.evaluation.style import kept, style


def bar(x: float, lean: float = 0.0, ink: float = 1.0) -> np.ndarray:
    """One bright column of a 9 x 9 picture, moved by ``lean`` columns a row going up."""
    picture = np.full((1, 9, 9), -1.0)
    for row in range(1, 8):
        picture[0, row, round(x + lean * (4 - row))] = 2 * ink - 1
    return picture


def test_place_ink_and_lean_are_read_back():
    found = style(np.stack([bar(4), bar(6), bar(4, lean=1.0), bar(4, ink=0.5)]))
    assert found[:, 1] == pytest.approx([4, 6, 4, 4]) and found[:, 2] == pytest.approx(4.0)
    assert found[:, 3] == pytest.approx([0, 0, 1, 0]) and found[3, 0] == pytest.approx(found[0, 0] / 2)


def test_a_blank_picture_has_a_finite_style():
    assert np.isfinite(style(np.full((2, 3, 8, 8), -1.0))).all()


def test_the_same_styles_are_kept_and_strangers_are_not():
    rng = np.random.default_rng(0)
    own = rng.standard_normal((400, 4))
    assert kept(np.stack([own, 2 * own + 3])) == pytest.approx(1.0)
    assert kept(np.stack([own, -own])) == pytest.approx(-1.0)
    assert abs(kept(rng.standard_normal((5, 400, 4)))) < 0.05
    assert kept(np.stack([own, own + rng.standard_normal((400, 4))])) == pytest.approx(0.5**0.5, abs=0.05)
    assert kept(np.zeros((3, 400, 4))) == 0.0
