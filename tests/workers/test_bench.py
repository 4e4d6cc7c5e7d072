"""Benches: what they put beside themselves goes away with them, and a CPU without half precision is told as one."""

import os

import psutil
import pytest
import torch

from models_backend.networks import precision
from models_backend.workers import bench


def test_busy_processes_compute_and_end_with_the_bench():
    with bench.busy(2):
        others = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
        found = [child for child in others if "range(100_000)" in " ".join(child.cmdline())]
        assert len(found) == 2
    assert not [child for child in found if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_without_half_nothing_is_measured_in_it(monkeypatch):
    monkeypatch.setattr(precision, "may_be_faster", lambda device: True)
    for name in bench.AVX2_ONLY:
        monkeypatch.delenv(name, raising=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        bench.without_half()
        assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert not precision.may_be_faster(torch.device("cpu"))
