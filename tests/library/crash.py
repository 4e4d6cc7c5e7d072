"""The crash harness: an action is broken at every single operation, in every way, and the library must stand.

    report = crash_loop(action, template(prepare), verify)
    assert not report.damages, report

``action(root)`` does the thing (it opens the library itself), ``template(prepare)`` gives a fresh prepared library a
trial, and ``verify(root, finished)`` asserts what must hold afterwards: what was there before, whole; what the action
makes, whole or absent, and present where it ``finished``. Before ``verify`` the library is opened normally, and ``fsck``
must find nothing but notes. Import it as ``from library.crash import crash_loop, template``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from models_backend.contract.messages import TroubleError
from models_backend.library import faults
from models_backend.library.fsck import fsck
from models_backend.library.library import Library

KILL = "KILL"
#: every way to break an operation: (kind, persistent). A second kill has nobody left to hit.
WAYS = tuple((kind, again) for kind in faults.KINDS for again in (False, True) if not (kind == KILL and again))
#: the ways that differ most, for the everyday run of the tests
MAIN_WAYS = ((KILL, False), ("ENOSPC", False))
OTHER_WAYS = tuple(way for way in WAYS if way not in MAIN_WAYS)


@dataclass(frozen=True)
class Damage:
    """What one trial broke."""

    n: int
    kind: str
    persistent: bool
    text: str

    def __str__(self) -> str:
        return f"operation {self.n}, {self.kind}{' persistent' if self.persistent else ''}: {self.text}"


@dataclass
class CrashReport:
    """All trials of one action: how many operations it has, how many trials struck, and what was damaged."""

    operations: int = 0
    struck: int = 0
    trials: int = 0
    damages: list[Damage] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.trials} trials over {self.operations} operations, {len(self.damages)} damaged"]
        return "\n".join(lines + [str(damage) for damage in self.damages[:20]])


Action = Callable[[Path], None]
Verify = Callable[[Path, bool], None]


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one, else a temporary one: the harness makes thousands of small files."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None, prefix="crash-") as folder:
        yield Path(folder)


def template(prepare: Callable[[Library], None]) -> Callable[[Path], Path]:
    """A root factory: a library that ``prepare`` fills once, copied for every trial."""
    kept: dict[Path, Path] = {}

    def fresh(folder: Path) -> Path:
        if folder not in kept:
            kept[folder] = folder / "template"
            with Library.open(kept[folder]) as library:
                prepare(library)
        return Path(shutil.copytree(kept[folder], Path(tempfile.mkdtemp(dir=folder)) / "library"))

    return fresh


def crash_loop(
    action: Action,
    root_factory: Callable[[Path], Path],
    verify: Verify,
    ways: Iterable[tuple[str, bool]] = WAYS,
    stride: int = 1,
    limit: int = 10_000,
    expected: tuple[type[BaseException], ...] = (TroubleError,),
    enough: int = 0,
) -> CrashReport:
    """Break ``action`` at operation 1, 1 + stride, ... in each way until it runs through unharmed.

    Errors are raised in this process and must come out as ``expected`` (plain words) or be survived; SIGKILL strikes a
    forked child. ``root_factory(folder)`` makes a fresh library below a scratch folder. With ``enough`` it ends after
    that many damages."""
    report = CrashReport()
    with scratch() as folder:
        for kind, persistent in ways:
            for n in itertools.islice(itertools.count(1, stride), limit):
                with _trial(folder, root_factory) as root:
                    once = _killed if kind == KILL else _failed
                    struck, finished, trouble = once(action, root, n, kind, persistent, expected)
                    _note(report, Damage(n, kind, persistent, trouble or after(root, verify, finished)), struck)
                if not struck:
                    break
                if enough and len(report.damages) >= enough:
                    return report
    return report


def _note(report: CrashReport, damage: Damage, struck: bool) -> None:
    report.trials += 1
    report.struck += struck
    report.operations = max(report.operations, damage.n if struck else damage.n - 1)
    if damage.text:
        report.damages.append(damage)


@contextlib.contextmanager
def _trial(folder: Path, root_factory: Callable[[Path], Path]) -> Iterator[Path]:
    """A fresh root, removed after the trial."""
    root = root_factory(folder)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _failed(action: Action, root: Path, n: int, kind: str, persistent: bool, expected: tuple) -> tuple[bool, bool, str]:
    """(struck, finished, what went wrong) of an error raised in this process."""
    faults.arm(n, kind, persistent)
    trouble, finished = "", True
    try:
        action(root)
    except expected:
        finished = False
    except Exception as error:
        finished, trouble = False, f"raised {type(error).__name__}: {error}\n{_last_lines(error)}"
    finally:
        faults.disarm()
    return faults.struck() > 0, finished, trouble


def _killed(action: Action, root: Path, n: int, kind: str, persistent: bool, expected: tuple) -> tuple[bool, bool, str]:
    """(struck, finished, what went wrong) of a SIGKILL in a forked child."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            faults.arm(n, kind, persistent)
            action(root)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    wrong = "" if killed or status == 0 else f"the child ended with status {status}"
    return killed, status == 0, wrong


