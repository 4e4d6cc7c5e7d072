"""``fsck``, and the commands that are programs of their own: ``demo`` and ``bench``."""

from __future__ import annotations

import argparse
import subprocess

from models_backend.contract.words import counted
from models_backend.engine import processes
from models_backend.engine.terminal import Reporter

from .session import must_stand


async def fsck(options: argparse.Namespace, reporter: Reporter) -> int:
    """Reads everything in a library and says what does not hold; exit status 1 where something is wrong."""
    from models_backend.library.fsck import clean
    from models_backend.library.fsck import fsck as look_through
    from models_backend.library.opening import default_root

    must_stand(getattr(options, "library", None))
    root = getattr(options, "library", None) or default_root()
    findings = look_through(root, repair=options.repair, deep=not options.fast)
    for finding in findings:
        reporter.result(str(finding), level=finding.level, item=finding.item, what=finding.text, repaired=finding.repaired)
    good = clean(findings)
    advice = "" if good or options.repair else ". `nexus-studio fsck --repair` puts right what can be"
    reporter.done(
        f"{root}: {'clean' if good else 'not clean'}, {counted(len(findings), 'finding')}{advice}",
        clean=good,
        findings=len(findings),
    )
    return 0 if good else 1


def program(module: str, arguments: list[str]) -> int:
    """Runs a backend module with our standard streams; its exit status. Ctrl+C reaches it and is waited for."""
    with subprocess.Popen(processes.command(*arguments, module=module), env=processes.environment()) as process:
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                continue  # it got the same signal and ends in its own way
            return 128 - status if status < 0 else status
