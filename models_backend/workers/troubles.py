"""What a worker's exception means in plain words. The traceback travels in the detail, never in the way."""

from __future__ import annotations

import errno
import traceback

import msgspec

from models_backend.contract.fields import FieldError
from models_backend.contract.messages import Trouble, TroubleError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "std::bad_alloc", "defaultcpuallocator")
_SMALLER = "Try a smaller batch, fewer items or a smaller resolution, or gradient checkpointing"


def trouble_of(error: BaseException, item: str = "") -> Trouble:
    """The plain words for an exception; an expected one brings its own."""
    detail = "".join(traceback.format_exception(error))
    if isinstance(error, TroubleError):
        own = error.trouble
        return msgspec.structs.replace(own, item=own.item or item, detail=own.detail or detail)
    if isinstance(error, FieldError):
        return Trouble(str(error), item, advice="Change the value and try again", detail=detail)
    if out_of_memory(error):
        return Trouble("memory ran out", item, advice=_SMALLER, detail=detail)
    if isinstance(error, OSError):
        return _of_system(error, item, detail)
    if isinstance(error, NotImplementedError):
        return Trouble("this family cannot do that", item, detail=detail)
    first = str(error).strip().splitlines()[0] if str(error).strip() else "no further words"
    return Trouble(f"{type(error).__name__}: {first}", item, advice="The details hold the traceback", detail=detail)


def out_of_memory(error: BaseException) -> bool:
    """Whether it tells that memory ran out, in whichever of torch's many ways."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in text for sign in _OUT_OF_MEMORY)


def _of_system(error: OSError, item: str, detail: str) -> Trouble:
    advice = (
        "Make room on the disk, then try again"
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else "Check the path and its rights"
    )
    return Trouble(error.strerror or str(error), item or str(error.filename or ""), advice=advice, detail=detail)
