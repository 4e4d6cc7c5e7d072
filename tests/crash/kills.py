"""SIGKILL at random moments of training, checkpoints, import, export and index writes, as often as wanted:

    python tests/crash/kills.py --kills 200 [--seed N] [--only train import ...] [--naive]

After each kill the library is reopened, ``fsck`` must be clean, all that the killed process had said was done must be there,
and its work is taken up again and must end as undisturbed work does (runs: the same weight hash). Every durable operation of
what is killed takes some milliseconds, as on a disk, so that many kills fall between two of them."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crash import scene
from crash.forking import Child, Outcome, answer, companions, forked
from crash.targets import TARGETS, Place, Target, Training, sound
from library.crash import scratch
from library.naive import naive_writes

from models_backend.library import faults

GONE_S = 8.0
OPERATION_S = 0.003


@contextlib.contextmanager
def slow_disk() -> Iterator[None]:
    """Every durable operation in this process takes a while."""
    due = faults.due

    def late(operation: str, path: object = "") -> str | None:
        time.sleep(OPERATION_S)
        return due(operation, path)

    with mock.patch.object(faults, "due", late):
        yield


@dataclass
class Report:
    """What was killed, how often it was taken up again, and what was broken."""

    seed: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    resumed: int = 0
    damages: list[str] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.kills.values())

    def __str__(self) -> str:
        each = ", ".join(f"{name} {count}" for name, count in self.kills.items())
        line = (
            f"{self.total} kills ({each}) in {self.took_s:.0f} s, seed {self.seed}: {len(self.damages)} damaged; "
            f"{self.total} times reopened and checked, {self.resumed} killed runs resumed to the undisturbed weight hash, "
            f"{self.ended} children were done before their kill"
        )
        return "\n".join([line, *self.damages[:10]])


class Siege:
    """Targets in turn, each child killed at a random moment of its time."""

    def __init__(self, place: Place, targets: list[Target], seed: int, naive: bool = False):
        self.place, self.targets, self.naive = place, targets, naive
        self.report, self._moments = Report(seed), random.Random(seed)
        found = answer(place.fill)
        self._standing, place.exports, self._sources = found["standing"], found["exports"], found["sources"]
        for target in targets:
            if isinstance(target, Training):
                began = time.monotonic()
                target.undisturbed = answer(slow_disk()(target.prepare))
                target.longest_s = 0.8 * (time.monotonic() - began)

    def go_on(self, kills: int, enough: int = 0) -> Report:
        """Until that many kills, or ``enough`` damages. A line of progress for each tenth."""
        began = time.monotonic()
        while self.report.total < kills and not (enough and len(self.report.damages) >= enough):
            self._once(self.targets[self.report.total % len(self.targets)])
            self.report.took_s = time.monotonic() - began
            if kills >= 50 and self.report.total % (kills // 10) == 0:
                print(f"{self.report.total} of {kills}, {len(self.report.damages)} damaged", file=sys.stderr, flush=True)
        return self.report

    def _once(self, target: Target) -> None:
        target.next()
        child, outcome = self._killed(target)
        what = f"{target.name}, round {target.rounds}"
        if not outcome.killed and outcome.code:
            self.report.damages.append(f"{what}: the child ended with {outcome.code}\n{outcome.raised}")
        elif not outcome.killed:
            self.report.ended += 1
        self.report.kills[target.name] += outcome.killed
        if left := companions(child.pid, GONE_S):
            self.report.damages.append(f"{what}: it left processes behind: {left}")
        looked = forked(lambda say: self._look(target, outcome, say))
        if looked.code:
            self.report.damages.append(f"{what}, after {outcome.said[-2:]}: {looked.raised}")
            return
        target.learn(looked.said[-1])
        self.report.resumed += looked.said[-1].get("resumed", 0) * outcome.killed

    def _killed(self, target: Target) -> tuple[Child, Outcome]:
        writes = naive_writes if self.naive else contextlib.nullcontext

        def act(say) -> int | None:
            with slow_disk(), writes():
                return target.act(say)

        child = Child(act)
        if child.listen(self._moments.uniform(0, target.longest_s)):
            child.kill()
        return child, child.end()

    def _look(self, target: Target, outcome: Outcome, say) -> None:
        sound(self.place.root)
        found = target.look(outcome.said)
        sound(self.place.root)
        now = scene.standing(self.place.root)
        assert self._standing.items() <= now.items(), "something that was committed before has changed"
        assert scene.files(self.place.folder / "pictures") == self._sources, "a source was touched"
        say(found)


def besieged(kills: int, seed: int = 0, only: list[str] | None = None, naive: bool = False, enough: int = 0) -> Report:
    """The whole harness on a library of its own."""
    scene.load()
    with scratch() as folder:
        place = Place(folder)
        chosen = [kind(place) for kind in TARGETS if not only or kind.name in only]
        try:
            return Siege(place, chosen, seed, naive).go_on(kills, enough)
        finally:
            place.decoder.close()


def main() -> int:
    """0 where nothing was damaged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=[kind.name for kind in TARGETS])
    parser.add_argument("--naive", action="store_true", help="write as programs do that never crash: it must find damage")
    options = parser.parse_args()
    report = besieged(options.kills, options.seed, options.only, options.naive, enough=1 if options.naive else 0)
    print(report)
    return 1 if report.damages else 0


if __name__ == "__main__":
    sys.exit(main())
