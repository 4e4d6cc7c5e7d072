"""Kept samples and grids in the Sample workspace again: from the list, after a restart, from an exported file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models_backend.contract.run_layout import SampleRecord

from .sample_work import Batch, batch_of, beside, request_of

if TYPE_CHECKING:
    from .sample import SamplePanel


def same(one: SampleRecord, other: SampleRecord | None) -> bool:
    """Whether two samples are the same, or cells of the same grid."""
    if other is None:
        return False
    return one.id == other.id or (one.grid is not None and other.grid is not None and one.grid.id == other.grid.id)


class SampleOpening:
    """Shows what the library has of a sample in a panel, and the form as it was then."""

    def __init__(self, panel: SamplePanel):
        self._panel, self._samples = panel, panel.session.samples

    async def open(self, sample: str) -> None:
        """A sample, or the whole grid that it is a cell of."""
        record = await self._samples.record(sample)
        batches = await self._batches(record)
        self._take(record)
        self._show(record, batches)

    async def show_samples(self, samples: list[str]) -> None:
        """Several samples of one making as they were made: side by side, or the cells of a grid in their places."""
        first = await self._samples.record(samples[0])
        others = [] if first.grid is not None else [await self._samples.record(sample) for sample in samples[1:]]
        batches = [pair for record in (first, *others) for pair in await self._batches(record)]
        if self._panel.results.batch is not None:
            return
        if others:
            self._panel.show_made(beside([batch for _, batch in batches]))
        else:
            self._show(first, batches)

    async def restore(self, record: SampleRecord) -> None:
        """The exact state of an exported file: its sample or grid where the library has it, else made again."""
        panel = self._panel
        self._take(record)
        known = self._samples.page(0, 1 << 30) if record.grid is None else self._samples.cells(record)
        kept = [one.id for one in await known if same(one, record)]
        if kept:
            await self.open(record.id if record.id in kept else kept[0])
            return
        if record.grid is not None and not panel.grid_form.problem():
            panel.generate_grid()
        else:
            panel.work.generate([request_of(record)])
        panel.session.bridge.notice(panel.tr("Making “{0}” again from its own record.").format(record.title))

    async def _batches(self, record: SampleRecord) -> list[tuple[SampleRecord, Batch]]:
        cells = await self._samples.cells(record)
        return [(cell, batch_of(cell, await self._samples.items(cell.id))) for cell in cells]

    def _take(self, record: SampleRecord) -> None:
        panel = self._panel
        panel.setup.take(record)
        panel.controls.grid.setChecked(record.grid is not None)
        if record.grid is not None and panel.setup.run is not None and panel.setup.run.id == record.run:
            panel.grid_form.take(record.grid)

    def _show(self, record: SampleRecord, batches: list[tuple[SampleRecord, Batch]]) -> None:
        if record.grid is None:
            self._panel.show_made(batches[0][1], record)
        else:
            self._panel.show_grid(record.grid, batches)
