"""Preferences: strengths on the Elo scale and win rates from answers to pairs, and how sure both are.

Bradley and Terry (1952): side i is preferred to j with probability 1 / (1 + exp(b_j - b_i)). A tie is half a win for
each. Intervals of strengths come from the Fisher information, that of a win rate is Wilson's (1927); both take answers
as independent, and with ties they are on the wide side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from models_backend.contract.run_layout import StudyRecord
from models_backend.contract.words import counted

if TYPE_CHECKING:
    import numpy as np

ELO = 400 / math.log(10)
Z95 = 1.959963984540054
SURE = 0.05
#: Half a win each way is added where a side never lost (or sides never met): else no finite strengths exist.
HALF_WIN = 0.5

METHOD = (
    "Bradley-Terry maximum likelihood on the Elo scale (400 points are odds of ten to one), 0 is the mean of all; "
    "a tie is half a win each; 95 % intervals from the Fisher information"
)


class Standing(msgspec.Struct):
    """How one side did. ``elo`` lies in [low, high] with 95 % confidence; 0 is the mean of all sides."""

    id: str
    title: str
    elo: float
    low: float
    high: float
    wins: int
    losses: int
    ties: int


class Result(msgspec.Struct):
    """What a study found; ``standings`` best first. ``lead``: Elo of the first above the second, in [lead_low, lead_high];
    ``p``: two-sided, that the two are alike (sign test for two sides, normal otherwise). Two sides also have ``rate``, the
    first one's share of all answers, in [rate_low, rate_high]. ``more``: answers that would still be needed, -1 where none
    would do. ``bounded``: half a win each way was added to keep strengths finite."""

    answers: int
    standings: tuple[Standing, ...]
    lead: float
    lead_low: float
    lead_high: float
    p: float
    more: int
    bounded: bool
    sentence: str
    rate: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    method: str = METHOD


# ---------------------------------------------------------------------------------------------- arithmetic


def win_table(sides: int, outcomes: Iterable[tuple[int, int, float]]) -> np.ndarray:
    """(K, K): how often i was preferred to j, from (i, j, share of i: 1, 0.5 or 0)."""
    import numpy as np

    wins = np.zeros((sides, sides))
    for one, other, share in outcomes:
        wins[one, other] += share
        wins[other, one] += 1 - share
    return wins


def is_bounded(wins: np.ndarray) -> bool:
    """Whether finite strengths maximise the likelihood: a chain of wins leads from every side to every other (Ford 1957)."""
    import numpy as np

    reached = (wins > 0) | np.eye(len(wins), dtype=bool)
    for _ in wins:
        reached = reached @ reached
    return bool(reached.all())


def bradley_terry(wins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strengths b (K,), mean 0, that maximise the likelihood, and their covariance (K, K), by Newton's method.

    ``wins`` must be bounded (``is_bounded``)."""
    import numpy as np

    games, b = wins + wins.T, np.zeros(len(wins))
    for _ in range(200):
        p = 1 / (1 + np.exp(b[None, :] - b[:, None]))
        weight = games * p * p.T
        covariance = np.linalg.pinv(np.diag(weight.sum(1)) - weight, hermitian=True)
        step = covariance @ (wins - games * p).sum(1)
        b = b + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-12:
            break
    return b - b.mean(), covariance


def wilson(wins: float, answers: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927)."""
    rate, z2 = wins / answers, Z95 * Z95 / answers
    middle, half = rate + z2 / 2, Z95 * math.sqrt(rate * (1 - rate) / answers + z2 / (4 * answers))
    return (middle - half) / (1 + z2), (middle + half) / (1 + z2)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p value of so uneven a split of decided answers when both sides are alike."""
    decided = wins + losses
    tail = sum(math.comb(decided, k) for k in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / 2**decided)


def decided_needed(share: float) -> float:
    """Decided answers at which a split that stays at ``share`` > 1/2 tells by the sign test (normal, continuity corrected)."""
    excess = 2 * share - 1
    return ((Z95 + math.sqrt(Z95 * Z95 + 4 * excess)) / (2 * excess)) ** 2


