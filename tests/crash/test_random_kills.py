"""Real work killed at random moments: train, checkpoint, import, export, index writes (see kills.py)."""

from __future__ import annotations

import os

import pytest

if not hasattr(os, "fork"):
    pytest.skip("the harness forks", allow_module_level=True)

from crash.kills import besieged

ALL = {"train", "checkpoint", "import", "export", "index"}


def test_ten_kills_lose_nothing():
    report = besieged(10, seed=1)
    assert not report.damages, str(report)
    assert report.total == 10 and set(report.kills) == ALL
    assert report.resumed >= 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_kills_lose_nothing():
    kills = int(os.environ.get("NEXUS_KILLS", "200"))
    report = besieged(kills, seed=int(os.environ.get("NEXUS_SEED", "0")))
    print(f"\n{report}")
    assert not report.damages, str(report)
    assert report.total == kills and set(report.kills) == ALL


def test_the_harness_finds_what_naive_writes_break():
    report = besieged(60, seed=2, only=["checkpoint", "export", "index"], naive=True, enough=1)
    assert report.damages, f"naive writes went unnoticed: {report}"
