"""A worker without torch: the real sockets, inbox, event log and training job around a trainer that follows a script.

Started by the engine in place of ``models_backend.workers``. The script stands in the run's config: ``prepare_s`` seconds
before the first step, ``step_s`` a step, ``close_s`` between the word of its end and the end, ``at`` a step and ``do`` what
happens there (segv, kill, hang, freeze, error, oom, leave); "refuse": it cannot be trained, "lost": it cannot be trained on.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

from models_backend.contract.messages import (
    Array,
    Arrays,
    Evaluate,
    Export,
    Media,
    Metrics,
    Progress,
    ProveResume,
    Sample,
    State,
    TroubleError,
    VectorField,
)
from models_backend.contract.trace import Stopped
from models_backend.workers import interactive, training
from models_backend.workers.troubles import trouble_of


class ScriptedTrainer:
    """Counts steps and tells a loss at each of them."""

    def __init__(self, job):
        self.job, self.step = job, 0
        record = job.run.record()
        self.script, self.total = record.config, record.steps
        self._stop = False
        self.live = {}

    def prepare(self):
        told = [e.body.step for e in self.job.run.events() if isinstance(e.body, Metrics)]
        time.sleep(self.script.get("prepare_s", 0.0))
        if self.script.get("do") == "refuse":
            raise TroubleError("these data do not suit it", "the script", advice="Take others")
        if self.script.get("do") == "lost" and told:
            raise TroubleError("the only checkpoint is damaged", "the script", advice="Put it back from a copy")
        self.step = max(told, default=0)

    def run(self, between_steps):
        self.job.tell(State("running", self.step))
        while self.step < self.total and not self._stop:
            between_steps(self)
            if self._stop:
                break
            self.step += 1
            if self.step == self.script.get("at"):
                act(self.script["do"])
            time.sleep(self.script.get("step_s", 0.0))
            self.job.tell(Metrics(self.step, {"loss": 1.0 / self.step}))
        self.job.tell(State("stopped" if self._stop else "finished", self.step))
        time.sleep(self.script.get("close_s", 0.0))

    def request_stop(self, after_step=True):
        self._stop = True

    def set_live(self, values):
        if "learning_rate" not in values:
            raise TroubleError("not a live setting", ", ".join(values))
        self.live.update(values)


def act(deed):
    """What the script says happens at its step."""
    if deed == "segv":
        ctypes.string_at(0)
    elif deed == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif deed == "hang":
        time.sleep(600)
    elif deed == "oom":
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes")
    elif deed == "leave":
        os._exit(3)
    elif deed == "error":
        raise ValueError("the script says so")


class ScriptedAnswers:
    """Answers Sample with its seed as the only pixel. ``title`` is the script: "slow", "long", "deaf" (asks nobody), "segv",
    "freeze", "error", "large"."""

    def answer(self, pending):
        if pending.cancelled():
            return pending.abandon()
        try:
            pending.reply(self._value(pending))
        except Stopped:
            pending.abandon()
        except Exception as error:
            pending.fail(trouble_of(error, "scripted"), False)

    def _value(self, pending):
        request = pending.request
        if isinstance(request, VectorField):
            return Arrays({"pid": Array("int64", (1,), os.getpid().to_bytes(8, "little"))})
        if isinstance(request, Evaluate):
            pending.tell(Progress(1, 2, "measuring"))
            more = {"fd_clip": float(Path(request.features).is_absolute())} if request.features else {}
            return {"coverage": 0.95, "count": float(request.count)} | more
        if isinstance(request, Export):
            Path(request.path).write_text(request.format)
            return [request.path]
        if isinstance(request, ProveResume):
            differences = ["net.safetensors: net.weight"] if request.steps == 13 else []
            return {"identical": not differences, "steps": request.steps, "first": "step-000000010", "tensors": 24,
                    "last": "step-000000015", "differences": differences}  # fmt: skip
        if not isinstance(request, Sample):
            raise TroubleError(f"the script has no answer to {type(request).__name__}")
        if request.title in ("slow", "long"):
            for i in range(count := 400 if request.title == "slow" else 6000):
                pending.tell(Progress(i, count, request.title))
                time.sleep(0.01)
                if pending.cancelled():
                    raise Stopped
        elif request.title == "deaf":
            pending.tell(Progress(0, 0, "deaf"))
            time.sleep(60)
        elif request.title == "large":
            return Media(Array("uint8", (1 << 20,), bytes(1 << 20)), "image")
        else:
            act(request.title)
        return Media(Array("uint8", (1, 1, 1, 1), bytes([request.seed])), "image", stamp=request.stamp)


def equip_interactive(library, device):
    """Takes its time where the test wants to see requests wait."""
    time.sleep(float(os.environ.get("SCRIPTED_LOAD_S", "0")))
    return ScriptedAnswers()


def main(argv):
    threading.current_thread().name = "main"
    if argv[0] == "train":
        time.sleep(float(os.environ.get("SCRIPTED_START_S", "0")))
        lock = int(argv[argv.index("--lock") + 1]) if "--lock" in argv else None
        status = training.main(Path(argv[1]), lock=lock, equip=lambda job: (ScriptedTrainer(job), ScriptedAnswers()))
        time.sleep(float(os.environ.get("SCRIPTED_END_S", "0")))
        return status
    options = dict(zip(argv[1::2], argv[2::2]))
    return interactive.main(Path(options["--library"]), "cpu", Path(options["--socket"]), equip_interactive)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
