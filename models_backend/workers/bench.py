"""``nexus-studio bench NAME``: this machine measured, each speed as a ratio to a named peer in the same run.

start: first paint and memory of the window.      ui: gaps of its event loop while a run trains.
train: the trainer against the plain diffusers loop.  sample: sampling against diffusers' pipeline of the network.
Both on the best device; on a graphics card training is also told as a share of what its matrix products reach in bf16.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from models_backend import isolation
from models_backend.contract.messages import TroubleError
from models_backend.contract.words import counted
from models_backend.engine.terminal import Reporter

#: The small U-Net of the comparisons: (width, multipliers) at 32 px, attention at 8 px.
NETWORK = {"type": "unet", "width": 64, "multipliers": [1, 2, 2], "blocks": 2, "attention": [8], "head": 32, "groups": 8}
SIZE, BATCH, SAMPLE_STEPS = 32, 16, 20
#: Steps that are timed together, by device: a graphics card needs more of them to be told from its clock.
STEPS_A_ROUND = {"cpu": 4, "cuda": 40}
#: What keeps torch's libraries from kernels that a CPU with AVX2 only does not have.
AVX2_ONLY = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
#: A process that keeps a core busy until its parent is gone.
_SPIN = """
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
while True:
    sum(range(100_000))
"""
#: Side of the square matrix product that tells a card's bf16 peak.
PEAK_SIDE = 8192
GUIDANCE = 3.0
#: network -> (name of its struct, its config, the size of its pictures)
NETWORKS = {"unet": ("UNet", NETWORK, SIZE), "dit": ("DiT", {"width": 128, "depth": 6, "heads": 4, "patch": 2}, 32)}


def main(argv: list[str]) -> int:
    """Run one bench; the exit status."""
    parser = argparse.ArgumentParser("nexus-studio bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", choices=("start", "ui", "train", "sample"))
    parser.add_argument("--seconds", type=float, default=0.0, help="start, ui: how long to look on (8, 300)")
    parser.add_argument("--rounds", type=int, default=5, help="train, sample: rounds, both sides in each")
    parser.add_argument("--network", choices=tuple(NETWORKS), default="unet", help="train, sample: whose speed")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"train, sample: items at once ({BATCH})")
    parser.add_argument("--half", choices=("auto", "off"), default="auto",
                        help="train, sample: off measures as on a CPU that has AVX2 and no half precision")  # fmt: skip
    parser.add_argument("--beside", type=int, default=0, metavar="N", help="start N processes that keep a core busy each")
    parser.add_argument("--compile", action="store_true", help="train: also with torch.compile, where it is not chosen anyway")
    parser.add_argument("--library", help="not used: benches work in a library of their own")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args(argv)
    reporter = Reporter(as_json=options.json)
    try:
        with tempfile.TemporaryDirectory(prefix="nexus-bench-") as scratch, busy(options.beside):
            if options.half == "off":
                without_half()
            _BENCHES[options.name](options, Path(scratch), reporter)
    except TroubleError as error:
        reporter.error(error.trouble)
        return 1
    return 0


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """``count`` processes that compute for nobody meanwhile, as other programs on the machine do."""
    others = [subprocess.Popen(isolation.python("-c", _SPIN), stdin=subprocess.PIPE) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def without_half() -> None:
    """From here on this process is one on a CPU with AVX2 and no kernels for half precision; before torch is imported."""
    os.environ.update(AVX2_ONLY)
    from models_backend.networks import precision

    precision.may_be_faster = lambda device: False


# ------------------------------------------------------------------------------------------------ the window


def _start(options: argparse.Namespace, scratch: Path, reporter: Reporter) -> None:
    found = [_window("start", scratch, options.seconds or 8.0) for _ in range(3)]
    best = min(found, key=lambda one: one["first_paint_s"])
    text = (
        f"first paint {best['first_paint_s']:.2f} s, {best['first_paint_mb']:.0f} MB then, {best['settled_mb']:.0f} MB settled"
    )
    heavy = ", ".join(best["heavy"]) or "none of torch, diffusers, transformers, scipy"
    reporter.result(f"{text}; loaded: {heavy}", bench="start", runs=found, **best)


def _ui(options: argparse.Namespace, scratch: Path, reporter: Reporter) -> None:
    family = _denoiser("unet")[0]
    reporter.note(f"training {family} beside the window for {options.seconds or 300:.0f} s")
    found = _window("ui", scratch, options.seconds or 300.0, "--family", family)
    text = f"event-loop gaps: 99.9 % under {found['p99_9_ms']:.1f} ms, worst {found['worst_ms']:.1f} ms, {found['beats']} beats"
    reporter.result(text, bench="ui", **found)


def _window(what: str, scratch: Path, seconds: float, *more: str) -> dict[str, Any]:
    """What the window measured of itself, in a process of its own."""
    environment = isolation.environment() | {"XDG_CONFIG_HOME": str(scratch / "config")}
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    command = isolation.python("-m", "nexus_studio.measuring", what, "--library", str(scratch / "library"))
    done = subprocess.run([*command, "--seconds", str(seconds), *more], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise TroubleError("the window could not be measured", detail=done.stderr, advice=done.stderr.strip()[-300:])
    return json.loads(done.stdout.strip().splitlines()[-1])


# ------------------------------------------------------------------------------------------------ the models


def _denoiser(network: str) -> tuple[str, dict[str, Any]]:
    """The family that trains a denoiser on pictures with that network, and all families."""
    from models_backend.workers.registry import families

    known, struct = families(), NETWORKS[network][0]

    def fits(family: Any) -> bool:
        if network == "unet":
            return "diffusion" in family.provides and "image" in family.modalities
        return type(getattr(family.Config(), "network", None)).__name__ == struct

    return next(key for key, family in known.items() if fits(family)), known


async def _run(library: Any, family: str, network: str, training: dict[str, Any]) -> Any:
    from models_backend.engine.engine import Engine

    engine = Engine(library, schedule=False)
    _, config, size = NETWORKS[network]
    dataset = await engine.make_builtin(f"shapes:size={size},count=2000")
    settings = {"steps": 100_000, "validate_every": 0, "preview_every": 0, "learning_rate": 1e-4}
    record = await engine.create_run(
        family, dataset.id, "small", config={"network": config}, training=settings | training, data={"resolution": size}
    )
    await engine.close()
    return record


def _trainer(scratch: Path, network: str, **training: Any) -> Any:
    """A prepared trainer on coloured shapes, and its library (kept open with it)."""
    from models_backend.library.library import Library
    from models_backend.training.loop import Trainer

    key, known = _denoiser(network)
    library = Library.open(scratch / f"library-{len(list(scratch.iterdir()))}")
    record = asyncio.run(_run(library, key, network, training))
    trainer = Trainer(library, library.run(record.id), known[key], known)
    trainer.prepare()
    return trainer


def _plain(trainer: Any) -> Any:
    """A fresh copy of the diffusers model inside a trainer, as diffusers makes it."""
    from diffusers import ModelMixin

    inner = next(m for net in trainer.nets.values() for m in net.modules() if isinstance(m, ModelMixin))
    return next(base for base in type(inner).__mro__ if base.__module__.startswith("diffusers")).from_config(inner.config)


def _pictures(trainer: Any) -> Any:
    import numpy as np

    x = trainer.data.train.take(np.arange(min(1000, trainer.data.train.count)))
    return ((x.transpose(0, 2, 3, 1) + 1) * 127.5).round().astype("uint8")


def _train(options: argparse.Namespace, scratch: Path, reporter: Reporter) -> None:
    from models_backend.workers.peers import plain_training

    reporter.note("preparing both sides")
    trainer = _trainer(scratch, options.network, batch_size=options.batch)
    plain = plain_training(_plain(trainer), _pictures(trainer), options.batch, 1e-4)
    sides: dict[str, Callable[[], Any]] = {"plain diffusers loop": lambda: next(plain), "studio": trainer.advance}
    if trainer.choices.compile:
        sides["studio, not compiled"] = _trainer(scratch, options.network, batch_size=options.batch, compile="off").advance
    elif options.compile:
        sides["studio, compiled"] = _trainer(scratch, options.network, batch_size=options.batch, compile="on").advance
    how = ", compiled: the first step takes a minute or two" if trainer.choices.compile else ""
    reporter.note(f"arithmetic chosen: {trainer.choices.precision}, {counted(trainer.choices.threads, 'thread')}{how}")
    many = STEPS_A_ROUND.get(trainer.device.type, STEPS_A_ROUND["cpu"])
    took = _compare("train", sides, options.rounds, many, reporter, trainer.device, precision=trainer.choices.precision)
    if trainer.device.type == "cuda":
        _tell_share(trainer, took, reporter)


def _tell_share(trainer: Any, took: dict[str, float], reporter: Reporter) -> None:
    """The arithmetic of a training step over its time, as a share of the card's largest rate in bf16."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        trainer.advance()
    peak = _peak(trainer.device)
    for name, seconds in took.items():
        share = counter.get_total_flops() / seconds / peak
        text = f"{name}: {share:.1%} of {peak / 1e12:.0f} TFLOP/s, this card's bf16 peak"
        reporter.result(text, bench="train", side=name, share=share, peak=peak, flops=counter.get_total_flops())


