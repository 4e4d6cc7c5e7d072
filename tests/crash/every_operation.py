"""The exhaustive loop: an action is broken at its first, second, ... last durable operation, in every way, each in a forked
child of its own; then the library must open, ``fsck`` must be clean, and ``verify`` must find all that it promises.

The twin of ``library.crash.crash_loop`` for actions that need torch: here neither the action nor the verification runs in this
process, so that they can be forked from it by the hundred."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

from crash.forking import RAISED, forked
from library.crash import CrashReport, Damage, after, scratch

from models_backend.contract.messages import TroubleError
from models_backend.library import faults

REFUSED = 1
Action = Callable[[Path], int | None]
Verify = Callable[[Path, bool], None]


def every_operation(
    action: Action, fresh: Callable[[Path], Path], verify: Verify, ways: Iterable[tuple[str, bool]], stride: int = 1,
    first: int = 1, enough: int = 0,
) -> CrashReport:  # fmt: skip
    """Trials at operation ``first``, ``first + stride``, ... until the action runs through, in each way. ``action`` returns 0
    where it was finished and 1 (or raises TroubleError) where it gave up in plain words. Ends early at ``enough`` damages."""
    report = CrashReport()
    with scratch() as folder:
        for kind, persistent in ways:
            for n in itertools.count(first, stride):
                struck, damage = _trial(action, fresh(folder), verify, Damage(n, kind, persistent, ""))
                report.trials += 1
                report.struck += struck
                report.operations = max(report.operations, n if struck else n - 1)
                report.damages += [damage] if damage.text else []
                if enough and len(report.damages) >= enough:
                    return report
                if not struck:
                    break
    return report


def operations(action: Action, fresh: Callable[[Path], Path]) -> list[tuple[str, str]]:
    """(operation, path) of everything durable that an undisturbed action does."""
    with scratch() as folder:
        root = fresh(folder)

        def recorded(say) -> None:
            noted = faults.record()
            action(root)
            for one in noted:
                say(one)

        return [tuple(pair) for pair in forked(recorded).said]


def _trial(action: Action, root: Path, verify: Verify, at: Damage) -> tuple[bool, Damage]:
    """(whether the fault struck, what it broke)."""
    outcome = forked(lambda say: _broken(action, root, at, say))
    struck = outcome.killed or bool(outcome.said and outcome.said[-1])
    if not outcome.killed and outcome.code not in (0, REFUSED):
        return struck, _with(at, f"the action raised\n{outcome.raised or outcome.code}")
    looked = forked(lambda say: say(after(root, verify, outcome.code == 0)))
    text = looked.said[-1] if looked.said else f"the look at it ended with {looked.code}\n{looked.raised}"
    return struck, _with(at, text)


def _broken(action: Action, root: Path, at: Damage, say: Callable) -> int:
    faults.arm(at.n, at.kind, at.persistent)
    code = RAISED
    try:
        code = action(root) or 0
    except TroubleError:
        code = REFUSED
    finally:
        faults.disarm()
        say(faults.struck())
    return code


def _with(at: Damage, text: str) -> Damage:
    return Damage(at.n, at.kind, at.persistent, text)
