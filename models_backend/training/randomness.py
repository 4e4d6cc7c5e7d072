"""All randomness of a run as functions of (seed, step, rank): nothing is carried from step to step, so resume is exact."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Iterator

import numpy as np
import torch

#: purposes, so that no two draws share a stream
NOISE, FLIPS, DROPS, LAYERS, VALIDATION, DERIVED, BUCKETS = range(7)


def stream(seed: int, step: int, rank: int = 0, purpose: int = NOISE, part: int = 0) -> int:
    """63 bits that depend on all of (seed, step, rank, purpose, part)."""
    packed = struct.pack("<5q", seed, step, rank, purpose, part)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little") >> 1


def reseed(
    generator: torch.Generator, seed: int, step: int, rank: int = 0, purpose: int = NOISE, part: int = 0
) -> torch.Generator:
    """Puts a generator at the start of that stream; cheaper than a new one."""
    return generator.manual_seed(stream(seed, step, rank, purpose, part))


def reseed_layers(seed: int, step: int, rank: int, device: torch.device) -> None:
    """torch's own generators, from which dropout layers draw."""
    word = stream(seed, step, rank, LAYERS)
    torch.default_generator.manual_seed(word)
    if device.type == "cuda":
        torch.cuda.manual_seed(word)
    elif device.type == "mps":
        torch.mps.manual_seed(word)


def numpy_generator(seed: int, step: int, rank: int = 0, purpose: int = FLIPS, part: int = 0) -> np.random.Generator:
    """A numpy generator at the start of that stream."""
    return np.random.Generator(np.random.Philox(key=stream(seed, step, rank, purpose, part)))


def be_deterministic(threads: int) -> int:
    """Only repeatable kernels, on that many CPU threads (0: torch's own choice). The number of threads in use.

    Sums are split by thread, so the count belongs to a run's state."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    if threads > 0 and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    return torch.get_num_threads()


@contextlib.contextmanager
def strictly(strict: bool) -> Iterator[None]:
    """Where ``strict``, a kernel without a repeatable form is an error inside. On graphics cards attention is only repeatable
    where it is."""
    if not strict:
        yield
        return
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(True, warn_only=True)