def command_loop(
    command: Callable[[Path], list[str]],
    root_factory: Callable[[Path], Path],
    verify: Verify,
    ways: Iterable[tuple[str, bool]] = ((KILL, False),),
    first: int = 1,
    stride: int = 1,
    limit: int = 10_000,
    timeout_s: float = 120.0,
    environment: dict[str, str] | None = None,
) -> CrashReport:
    """As :func:`crash_loop`, for a program: it is armed by NEXUS_FAULT, and has run unharmed when it ends with 0 before
    the fault. Ends at the first ``n`` that the program does not reach."""
    report = CrashReport()
    with scratch() as folder:
        for kind, persistent in ways:
            for n in itertools.islice(itertools.count(first, stride), limit):
                variables = {**os.environ, **(environment or {}), "NEXUS_FAULT": f"{n}:{kind}" + ":persistent" * persistent}
                with _trial(folder, root_factory) as root:
                    done = subprocess.run(command(root), env=variables, timeout=timeout_s, capture_output=True, check=False)
                    finished = done.returncode == 0
                    _note(report, Damage(n, kind, persistent, after(root, verify, finished)), not finished)
                if finished:
                    break
    return report


def random_kills(
    start: Callable[[Path], subprocess.Popen],
    root: Path,
    verify: Verify,
    times: int,
    longest_s: float,
    seed: int = 0,
    shortest_s: float = 0.0,
) -> CrashReport:
    """Start a program ``times`` times on the same library and SIGKILL it (with its process group, where it has its own)
    after a random time; ``verify`` is told whether it had ended by itself before."""
    report, moments = CrashReport(), random.Random(seed)
    for n in range(1, times + 1):
        with start(root) as process:
            try:
                process.wait(moments.uniform(shortest_s, longest_s))
            except subprocess.TimeoutExpired:
                _kill_all(process)
                process.wait()
            finished = process.returncode == 0
        _note(report, Damage(n, KILL, False, after(root, verify, finished)), not finished)
    return report


def _kill_all(process: subprocess.Popen) -> None:
    own_group = os.getpgid(process.pid) == process.pid
    os.killpg(process.pid, signal.SIGKILL) if own_group else process.kill()


def after(root: Path, verify: Verify, finished: bool) -> str:
    """What is wrong after a trial, in words: reopening, fsck, then ``verify``; "" where all is well."""
    try:
        Library.open(root).close()
        wrong = [str(finding) for finding in fsck(root) if finding.level != "note"]
        if wrong:
            return "fsck: " + "; ".join(wrong)
        verify(root, finished)
    except Exception as error:
        return f"{type(error).__name__}: {error}\n{_last_lines(error)}"
    return ""


def _last_lines(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-3:])
