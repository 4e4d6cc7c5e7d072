"""Which arithmetic a run is sampled in."""

import torch

from models_backend.networks import precision

CPU = torch.device("cpu")


def test_a_run_is_sampled_as_it_was_trained_where_the_device_has_the_kernels(monkeypatch):
    monkeypatch.setattr(precision, "_cpu_flags", lambda: {"avx512f", "avx512_bf16"})
    assert precision.for_sampling("bf16", CPU) == "bf16" and precision.for_sampling("fp32", CPU) == "fp32"
    monkeypatch.setattr(precision, "_cpu_flags", lambda: {"avx512f"})
    assert precision.for_sampling("bf16", CPU) == "fp32"
    assert precision.for_sampling("bf16", torch.device("cuda")) == "bf16"


def test_full_precision_is_left_alone_and_half_is_not():
    x, w = torch.randn(2, 3), torch.randn(3, 3)
    with precision.autocast("fp32", CPU):
        assert (x @ w).dtype == torch.float32
    with precision.autocast("bf16", CPU):
        assert (x @ w).dtype == torch.bfloat16
