"""Proofs: a family is trained on built-in data and its claims are held against what was measured.

No torch here: training and measuring are done by whoever calls (the engine's workers), through two coroutines.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..contract import measures
from ..contract.family import Claim, FamilyDescription, Proof
from ..contract.messages import TroubleError
from ..contract.run_layout import RunLayout
from ..library import storage

#: Prefix under which the figures of the proof named by ``Proof.after`` can be used in ``Claim.times``.
BEFORE = "before/"


class ClaimResult(msgspec.Struct, omit_defaults=True):
    """A claim and what was measured; ``bound`` with ``times`` already multiplied in. ``real``: the same share of real held-out
    items, where it is known; the figure of a claim on a ratio is the quotient of both."""

    text: str
    measure: str
    relation: str
    bound: float
    figure: float | None
    held: bool
    real: float | None = None


class ProofResult(msgspec.Struct):
    """``proof.json`` of a run. ``minutes`` is the budget, ``wall_s`` what training and measuring took."""

    family: str
    proof: str
    dataset: str
    preset: str
    run: str
    claims: tuple[ClaimResult, ...]
    figures: dict[str, float]
    wall_s: float
    minutes: float
    parameters: int = 0
    steps: int = 0
    when: str = ""

    @property
    def passed(self) -> bool:
        """Every claim held within the budget."""
        return self.in_time and all(claim.held for claim in self.claims)

    @property
    def in_time(self) -> bool:
        return self.wall_s <= 60 * self.minutes


@dataclass
class Trained:
    """What the caller's training gives back. ``took_s``: what it took, where it was not done now."""

    run: str
    layout: RunLayout
    parameters: int = 0
    steps: int = 0
    took_s: float = 0.0


@dataclass
class Workshop:
    """How proofs reach models: ``train(proof, parts)`` makes and finishes a run (``parts``: part name -> run id),
    ``measure(run id, proof)`` evaluates it; ``other("family:proof")`` is the kept result of another family's proof, made now
    where there is none; ``tell`` hears a line about each result."""

    train: Callable[[Proof, dict[str, str]], Awaitable[Trained]]
    measure: Callable[[str, Proof], Awaitable[dict[str, float]]]
    other: Callable[[str], Awaitable[ProofResult]] | None = None
    tell: Callable[[str], Any] = field(default=lambda line: None)


async def prove(key: str, description: FamilyDescription, workshop: Workshop, only: str = "") -> list[ProofResult]:
    """Every proof of a family (or the one named ``only`` with those it builds on), each written to its run's
    ``proof.json``. Raises TroubleError if there is no such proof."""
    wanted = _wanted(description, only)
    done: dict[str, ProofResult] = {}
    for proof in wanted:
        workshop.tell(f"{key}, {proof.name}: {proof.preset} on {proof.dataset}")
        before = done.get(proof.after)
        done[proof.name] = await _one(key, description, proof, before, workshop)
        for claim in done[proof.name].claims:
            workshop.tell(f"  {sentence(claim)}")
    return list(done.values())


def _wanted(description: FamilyDescription, only: str) -> list[Proof]:
    by_name = {proof.name: proof for proof in description.proofs}
    if only and only not in by_name:
        raise TroubleError("there is no such proof", only, advice="use one of " + ", ".join(by_name))
    if not only:
        return list(description.proofs)
    chain = [by_name[only]]
    while chain[0].after:
        chain.insert(0, by_name[chain[0].after])
    return chain


async def _one(key: str, description: FamilyDescription, proof: Proof, before: ProofResult | None,
               workshop: Workshop) -> ProofResult:  # fmt: skip
    others = {part: await workshop.other(name) for part, name in proof.parts.items()}
    started = time.monotonic()
    trained = await workshop.train(proof, _parts(description, before) | {part: other.run for part, other in others.items()})
    took = trained.took_s or time.monotonic() - started
    measuring = time.monotonic()
    figures = await workshop.measure(trained.run, proof)
    known = figures | ({BEFORE + k: v for k, v in before.figures.items()} if before else {})
    known |= {f"{part}/{k}": v for part, other in others.items() for k, v in other.figures.items()}
    result = ProofResult(
        key, proof.name, proof.dataset, proof.preset, trained.run, tuple(settle(c, known) for c in proof.claims), known,
        took + time.monotonic() - measuring, proof.minutes, trained.parameters, trained.steps,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    storage.write_json(trained.layout.proof, result)
    return result


def _parts(description: FamilyDescription, before: ProofResult | None) -> dict[str, str]:
    """The run of the proof before, as the first part that such a run can be."""
    if before is None:
        return {}
    fitting = [part.name for part in description.uses if part.kind in description.provides]
    return {fitting[0]: before.run} if fitting else {}


def settle(claim: Claim, figures: dict[str, float]) -> ClaimResult:
    """A claim held against figures; one that was not measured does not hold."""
    factor = figures.get(claim.times) if claim.times else 1.0
    figure = figures.get(claim.measure)
    bound = claim.bound * factor if factor is not None else float("nan")
    held = figure is not None and (figure <= bound if claim.relation == "<=" else figure >= bound)
    return ClaimResult(claim.text, claim.measure, claim.relation, bound, figure, held, real_share(claim.measure, figures))


def real_share(measure: str, figures: dict[str, float]) -> float | None:
    """The same share of real held-out items, of a measure or of its ratio to it."""
    own, end = measures.base(measure)
    return figures.get(own + measures.REAL) if end in ("", measures.RATIO) else None


def _beside(claim: ClaimResult) -> str:
    """What real items reach, to stand behind the bound."""
    if claim.real is None or claim.figure is None:
        return ""
    share = f"{claim.figure * claim.real:.3g} of made items, " if claim.measure.endswith(measures.RATIO) else ""
    return f"; {share}{claim.real:.3g} of real ones"


def sentence(claim: ClaimResult) -> str:
    """The claim's outcome as a line of text."""
    figure = "not measured" if claim.figure is None else f"{claim.figure:.4g}"
    sign = "≤" if claim.relation == "<=" else "≥"
    return f"{'held' if claim.held else 'FAILED'}: {claim.text}: {figure} (must be {sign} {claim.bound:.4g}{_beside(claim)})"


def families_table(results: Iterable[ProofResult], titles: dict[str, str] | None = None) -> str:
    """What each family reached, as a markdown table for the README."""
    lines = ["| family | proof | data | reached | parameters | time |", "|---|---|---|---|---|---|"]
    for result in results:
        reached = "; ".join(_reached(claim) for claim in result.claims)
        title = (titles or {}).get(result.family, result.family)
        size = f"{result.parameters / 1e6:.2f} M" if result.parameters else "–"
        lines.append(f"| {title} | {result.proof} | {result.dataset} | {reached} | {size} | {result.wall_s / 60:.1f} min |")
    return "\n".join(lines) + "\n"


def _reached(claim: ClaimResult) -> str:
    figure = "not measured" if claim.figure is None else f"{claim.figure:.3g}"
    sign = "≤" if claim.relation == "<=" else "≥"
    return f"{claim.text}: **{figure}** ({sign} {claim.bound:.3g}{_beside(claim)})" + ("" if claim.held else " ✗")
