"""The command line: ``nexus-studio <command>``, the same jobs as in the window, without Qt and without torch.

Every command takes ``--library DIR`` and ``--json`` (one JSON object a line), shows progress on a terminal, and exits
non-zero with one clear line where something is wrong: 1 it failed, 2 it was asked wrongly, 130 it was stopped before its end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from models_backend.commands.parsing import Parser
from models_backend.contract import exports
from models_backend.contract.fields import FieldError
from models_backend.contract.messages import Trouble, TroubleError
from models_backend.engine.terminal import INTERRUPTED, TERMINATED, Reporter, visible

PROGRAMS = {"demo": "models_backend.workers.demo", "bench": "models_backend.workers.bench"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; its exit status. What nobody reads any more is left unsaid."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    with _read_or_not():
        return _ended(arguments)
    return 0  # the reader had enough before the command ended


@contextlib.contextmanager
def _read_or_not() -> Iterator[None]:
    """Inside, output goes nowhere once its reader is gone, and from the beginning where it was closed; nor is there anything
    left to write when the process ends."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))  # until the process ends
    try:
        with contextlib.suppress(BrokenPipeError):
            yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _ended(arguments: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):  # a terminal that knows no ü is told \\xfc
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if arguments and arguments[0] in PROGRAMS:
        from models_backend.commands.upkeep import program

        return program(PROGRAMS[arguments[0]], arguments[1:])
    options = parser().parse_args(arguments)
    reporter = Reporter(as_json=getattr(options, "json", False))
    try:
        return asyncio.run(_carried_out(options, reporter))
    except (KeyboardInterrupt, asyncio.CancelledError):
        with contextlib.suppress(BrokenPipeError):
            reporter.note(reporter.interrupted, "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        trouble = _trouble(error)
        with contextlib.suppress(BrokenPipeError):
            reporter.error(trouble)
            if os.environ.get("NEXUS_DEBUG"):
                print(visible(trouble.detail), file=sys.stderr)
        return 1


async def _carried_out(options: argparse.Namespace, reporter: Reporter) -> int:
    """One command. SIGTERM (a batch system's, say) is Ctrl+C."""
    with contextlib.suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel, TERMINATED)
    from models_backend.commands.session import nothing_yet

    if said := nothing_yet(options):
        if not reporter.as_json:  # as of an empty list
            reporter.note(said)
        return 0
    return await _command(options.act)(options, reporter)


def _command(name: str):
    """The coroutine function named ``module:function`` in the commands package."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"models_backend.commands.{module}"), function)


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, TroubleError):
        return error.trouble
    if isinstance(error, FieldError):
        return Trouble(str(error))
    if isinstance(error, OSError) and error.strerror:
        return Trouble(error.strerror, str(error.filename or ""))
    detail = "".join(traceback.format_exception(error))
    what = f"unexpected {type(error).__name__}: {error}"
    return Trouble(what, advice="NEXUS_DEBUG=1 shows where it came from", detail=detail)


# ------------------------------------------------------------------------------------------------ what can be asked


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    shared = _shared()
    top = Parser("nexus-studio", description="A studio for generative models.", parents=[shared],
                 epilog="Without a command the window opens.")  # fmt: skip
    top.add_argument("--version", action="version", version=f"%(prog)s {_version()}", help="say the version and end")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, act: str, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help, parents=[shared])
        command.set_defaults(act=act)
        return command

    _looking(add)
    _training(add)
    _making(add)
    _checking(add)
    _undoing(add)
    for name, help in (("demo", "digits from noise in four minutes, with a report"), ("bench", "measure this machine")):
        commands.add_parser(name, help=help, add_help=False)
    return top


def _version() -> str:
    try:
        return metadata.version("nexus-studio")
    except metadata.PackageNotFoundError:
        return "from source"


def command_names() -> list[str]:
    """Every command's name."""
    actions = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return list(actions[0].choices)


def _shared() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--library", type=Path, metavar="DIR", default=argparse.SUPPRESS, help="the library to work in")
    shared.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object a line")
    return shared


def _looking(add) -> None:
    families = add("families", "listing:families", "list the model families, or all settings of one")
    families.add_argument("name", nargs="?", help="a family, to see its presets and settings")
    families.add_argument("--data", default="", metavar="DATA", help="order them by how they suit a data set of the library")
    add("runs", "listing:runs", "list the runs")
    datasets = add("datasets", "listing:datasets", "list the data sets, or the items of one")
    datasets.add_argument("data", nargs="?", default="", metavar="DATA", help="a data set's id, its title or its folder")
    samples = add("samples", "listing:samples", "list the samples, or those of one run")
    samples.add_argument("run", nargs="?", default="", help=RUN)
    add("jobs", "listing:jobs", "list the queue")
    show = add("show", "showing:show", "show everything that is kept of a run, or what sets several apart, side by side")
    show.add_argument("runs", nargs="+", metavar="run", help=RUN)
    bring = add("import", "bringing:import_", "import files, folders or archives as one data set")
    bring.add_argument(
        "paths", nargs="+", metavar="PATH", help="what to import, or a built-in data set: digits, shapes, scenes, points"
    )
    bring.add_argument("--title", default="", help="name of the data set")
    bring.add_argument("--look-for", default="", metavar="DATA", dest="look_for",
                       help="import nothing: look in PATH for this data set's pictures that are gone")  # fmt: skip
    _editing(add)