# --------------------------------------------------------------------------------------------------- studies


def outcomes(study: StudyRecord) -> list[tuple[int, int, float]]:
    """(left side, right side, share of the left one) of every answer."""
    shares = {"left": 1.0, "right": 0.0, "tie": 0.5}
    pairs = [(study.pairs[answer.pair], shares[answer.choice]) for answer in study.answers]
    return [(pair.left.side, pair.right.side, share) for pair, share in pairs]


def result_of(study: StudyRecord) -> Result:
    """What the answers so far say."""
    import numpy as np

    found, sides = outcomes(study), len(study.sides)
    wins = win_table(sides, found)
    bounded = not is_bounded(wins)
    if bounded:
        wins = wins + HALF_WIN * (1 - np.eye(sides))
    b, covariance = bradley_terry(wins)
    order = [int(i) for i in np.argsort(-b, kind="stable")]
    first, second = order[:2]
    spread = math.sqrt(covariance[first, first] + covariance[second, second] - 2 * covariance[first, second])
    lead, half = ELO * float(b[first] - b[second]), ELO * Z95 * spread
    standings = tuple(_standing(study, i, ELO * float(b[i]), ELO * Z95 * math.sqrt(covariance[i, i]), found) for i in order)
    result = Result(len(found), standings, lead, lead - half, lead + half, 1.0, -1, bounded, "")
    _judge_two(result) if sides == 2 else _judge_many(result, abs(lead) / (ELO * spread))
    result.sentence = sentence(result)
    return result


def _standing(study: StudyRecord, side: int, elo: float, half: float, found: list[tuple[int, int, float]]) -> Standing:
    shares = [share if one == side else 1 - share for one, other, share in found if side in (one, other)]
    counts = [shares.count(share) for share in (1.0, 0.0, 0.5)]
    return Standing(study.sides[side].id, study.sides[side].title, elo, elo - half, elo + half, *counts)


def _judge_two(result: Result) -> None:
    first = result.standings[0]
    decided = first.wins + first.losses
    result.p = sign_test(first.wins, first.losses)
    if result.answers:
        score = first.wins + first.ties / 2
        result.rate = score / result.answers
        result.rate_low, result.rate_high = wilson(score, result.answers)
    if first.wins > first.losses:
        needed = decided_needed(first.wins / decided) * result.answers / decided
        result.more = 0 if result.p < SURE else max(1, math.ceil(needed - result.answers))


def _judge_many(result: Result, z: float) -> None:
    result.p = math.erfc(z / math.sqrt(2))
    if result.answers and z > 1e-9:
        result.more = 0 if result.p < SURE else max(1, math.ceil(result.answers * ((Z95 / z) ** 2 - 1)))


def sentence(result: Result) -> str:
    """The result in plain words."""
    if not result.answers:
        return "No answers were given, so nothing can be said."
    first, second = result.standings[:2]
    known = counted(result.answers, "answer")
    chance = "p < 0.001" if result.p < 0.001 else f"p = {result.p:.2g}"
    if result.rate is not None:
        said = f"{100 * result.rate:.0f} % of {known}, {chance}"
        lead = f"“{first.title}” has {said}"
    else:
        said = f"{result.lead:.0f} Elo above “{second.title}”, the next, after {known}, {chance}"
        lead = f"“{first.title}” is {said}"
    if result.p < SURE:
        return f"“{first.title}” is preferred: {said}."
    if result.more < 0:
        return f"No difference can be told: “{first.title}” and “{second.title}” stand level after {known}."
    about = (
        "more than 10,000 more answers" if result.more > 10_000 else f"about {counted(_rounded(result.more), 'more answer')}"
    )
    return f"No difference can be told yet: {lead}. If this goes on, {about} would be needed."


def _rounded(count: int) -> int:
    """Two figures are enough for what is about so many."""
    return int(float(f"{count:.2g}")) if count >= 100 else count
