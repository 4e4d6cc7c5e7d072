"""Studies with given answers."""

from __future__ import annotations

from models_backend.contract.run_layout import StudyAnswer, StudyItem, StudyPair, StudyRecord, StudySide

NAMES = ("Run A", "Run B", "Run C")


def study(outcomes: list[tuple[int, int, str]], sides: int) -> StudyRecord:
    """A study from (left side, right side, choice)."""
    shown = tuple(StudySide(f"run-{'abc'[i]}", "run", NAMES[i]) for i in range(sides))
    pairs = tuple(StudyPair(StudyItem(a, f"s{a}", 0), StudyItem(b, f"s{b}", 0), "chance") for a, b, _ in outcomes)
    answers = tuple(StudyAnswer(n, choice, 1000.0 + n) for n, (_, _, choice) in enumerate(outcomes))
    return StudyRecord("study-a", "A against B", 1.0, "image", 0, shown, pairs, answers)


def met(one: int, other: int, wins: int, losses: int, ties: int = 0) -> list[tuple[int, int, str]]:
    """Answers of two sides, every second with left and right exchanged."""
    found = [(one, other, "left")] * wins + [(one, other, "right")] * losses + [(one, other, "tie")] * ties
    turned = {"left": "right", "right": "left", "tie": "tie"}
    return [(b, a, turned[c]) if n % 2 else (a, b, c) for n, (a, b, c) in enumerate(found)]


def two(wins: int, losses: int, ties: int) -> StudyRecord:
    return study(met(0, 1, wins, losses, ties), 2)


def three(results: dict[tuple[int, int], tuple[int, int]]) -> StudyRecord:
    return study([one for (a, b), counts in results.items() for one in met(a, b, *counts)], 3)
