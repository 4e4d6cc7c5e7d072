"""How many pictures a second an import takes in: 3,000 photographs of 256 x 256 as JPEG, by the engine's own way.

    python tests/xvfb/import_rate.py [--count 3000] [--rounds 3] [--profile FILE]

Each round imports into a fresh library. Told are the rate of the whole (start of the importer's process, finding, reading,
decoding in the confined children, hashes, duplicates, writing and syncing, the reply) and that of the import proper.
``--profile`` runs one round in this process and writes what cProfile saw of all its threads.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np


def photographs(folder: Path, count: int) -> int:
    """Writes ``count`` different JPEG pictures with the content of photographs; returns their bytes in all."""
    from sklearn.datasets import load_sample_images

    sources, rng, size = load_sample_images().images, np.random.default_rng(0), 0
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        source = sources[n % len(sources)]
        side = int(rng.integers(200, 400))
        top, left = rng.integers(0, source.shape[0] - side), rng.integers(0, source.shape[1] - side)
        pixels = cv2.resize(source[top : top + side, left : left + side], (256, 256), interpolation=cv2.INTER_AREA)
        tint = cv2.resize(rng.integers(0, 256, (4, 4, 3), np.uint8), (256, 256), interpolation=cv2.INTER_CUBIC)
        mixed = cv2.addWeighted(pixels, 0.6, tint, 0.4, 0)
        data = cv2.imencode(".jpg", mixed, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        (folder / f"{n:05d}.jpg").write_bytes(data)
        size += len(data)
    return size


async def _engine_round(folder: Path, home: Path) -> tuple[float, float]:
    """(seconds from the request to the answer, seconds of the import proper)."""
    from models_backend.engine.importing import ImportJob, carry_out
    from models_backend.library.library import Library

    library = Library.open(home, own=True)
    begun = time.perf_counter()
    record = await carry_out(ImportJob(str(home), (str(folder),)))
    took_s = time.perf_counter() - begun
    report = library.dataset(record.id).report()
    library.close()
    return took_s, report.took_s


def _profiled(folder: Path, home: Path, out: Path) -> None:
    """One import in this process: where the parent's side spends its time, thread by thread."""
    import cProfile
    import pstats
    import threading

    from models_backend.data.importing import import_paths

    profiles: list[cProfile.Profile] = []

    run = threading.Thread.run

    def run_profiled(thread: threading.Thread) -> None:
        profile = cProfile.Profile()
        profiles.append(profile)
        profile.runcall(run, thread)

    threading.Thread.run = run_profiled
    profile = cProfile.Profile()
    profile.runcall(import_paths, home, [folder])
    with out.open("w") as file:
        for one in (profile, *profiles):
            pstats.Stats(one, stream=file).sort_stats("tottime").print_stats(25)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nexus-rate-") as scratch:
        folder = Path(scratch) / "photographs"
        size = photographs(folder, options.count)
        print(f"{options.count} JPEG pictures of 256 x 256, {size / options.count / 1024:.1f} KiB each, {os.cpu_count()} cores")
        if options.profile:
            _profiled(folder, Path(scratch) / "library", options.profile)
            return 0
        for turn in range(options.rounds):
            whole, proper = asyncio.run(_engine_round(folder, Path(scratch) / f"library-{turn}"))
            print(f"round {turn + 1}: {options.count / whole:.0f} pictures/s in all ({whole:.2f} s), "
                  f"{options.count / proper:.0f} pictures/s in the import proper ({proper:.2f} s)", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
