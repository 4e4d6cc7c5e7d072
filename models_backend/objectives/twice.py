"""What is differentiated twice: torch.compile's networks have no second derivative, and compute it as they stand."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

_WANTED: contextvars.ContextVar[bool] = contextvars.ContextVar("differentiated twice", default=False)


@contextlib.contextmanager
def differentiable() -> Iterator[None]:
    """What networks compute in here can be differentiated twice, also by those that are compiled."""
    token = _WANTED.set(True)
    try:
        yield
    finally:
        _WANTED.reset(token)


def wanted() -> bool:
    """Whether what is computed now will be differentiated twice."""
    return _WANTED.get()
