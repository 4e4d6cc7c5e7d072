"""The demo: what its report tells of its samples, and that judges which are no part of the product agree."""

from __future__ import annotations

import time

import outside_judges
import pytest

from models_backend.library.library import Library
from models_backend.workers import demo


def test_the_report_tells_each_share_beside_that_of_real_digits():
    found = {"sure": 0.72, "sure_real": 0.8, "sure_ratio": 0.9, "fd": 20.5, "fd_floor": 14.8, "w2": 1.0}
    assert demo.told(found) == [
        ("Sure of a class", "0.72 · 0.8 of real digits, 0.90 times as much"),
        ("Frechet distance", "20.5 · 14.8 between real digits"),
    ]


@pytest.mark.slow
def test_outside_judges_are_as_sure_of_the_demos_digits_as_of_real_ones(tmp_path):
    """Four minutes on two cores without half precision, and .85 of what each judge gives real digits."""
    begun = time.monotonic()
    assert demo.main(["--out", str(tmp_path / "demo")]) == 0
    took = time.monotonic() - begun
    report = (tmp_path / "demo" / "report.html").read_text()
    assert "How good they are" in report and "of real digits" in report
    library = Library.open(tmp_path / "demo" / "library")
    found = outside_judges.of_run(library, library.runs()[0].id, {})
    assert min(ratio for _, _, ratio in found.values()) >= 0.85, found
    assert took < 240, "alone on two cores"