BACKUPS = "records and edits that are damaged or gone are taken from the folder backups of the library"
ITEM = "an item by its file's name (as much of its path as tells it apart), or by its number as #17"


def _editing(add) -> None:
    edit = add("edit", "editing:edit", "edit a data set: captions, classes, attributes, items left out, how pictures are shown")
    edit.add_argument("data", help="a data set's id, its title or its folder; without options it is told how it stands")
    many = {
        "--caption": ("ITEM=TEXT", "give an item a caption; ITEM is " + ITEM),
        "--class": ("ITEM=CLASS", "put an item into a class"),
        "--attribute": ("ITEM=NAME=VALUE", "give an item another value of an attribute; nothing after NAME= makes it unknown"),
        "--leave-out": ("ITEM", "neither train on an item nor hold it out; several by their numbers as #3,5-9"),
        "--leave-out-class": ("CLASS", "leave out every item of a class"),
        "--bring-back": ("ITEM", "take an item in again, or several"),
        "--rename-class": ("OLD=NEW", "give a class another name"),
        "--add-class": ("NAME", "make a class"),
        "--remove-class": ("NAME", "take away a class that was made here and that nothing is of"),
        "--set": ("KEY=VALUE", "how it is shown to models, for example --set resolution=32 --set flip=yes"),
    }
    for option, (metavar, help) in many.items():
        name = "label" if option == "--class" else option[2:].replace("-", "_")
        edit.add_argument(option, dest=name, action="append", default=[], metavar=metavar, help=help + " (repeatable)")
    for option, help in (
        ("--leave-out-uncaptioned", "leave out every item without a caption"),
        ("--leave-out-duplicates", "of copies and look-alikes leave in one, with a caption where there is one"),
        ("--bring-back-all", "take in again whatever was left out"),
        ("--as-imported", "take back every edit first, but for the title"),
    ):
        edit.add_argument(option, action="store_true", help=help)
    edit.add_argument("--title", help="give the data set another name")


BUILT_IN = "digits, shapes, scenes:objects=2, points:density=moons"
DATA = "a data set by its title or id, a folder to import (./FOLDER where a title is the same), or one built in: " + BUILT_IN
RUN = "a run's id, the unique start of one, or its title"
NAMED = "a run, a sample or a data set: its id, the unique start of one, or its title"
SET = (
    "change a setting (repeatable), for example --set steps=500 --set optimiser=sgd; `nexus-studio families FAMILY` lists what "
    "there is"
)
FEATURES = "a pretrained vision model on this machine (CLIP, DINOv2, SigLIP, ViT, InceptionV3): measure by its features too"
FURTHER = (
    "train on to N steps in all (+N: N more than are done), also a run that has finished; the decay of the learning rate is "
    "laid over the new length"
)
ANEW = "with --steps: warm-up and decay of the learning rate begin anew instead"
CONDITION = (
    "what to make (repeatable; several of one kind go round), for example class=cat, 'text=a red circle', class=all: classes "
    "by their names, also names that are numbers; class=#0 is the first by position, class=#all every one in turn"
)


def _training(add) -> None:
    train = add("train", "training:train", "train a model")
    train.add_argument("--family", required=True, help="`nexus-studio families` lists them")
    train.add_argument(
        "--data",
        required=True,
        help=DATA,
    )
    train.add_argument("--preset", default="", help="a named starting point (default: small)")
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=SET)
    train.add_argument("--part", action="append", default=[], metavar="NAME=RUN", help="another run used as a part")
    train.add_argument("--title", default="", help="name of the run")
    resume = add("resume", "training:resume", "go on with a run, train a finished one further, or watch one in training")
    resume.add_argument("run", help=RUN)
    resume.add_argument(
        "--anew", action="store_true", help="begin anew: a new run of the same settings, on the data as they are now"
    )
    resume.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="with --anew: " + SET)
    resume.add_argument("--steps", default="", metavar="N", help=FURTHER)
    resume.add_argument("--restart-rate", action="store_true", help=ANEW)
    stop = add("stop", "training:stop", "end a run that is in training; it saves first")
    stop.add_argument("run", help=RUN)
    stop.add_argument("--now", action="store_true", help="leave the step under way undone")
    for command in (train, resume):
        command.add_argument("--device", default="", help="cpu, cuda:0, mps (default: the best there is)")
        command.add_argument("--detach", action="store_true", help="leave it in the background")


