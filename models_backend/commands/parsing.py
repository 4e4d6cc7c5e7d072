"""The parser of the command line: mistyped options and commands are answered with what was meant, and help says where the
library lies."""

from __future__ import annotations

import argparse
import contextlib
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from models_backend.contract.messages import Trouble
from models_backend.engine.terminal import Reporter

#: What argparse says of an option without its value, and of arguments that are not there.
_NO_VALUE = re.compile(r"argument (\S+): expected one argument")
_NO_ARGUMENT = re.compile(r"the following arguments are required: (?!--)")
_DASHED = re.compile("-[^-]")


def written(*words: str) -> str:
    """A command of ours as it is typed: what begins with a dash and is no option stands behind ``--``."""
    name, *rest = words
    return shlex.join(["nexus-studio", name, *(["--"] if any(word.startswith("-") for word in rest) else []), *rest])


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one JSON line where JSON was asked for; its help says where the library is."""

    def format_help(self) -> str:
        from models_backend.library.opening import default_root, named_root, usual_root

        named = " (as the variable NEXUS_LIBRARY says now)" if named_root() is not None else ""
        ways = f"Another place: --library DIR, or the variable NEXUS_LIBRARY; the usual one is {usual_root()}."
        return f"{super().format_help()}\nThe library (data sets, runs, samples) lies in {default_root()}{named}. {ways}\n"

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None):
        self._given = list(args or ())
        known, unknown = super().parse_known_args(args, namespace)
        if unknown and self.get_default("act"):  # a command: it knows which of its own options come near
            self.error(self._of_unknown(unknown))
        return known, unknown

    def _of_unknown(self, unknown: list[str]) -> str:
        from models_backend.contract.names import meant

        options = self._option_string_actions
        name, _, value = unknown[0].partition("=")
        said = f"unrecognized arguments: {' '.join(unknown)}"
        if not name.startswith("--"):
            return said
        near = meant(name, [option for option in options if option != "--set"])
        if near or "--set" not in options:
            return f"{near}{said}"
        value = value or (unknown[1] if len(unknown) > 1 and not unknown[1].startswith("-") else "VALUE")
        return f"{said}; a setting is given as --set {name[2:]}={value}"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            from models_backend.contract.names import meant

            near = meant(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{near}{error.message}") from None

    def _dashed(self, message: str) -> str:
        """How a value that begins with a dash is given, where one was taken for an option; else ""."""
        known = self._option_string_actions
        if option := _NO_VALUE.search(message):
            behind = self._given[self._given.index(option[1]) + 1 :] if option[1] in self._given else []
            value = next((word for word in behind[:1] if word not in known), "")
            return f"; a value that begins with a dash is given as {shlex.quote(f'{option[1]}={value}')}" if value else ""
        strange = [word for word in self._given if _DASHED.match(word) and word not in known]
        if not (strange and _NO_ARGUMENT.search(message) and self.get_default("act")):
            return ""
        said = "; what begins with a dash and is no option stands behind --"
        if any(word.partition("=")[0] in known for word in self._given):
            return said
        return f"{said}: {self.prog} -- {shlex.join(word for word in self._given if word != '--')}"

    def error(self, message: str) -> NoReturn:
        message += self._dashed(message)
        if "--json" in sys.argv:
            with contextlib.suppress(BrokenPipeError):
                Reporter(as_json=True).error(Trouble(message, self.prog, advice=f"`{self.prog} --help` lists what there is"))
            self.exit(2)
        super().error(message)
