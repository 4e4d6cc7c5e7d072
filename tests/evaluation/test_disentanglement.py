"""Measures of disentanglement on codes whose scores are known: aligned, rotated, redundant, random."""

from __future__ import annotations

import numpy as np
import pytest

from models_backend.evaluation import disentanglement as measured


@pytest.fixture(scope="module")
def world():
    """Three independent factors of 6000 items: a category of five, two quantities; the last third is held out."""
    rng = np.random.default_rng(0)
    return {"kind": rng.integers(5, size=6000).astype(float), "x": rng.uniform(-1, 1, 6000), "y": rng.uniform(-1, 1, 6000)}


def scored(codes, world):
    first, last = slice(0, 4000), slice(4000, 6000)
    return measured.scores(codes[first], {k: v[first] for k, v in world.items()},
                           codes[last], {k: v[last] for k, v in world.items()})  # fmt: skip


def standard(world):
    rows = np.stack(list(world.values()), 1)
    return (rows - rows.mean(0)) / rows.std(0)


def test_an_aligned_code_has_every_gap_and_scores_one(world):
    """Each factor a dimension of its own, in another order and sign, beside two dimensions of noise."""
    noise = 0.01 * np.random.default_rng(1).standard_normal((6000, 2))
    found = scored(np.concatenate([noise, -standard(world)[:, ::-1]], 1), world)
    assert found["mig"] > 0.9 and found["dci"] > 0.95 and found["dci_completeness"] > 0.95
    assert found["dci_informativeness"] > 0.98
    # a code that says nothing still names the commonest of five kinds: the gap of that factor is 1 - 1/5
    assert found["sap"] == pytest.approx((0.8 + 1 + 1) / 3, abs=0.03)


def test_a_rotated_code_knows_as_much_and_is_entangled(world):
    """A fixed rotation that spreads every factor over all dimensions."""
    third = np.full((3, 3), 1 / 3)
    codes = standard(world) @ (np.eye(3) - 2 * third)  # a reflection: 1/3 on the diagonal, -2/3 beside it
    found, aligned = scored(codes, world), scored(standard(world), world)
    assert found["dci_informativeness"] > 0.6
    assert found["mig"] < 0.1 and found["sap"] < 0.1 and found["dci"] < 0.4 * aligned["dci"]


def test_a_random_code_scores_nothing(world):
    found = scored(np.random.default_rng(2).standard_normal((6000, 8)), world)
    assert found["mig"] < 0.01 and found["sap"] < 0.02 and found["dci"] < 0.1


def test_a_code_written_twice_has_no_gap(world):
    """Disentangled (each dimension serves one factor) though not compact: DCI tells the two apart, MIG and SAP fall to 0."""
    found = scored(np.concatenate([standard(world), standard(world)], 1), world)
    assert found["mig"] == pytest.approx(0.0, abs=1e-9) and found["sap"] == pytest.approx(0.0, abs=1e-9)
    assert found["dci"] > 0.95


def test_information_of_known_tables():
    a = np.array([0, 0, 1, 1])
    assert measured.mutual_information(a, a) == pytest.approx(np.log(2))
    assert measured.mutual_information(a, np.array([0, 1, 0, 1])) == pytest.approx(0.0)
    assert measured.mutual_information(a, np.array([0, 1, 2, 3])) == pytest.approx(np.log(2))


def test_purity_of_known_tables():
    assert measured.purity(np.eye(4)) == (pytest.approx(1.0), pytest.approx(1.0))
    assert measured.purity(np.ones((4, 3))) == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.0, abs=1e-12))
    # one code serves both of two factors: no disentanglement, each factor complete
    assert measured.purity(np.array([[1.0, 1.0], [0.0, 0.0]])) == (pytest.approx(0.0), pytest.approx(1.0))


def test_bins_and_kinds():
    assert measured.categorical(np.array([0.0, 1.0, 2.0])) and not measured.categorical(np.array([0.0, 0.5]))
    assert not measured.categorical(np.arange(100.0))
    assert measured.in_bins(np.array([0.0, 0.049, 0.051, 1.0])).tolist() == [0, 0, 1, 19]
    assert np.bincount(measured.in_shares(np.random.default_rng(0).lognormal(size=1000))).tolist() == [100] * 10


def test_nothing_is_said_where_nothing_varies(world):
    assert scored(np.zeros((6000, 3)), world) == {}
    assert scored(standard(world), {"kind": np.zeros(6000)}) == {}
