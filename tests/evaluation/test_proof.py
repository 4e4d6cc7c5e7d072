"""Proofs: order, parts, claims against figures, what is written, and the table."""

from __future__ import annotations

import math

import pytest

from models_backend.contract.family import Claim, FamilyDescription, Part, Proof
from models_backend.contract.fields import FieldSpec
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout
from models_backend.evaluation.proof import ProofResult, Trained, Workshop, families_table, prove, sentence, settle
from models_backend.library import storage
from models_backend.workers.registry import families

GROUP = FieldSpec("config", "group")
PROOFS = (
    Proof("first", "digits", "tiny", 5.0, (Claim("sure", ">=", 0.8, "sure"), Claim("fd", "<=", 3.0, "close", "fd_floor"))),
    Proof(
        "second", "digits", "tiny", 5.0, (Claim("straightness", "<=", 0.1, "straighter", "before/straightness"),), after="first"
    ),
)


def described(proofs=PROOFS) -> FamilyDescription:
    uses = (Part("codec", "image codec"), Part("teacher", "flow"))
    words = ("toy", "Toy", "t", "Flow", "", "")
    return FamilyDescription(*words, ("image",), (), uses, ("flow",), (), "denoise", (), GROUP, GROUP, (), proofs)


class Bench:
    """Fakes training and measuring; remembers what it was asked."""

    def __init__(self, root, figures):
        self.layout, self.figures, self.trained, self.lines = LibraryLayout(root), figures, [], []

    async def train(self, proof, parts):
        self.trained.append((proof.name, parts))
        layout = self.layout.run(f"run-{proof.name}")
        storage.make_folder(layout.root)
        return Trained(layout.id, layout, 12_000, 60)

    async def measure(self, run, proof):
        return self.figures[proof.name]

    @property
    def workshop(self):
        return Workshop(self.train, self.measure, tell=self.lines.append)


GOOD = {"first": {"sure": 0.9, "fd": 5.0, "fd_floor": 2.0, "straightness": 0.5}, "second": {"straightness": 0.04}}


async def test_proofs_run_in_order_and_the_one_before_becomes_the_fitting_part(tmp_path):
    bench = Bench(tmp_path, GOOD)
    first, second = await prove("toy", described(), bench.workshop)
    assert bench.trained == [("first", {}), ("second", {"teacher": "run-first"})]
    assert first.passed and second.passed
    assert second.claims[0].bound == pytest.approx(0.05)
    assert sum("held" in line for line in bench.lines) == 3


async def test_a_run_of_another_family_becomes_the_named_part_and_its_figures_are_known(tmp_path):
    bench, asked = Bench(tmp_path, {"distil": {"fd_2step": 4.0}}), []
    claim = Claim("fd_2step", "<=", 1.5, "close to the teacher", "teacher/fd")
    distil = Proof("distil", "digits", "tiny", 5.0, (claim,), parts={"teacher": "other:digits"})
    kept = ProofResult("other", "digits", "digits", "small", "run-other", (), {"fd": 3.0}, 60.0, 5.0)

    async def other(name):
        asked.append(name)
        return kept

    workshop = Workshop(bench.train, bench.measure, other)
    (result,) = await prove("toy", described((distil,)), workshop)
    assert asked == ["other:digits"] and bench.trained == [("distil", {"teacher": "run-other"})]
    assert result.passed and result.claims[0].bound == pytest.approx(4.5)


async def test_results_are_written_into_their_runs(tmp_path):
    bench = Bench(tmp_path, GOOD)
    results = await prove("toy", described(), bench.workshop)
    kept = [storage.read_json(bench.layout.run(r.run).proof, ProofResult) for r in results]
    assert kept == results and kept[0].parameters == 12_000


async def test_one_proof_brings_those_it_builds_on(tmp_path):
    bench = Bench(tmp_path, GOOD)
    assert [r.proof for r in await prove("toy", described(), bench.workshop, only="second")] == ["first", "second"]
    with pytest.raises(TroubleError, match="third"):
        await prove("toy", described(), bench.workshop, only="third")


async def test_a_claim_that_fails_or_was_not_measured_fails_the_proof(tmp_path):
    bench = Bench(tmp_path, {"first": {"sure": 0.7, "fd": 5.0, "fd_floor": 2.0}, "second": {}})
    first, second = await prove("toy", described(), bench.workshop)
    assert not first.passed and [c.held for c in first.claims] == [False, True]
    assert not second.passed and second.claims[0].figure is None
    assert any("FAILED" in line for line in bench.lines) and any("not measured" in line for line in bench.lines)


def test_too_long_is_not_passed():
    held = settle(Claim("sure", ">=", 0.8, "sure"), {"sure": 0.8})
    result = ProofResult("toy", "first", "digits", "tiny", "r", (held,), {}, wall_s=301.0, minutes=5.0)
    assert held.held and not result.in_time and not result.passed


def test_a_floor_that_was_not_measured_holds_nothing():
    missing = settle(Claim("fd", "<=", 3.0, "close", "fd_floor"), {"fd": 0.0})
    assert not missing.held and math.isnan(missing.bound)


def test_table_has_a_row_a_proof_and_marks_what_failed():
    claims = (settle(Claim("sure", ">=", 0.8, "sure"), {"sure": 0.912}), settle(Claim("fd", "<=", 3.0, "FD"), {"fd": 4.0}))
    table = families_table(
        [ProofResult("toy", "first", "digits", "tiny", "r", claims, {}, 90.0, 5.0, 1_250_000)], {"toy": "Toy"}
    )
    header, _, row = table.strip().splitlines()
    assert header.count("|") == row.count("|")
    assert "Toy" in row and "**0.912** (≥ 0.8)" in row and "1.25 M" in row and "1.5 min" in row and row.count("✗") == 1
    assert "must be ≤ 3" in sentence(claims[1])


def test_a_share_is_told_beside_that_of_real_items():
    figures = {"sure": 0.72, "sure_real": 0.8, "sure_ratio": 0.9, "least_class": 0.05, "least_class_real": 0.06, "fd": 4.0}
    claims = Claim("sure_ratio", ">=", 0.85, "sure"), Claim("least_class", ">=", 0.04, "rarest"), Claim("fd", "<=", 9, "FD")
    ratio, share, distance = (settle(claim, figures) for claim in claims)
    assert sentence(ratio) == "held: sure: 0.9 (must be ≥ 0.85; 0.72 of made items, 0.8 of real ones)"
    assert sentence(share) == "held: rarest: 0.05 (must be ≥ 0.04; 0.06 of real ones)"
    assert sentence(distance) == "held: FD: 4 (must be ≤ 9)"
    table = families_table([ProofResult("toy", "first", "digits", "tiny", "r", (ratio, share), figures, 90.0, 5.0)])
    assert "**0.9** (≥ 0.85; 0.72 of made items, 0.8 of real ones)" in table


def test_no_claim_on_a_reader_is_made_without_real_items():
    """What a reader says of made items is judged by what it says of real ones."""
    read = {"sure", "class_accuracy", "reconstruction_accuracy"}
    claims = [(key, claim.measure) for key, family in families().items() for proof in family.proofs for claim in proof.claims]
    assert len(claims) > 100 and not [each for each in claims if each[1] in read]
