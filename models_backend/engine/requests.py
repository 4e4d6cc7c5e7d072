"""Who answers a request: a run in training for itself, the warm worker of the device for all else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from models_backend.contract.messages import Body, Event, Export, Progress, Sample, Trouble, TroubleError, VectorField
from models_backend.library.library import Library

from .beside import Tell
from .interactive_worker import InteractiveWorker
from .limits import Limits
from .live_runs import LiveRuns
from .training_worker import TrainingWorker


class Requests:
    """Sends requests to where they are answered, and brings the index up to what the answers wrote. ``device``: on which
    the warm worker is."""

    def __init__(self, library: Library, live: LiveRuns, device: Callable[[], Awaitable[str]], tell: Tell, limits: Limits,
                 module: str):  # fmt: skip
        self._library, self._live, self._device = library, live, device
        self._tell, self._limits, self._module = tell, limits, module
        self._warm: dict[str, InteractiveWorker] = {}

    async def call(self, request: Any, tell: Callable[[Progress], None] | None = None) -> Any:
        """The answer to a request. Raises TroubleError, or Overtaken where one with a newer stamp took its place."""
        run = getattr(request, "run", "")
        tell = self._with_troubles(run or getattr(request, "source", ""), tell)
        worker = self._live.get(run)
        if worker is not None and isinstance(request, (Sample, VectorField)) and not request.checkpoint:
            answer = await self._of_run(worker, request, tell)
        else:
            answer = await (await self.warm()).call(request, tell)
        try:
            await asyncio.to_thread(self._note, request, answer)
        except TroubleError as error:  # what was asked for is there all the same
            tell(error.trouble)
        return answer

    async def warm(self) -> InteractiveWorker:
        """The warm worker; it starts with its first request."""
        device = await self._device()
        if device not in self._warm:
            self._warm[device] = InteractiveWorker(self._library.layout.root, device, self._tell, self._limits, self._module)
        return self._warm[device]

    async def close(self) -> None:
        """Ends the warm workers."""
        await asyncio.gather(*(worker.close() for worker in self._warm.values()))
        self._warm.clear()

    def _with_troubles(self, source: str, tell: Callable[[Progress], None] | None) -> Callable[[Body], None]:
        """What a worker tells during a call: troubles that it got over go to all subscribers, the rest to the caller."""

        def hear(body: Body) -> None:
            if isinstance(body, Trouble):
                self._tell(Event(0, time.time(), source, body))
            elif tell:
                tell(body)

        return hear

    async def _of_run(self, worker: TrainingWorker, request: Any, tell: Callable[[Progress], None] | None) -> Any:
        """The training worker's answer; the warm worker's where the run ended before it could answer."""
        try:
            return await worker.call(request, tell)
        except TroubleError:
            if not worker.gone:
                raise
        return await (await self.warm()).call(request, tell)

    def _note(self, request: Any, answer: Any) -> None:
        if getattr(answer, "sample", ""):
            self._library.notice("sample", answer.sample)
        if isinstance(request, Export):
            for path in answer:
                self._library.note_export(path, request.source, request.format)
