"""Steps whose loss or gradient is not a number: left out and counted; three in a row end the run at its last good state."""

from __future__ import annotations

from models_backend.contract.messages import TroubleError

IN_A_ROW = 3


class NonFinite(Exception):
    """Raised inside a step: ``where`` names the figure that is not a number."""

    def __init__(self, where: str):
        super().__init__(where)
        self.where = where


class Guard:
    """Counts of steps that were left out."""

    def __init__(self) -> None:
        self.skipped, self.in_a_row, self.where = 0, 0, ""

    def skip(self, where: str) -> None:
        """A step was left out."""
        self.skipped += 1
        self.in_a_row += 1
        self.where = where

    def passed(self) -> None:
        """A step went well."""
        self.in_a_row = 0

    @property
    def exhausted(self) -> bool:
        """Whether it is time to stop."""
        return self.in_a_row >= IN_A_ROW

    def trouble(self, run: str, step: int, kept: str) -> TroubleError:
        """The end of the run in plain words."""
        return TroubleError(
            f"{self.where} was not a number {self.in_a_row} steps in a row, up to step {step}", run, kept,
            "Lower the learning rate and resume, or make a new run that clips gradients at 1 or trains in fp32",
        )  # fmt: skip
