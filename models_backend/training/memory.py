"""Running out of memory, in words that say what to change."""

from __future__ import annotations

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.settings import TrainingSettings


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
