"""``python -m models_backend.workers``: one training job, one interactive session, or one description of all families."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from models_backend.engine.processes import WAITING


def main(argv: list[str] | None = None) -> int:
    """Runs one worker; its exit status. Heavy imports happen inside the one that needs them."""
    os.environ.update(WAITING | os.environ)  # read when torch's thread pool starts
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    return options.act(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models_backend.workers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="JOB")
    train = commands.add_parser("train", help="train the run in a folder")
    train.add_argument("run", type=Path)
    train.add_argument("--device", default="auto")
    train.add_argument("--lock", type=int, help="descriptor of the run's lock, where this process inherited it")
    train.add_argument("--from", dest="begins", type=int, default=0, help="step of the checkpoint that it goes on from")
    train.set_defaults(act=_train)
    interactive = commands.add_parser("interactive", help="answer requests until standard input closes")
    interactive.add_argument("--library", type=Path, required=True)
    interactive.add_argument("--device", default="cpu")
    interactive.add_argument("--socket", type=Path, required=True)
    interactive.set_defaults(act=_interactive)
    device = commands.add_parser("device", help="tell by the exit status whether torch has a device of that name")
    device.add_argument("name")
    device.set_defaults(act=_device)
    describe = commands.add_parser("describe", help="print all families as JSON")
    describe.add_argument("--library", type=Path)
    describe.set_defaults(act=_describe)
    return parser


def _train(options: argparse.Namespace) -> int:
    from .training import main

    return main(options.run, options.device, options.lock, begins=options.begins)


def _interactive(options: argparse.Namespace) -> int:
    from .interactive import main

    return main(options.library, options.device, options.socket)


def _device(options: argparse.Namespace) -> int:
    from models_backend.contract.messages import TroubleError
    from models_backend.networks.weights import chosen_device

    try:
        chosen_device(options.name)
    except TroubleError:
        return 1
    return 0


def _describe(options: argparse.Namespace) -> int:
    from .describe import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
