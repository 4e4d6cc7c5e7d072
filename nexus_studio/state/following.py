"""Which run a workspace works with: the window's current one, unless another was chosen there by hand."""

from __future__ import annotations

from collections.abc import Sequence

from .runs import Runs


class Following:
    """``own`` is the run that was chosen by hand, "" while the workspace follows the window."""

    def __init__(self, runs: Runs):
        self._runs = runs
        self.own = ""

    def choose(self, run: str) -> None:
        """A choice by hand; choosing the window's current run follows the window again."""
        self.own = "" if run == self._runs.current else run

    def wanted(self, able: Sequence[str], shown: str = "") -> str:
        """The run to work with out of those that are ``able``, newest first: the own one, the current one, the one that is
        ``shown``, the newest; "" where there is none."""
        return next((run for run in (self.own, self._runs.current, shown, *able) if run in able), "")
