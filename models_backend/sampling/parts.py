"""A batch made in parts, one a core, where that is quicker on the machine at hand.

Threads that share every operation wait for one another thousands of times in a sample, and beside other programs each wait
may last as long as another program's turn. Parts of a batch have nothing to do with one another, so each can have a core to
itself. For small networks the interpreter is what takes the time, and parts only stand in each other's way: it is measured.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from torch import Tensor

from models_backend.contract.trace import Step, Stopped
from models_backend.networks import at_hand

#: Steps that are measured, and how many a sample must have to be worth it.
MEASURED, WORTH_MEASURING = 2, 8

#: (first, count, on_step) -> items: makes that part of a batch.
Make = Callable[[int, int, Callable[[Step], None]], Tensor]


def drawn(first: int, count: int, parts: int, make: Make, on_step: Callable[[Step, int], None]) -> Tensor:
    """Items first .. first + count in that many parts. ``on_step`` gets each step and how many items it is of; the first
    exception of any part ends all of them."""
    if parts == 1:
        return make(first, count, lambda step: on_step(step, count))
    failed = False

    def one(bounds: tuple[int, int]) -> Tensor:
        nonlocal failed

        def listen(step: Step) -> None:
            if failed:
                raise Stopped
            on_step(step, bounds[1])

        try:
            return make(*bounds, listen)
        except BaseException:
            failed = True
            raise

    with _one_thread_each(), ThreadPoolExecutor(parts, "part") as pool:
        return torch.cat(list(pool.map(one, shares(first, count, parts))))


def shares(first: int, count: int, parts: int) -> list[tuple[int, int]]:
    """(first, count) of each part, as even as can be."""
    edges = [first + count * n // parts for n in range(parts + 1)]
    return [(a, b - a) for a, b in pairwise(edges) if b > a]


def quickest(key: str, first: int, count: int, make: Make) -> int:
    """Into how many parts to cut a batch of that many items: 1, or one a thread."""
    most = min(torch.get_num_threads(), count)
    if most == 1:
        return 1
    ways = [lambda parts=parts: _begun(first, count, parts, make) for parts in (1, most)]
    return most if at_hand.taken(f"parts {key} {count}", lambda: at_hand.quickest(ways, rounds=1)) else 1


def _begun(first: int, count: int, parts: int, make: Make) -> None:
    """The first steps of a batch."""

    def enough(step: Step, of: int) -> None:
        if step.total < WORTH_MEASURING:
            raise RuntimeError("too few steps to be worth it")
        if step.index >= MEASURED:
            raise Stopped

    with contextlib.suppress(Stopped):
        drawn(first, count, parts, make, enough)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Operations of threads that begin meanwhile do not share their work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
