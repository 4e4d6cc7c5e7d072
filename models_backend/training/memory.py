"""Running out of memory, in words that say what to change."""

from __future__ import annotations

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.settings import TrainingSettings

_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "std::bad_alloc")


def ran_out(error: BaseException) -> bool:
    """Whether an exception tells that memory ran out, in any of torch's wordings."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _SIGNS)


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
