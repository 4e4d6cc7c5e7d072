"""Memory while training: pages are kept for the next step; running out of it, in words that say what to change."""

from __future__ import annotations

import ctypes
import functools
import sys

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.settings import TrainingSettings

# malloc.h: mallopt's parameters
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


@functools.cache
def keep_freed_pages() -> bool:
    """Lets the C library keep what a step frees for the next one, instead of giving it back to the system page by page: a
    tenth of a step on a CPU. False where the C library has no such setting."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(_MMAP_THRESHOLD, 1 << 30), mallopt(_TRIM_THRESHOLD, (1 << 31) - 1), mallopt(_TOP_PAD, 1 << 26)])


def trouble(error: BaseException, record: RunRecord, settings: TrainingSettings, step: int) -> TroubleError:
    """The trouble with advice that keeps the run's arithmetic where it can."""
    kept = "Its checkpoints are kept" if step else "Nothing was trained yet"
    return TroubleError(f"memory ran out in step {step + 1}", record.title or record.id, kept, advice(settings), str(error))


def advice(settings: TrainingSettings) -> str:
    """The smallest changes that help, first the one that leaves the result nearly as it was."""
    tips = []
    if settings.batch_size > 1:
        half = max(1, settings.batch_size // 2)
        tips.append(f"batch_size {half} with accumulate {settings.accumulate * 2} (the same items a step)")
    if not settings.checkpoint_gradients:
        tips.append("checkpoint_gradients on")
    tips.append("a smaller resolution or network")
    return "Make a new run with " + ", or ".join(tips)