READER = (
    "Pictures are judged by a small reader that is trained on the data first, once for all its runs: half a minute (digits) "
    "to a few minutes (64 px), longer beside other work. Stopped on the way it goes on from there the next time."
)


def _making(add) -> None:
    sample = add("sample", "making:sample", "make items of a run; of a class or a caption with --condition")
    sample.add_argument("--n", type=_positive, default=16, help="how many")
    sample.add_argument(
        "--out",
        default="",
        metavar="DIR",
        help="folder to write pictures and films to; a new one in a folder that stands is made",
    )
    sample.add_argument("--trace", action="store_true", help="record the steps and write their film")
    sample.add_argument("--condition", action="append", default=[], metavar="KIND=VALUE", help=CONDITION)
    sample.add_argument("--title", default="", help="name of the sample")
    measure = add("evaluate", "making:evaluate", "measure a run on held-out data")
    measure.epilog = READER
    measure.add_argument("--n", type=_positive, default=1000, help="how many items to make")
    measure.add_argument("--features", default="", metavar="FOLDER", help=FEATURES)
    for command in (sample, measure):
        command.add_argument("run", help=RUN)
        command.add_argument("--seed", type=_seed, default=0, help="the n-th item depends on the seed and n only")
        command.add_argument(
            "--checkpoint",
            default="",
            help="a checkpoint's name (default: the newest; @0.07 behind it: averaged to that width)",
        )
        command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a sampling setting")
    export = add("export", "making:export", "write a sample or a run's weights to a file")
    export.epilog = exports.LOADING
    export.formatter_class = argparse.RawDescriptionHelpFormatter
    export.add_argument("source", help="a sample or grid, or a run for its weights")
    export.add_argument("--to", required=True, metavar="FORMAT", help=", ".join(exports.FORMATS))
    export.add_argument("--out", default="", metavar="PATH", help="file or folder (default: here); no folder above it is made")
    export.add_argument(
        "--what", default="", choices=exports.PARTS, help="what of the sample; a grid is made in the window, in Sample"
    )
    export.add_argument("--strip", action="store_true", help="leave out the metadata that bring the state back")
    export.add_argument("--fps", type=_positive, default=exports.RATE, help="frames a second of a film")
    export.add_argument("--hold", action="store_true", help=f"hold the last frame of a film for {exports.HOLD_S:g} s")
    for command in (sample, export):
        command.add_argument("--overwrite", action="store_true", help="write over files that are there already")
    export.add_argument("--scale", type=_natural, default=0,
                        help="enlarge pixels this many times (0: items as they are, sheets and films as fits)")  # fmt: skip


def _checking(add) -> None:
    proof = add("proof", "proving:proof", "train a family on built-in data and hold its claims")
    proof.add_argument("family")
    proof.add_argument("--only", default="", metavar="NAME", help="one proof of several")
    proof.add_argument("--again", action="store_true", help="measure the newest run of each again instead of training one")
    replay = add("prove-resume", "proving:prove_resume", "replay steps of a run and compare bit by bit")
    replay.add_argument("run", help=RUN)
    replay.add_argument("--steps", type=_natural, default=0, help="how many (default: between the last two checkpoints)")
    fsck = add("fsck", "upkeep:fsck", "read everything in a library and say what does not hold")
    fsck.add_argument("--repair", action="store_true", help="put right what can be, throwing nothing away; " + BACKUPS)
    fsck.add_argument("--fast", action="store_true", help="do not read the contents of checkpoints and samples")


def _undoing(add) -> None:
    rename = add("rename", "renaming:rename", "give a run, a sample or a data set another title")
    rename.add_argument("name", metavar="NAME", help=NAMED)
    rename.add_argument("title", metavar="TITLE", help="what it is called from now on")
    delete = add("delete", "trash:delete", "move runs, samples and data sets to the trash")
    delete.add_argument("names", nargs="+", metavar="NAME", help=NAMED)
    for command in (rename, delete):
        command.add_argument("--kind", default="", choices=("run", "sample", "dataset"), help="which of them a name means")
    trash = add("trash", "trash:trash_", "list what was deleted, bring it back, or free the disk")
    trash.add_argument("--restore", action="append", default=[], metavar="NAME", help="bring back by title or id (repeatable)")
    trash.add_argument("--empty", action="store_true", help="free the disk for good")
    trash.add_argument("--older-than", type=_natural, default=0, metavar="DAYS", help="empty only what was deleted before")


#: The largest count that an option takes, and the largest seed.
MOST, LARGEST_SEED = 1_000_000, 2**63 - 1


def _positive(text: str) -> int:
    return _whole(text, 1)


def _natural(text: str) -> int:
    return _whole(text, 0)


def _seed(text: str) -> int:
    return _whole(text, 0, LARGEST_SEED)


def _whole(text: str, least: int, most: int = MOST) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most:,}")
    return value


if __name__ == "__main__":
    sys.exit(main())