def _peak(device: Any) -> float:
    """Operations a second of a large matrix product in bf16: the median of a few."""
    import torch

    from models_backend.networks.weights import wait_for

    a, b = (torch.randn(PEAK_SIDE, PEAK_SIDE, device=device, dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(8):
        begun = time.perf_counter()
        _ = a @ b
        wait_for(device)
        times.append(time.perf_counter() - begun)
    return 2 * PEAK_SIDE**3 / statistics.median(times[2:])


def _sample(options: argparse.Namespace, scratch: Path, reporter: Reporter) -> None:
    from models_backend.contract.family import heard
    from models_backend.contract.messages import Sample
    from models_backend.sampling.draw import draw
    from models_backend.workers.peers import plain_sampling

    reporter.note("preparing both sides")
    trainer = _trainer(scratch, options.network)
    trainer.save()
    told = {"class": "#all"} if "class" in heard(trainer.family.conditions, trainer.family.spec) else {}
    sampling = {"sampler": {"type": "ddim"}, "steps": SAMPLE_STEPS} | ({"guidance": GUIDANCE} if told else {})
    request = Sample(trainer.record.id, options.batch, sampling=sampling, conditions=told, save=False)
    loaded = trainer.loaded()
    peer, plain = plain_sampling(_plain(trainer).to(trainer.device), options.batch, SAMPLE_STEPS, GUIDANCE)
    sides = {peer: plain, "studio": lambda: draw(loaded, request, trainer.library)}
    _compare("sample", sides, options.rounds, 1, reporter, trainer.device)


def _compare(bench: str, sides: dict[str, Callable[[], Any]], rounds: int, times: int, reporter: Reporter, device: Any,
             **more: Any) -> dict[str, float]:  # fmt: skip
    """Times every side in turn, round after round, after one round to warm up; tells medians and ratios to the first.
    The medians, seconds."""
    from models_backend.networks.weights import wait_for

    took: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, act in sides.items():
            begun = time.perf_counter()
            for _ in range(times):
                act()
            wait_for(device)
            if number:
                took[name].append((time.perf_counter() - begun) / times)
    medians = {name: statistics.median(values) for name, values in took.items()}
    peer = next(iter(sides))
    for name, seconds in medians.items():
        ratio = medians[peer] / seconds
        reporter.result(f"{name}: {seconds * 1000:.1f} ms, {ratio:.2f} x", bench=bench, side=name, ms=seconds * 1000,
                        ratio=ratio, peer=peer, rounds=rounds, **more)  # fmt: skip
    return medians


_BENCHES = {"start": _start, "ui": _ui, "train": _train, "sample": _sample}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
