"""Whether a small preset follows captioned data that are not ours: trained by command line on a folder, judged from outside.

    python tests/following_words.py FAMILY SET LIBRARY [--set KEY=VALUE ...] [--sheet FILE.png] [--judge-only RUN]

Prints shares of 400 samples of new captions that show the colour, place and shape asked for, and all three; minutes of
training; and what the judge says of real pictures. The sheet shows the first samples, eight a row, as their captions are told.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import caption_judge
import captioned_sets
import cv2
import numpy as np

from models_backend.cli import main as nexus_studio
from models_backend.conditions.prompts import escaped
from models_backend.contract.messages import Sample
from models_backend.library.library import Library
from models_backend.sampling.draw import draw
from models_backend.sampling.loading import load_run
from models_backend.workers.registry import families

PROMPTS, ASKED = 400, 1003


def train(library: Path, family: str, name: str, changes: list[str]) -> tuple[str, float]:
    """A run of the small preset on a folder of that set, and its minutes."""
    folder = library.with_name(f"{library.name}-sets") / name
    if not folder.exists():
        captioned_sets.write(name, folder)
    title, begun = f"{family} on {name}, {time.strftime('%H:%M:%S')}", time.monotonic()
    more = [word for change in changes for word in ("--set", change)]
    told = ["train", "--library", str(library), "--family", family, "--data", str(folder), "--title", title, *more]
    if nexus_studio(told):
        raise SystemExit("the training did not end well")
    with Library.open(library) as opened:
        run = next(record.id for record in opened.runs() if record.title == title)
    return run, (time.monotonic() - begun) / 60


def samples(library: Path, run: str, name: str, sampling: dict[str, Any], count: int) -> tuple[np.ndarray, captioned_sets.Made]:
    """Pictures (N, 32, 32, 3) of new captions of that set, and what was asked."""
    asked = captioned_sets.make(name, count, ASKED)
    with Library.open(library) as opened:
        loaded = load_run(opened, run, families(), device="cpu")
        told = {"text": [escaped(caption) for caption in asked.captions]}
        return draw(loaded, Sample(run, count, 0, sampling, told, save=False), opened)[1], asked


def sheet(pictures: np.ndarray, file: Path, columns: int = 8, zoom: int = 4) -> None:
    """The first pictures, eight a row, enlarged."""
    rows = min(len(pictures), 48) // columns
    grid = pictures[: rows * columns].reshape(rows, columns, *pictures.shape[1:]).transpose(0, 2, 1, 3, 4)
    grid = grid.reshape(rows * pictures.shape[1], columns * pictures.shape[2], 3)[..., ::-1]
    cv2.imwrite(str(file), cv2.resize(grid, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST))


def followed(library: Path, run: str, name: str, sampling: dict[str, Any], drawn: Path | None = None,
             count: int = PROMPTS) -> dict[str, float]:  # fmt: skip
    """Shares of samples that show what was asked, by factor and "joint"."""
    pictures, asked = samples(library, run, name, sampling, count)
    if drawn:
        sheet(pictures, drawn)
    return caption_judge.judged(name, pictures, asked.factors)


def _line(shares: dict[str, float]) -> str:
    return " ".join(f"{name} {share:.3f}" for name, share in shares.items())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family")
    parser.add_argument("set", choices=captioned_sets.SETS)
    parser.add_argument("library", type=Path)
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--sampling", type=json.loads, default={})
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--judge-only", metavar="RUN", help="a run that was trained before")
    options = parser.parse_args(argv)
    run, minutes = options.judge_only, 0.0
    if not run:
        run, minutes = train(options.library, options.family, options.set, options.changes)
    shares = followed(options.library, run, options.set, options.sampling, options.sheet)
    print(f"{options.family} on {options.set} ({run}), {minutes:.1f} min: {_line(shares)}", flush=True)
    print(f"  real pictures: {_line(caption_judge.on_real(options.set))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
