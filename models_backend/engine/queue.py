"""The queue's rules, apart from any process: the order, what may start now, and why the rest waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from models_backend.contract.run_layout import JobRecord

#: (state of a run, its title) for a run's id; ("", id) where there is no such run
Look = Callable[[str], tuple[str, str]]

UNFIT = ("failed", "stopped", "interrupted", "")


def ordered(jobs: Iterable[JobRecord]) -> list[JobRecord]:
    """Running jobs first, then the waiting ones in their order, then what ended badly and waits to be looked at."""
    rank = {"running": 0, "queued": 1}
    return sorted(jobs, key=lambda job: (rank.get(job.state, 2), job.order, job.created))


def order_at(jobs: list[JobRecord], index: int) -> float:
    """An ``order`` that puts a job at ``index`` among ``jobs`` (which stand in their order, without it)."""
    if not jobs:
        return 0.0
    index = max(0, min(index, len(jobs)))
    if index == 0:
        return jobs[0].order - 1.0
    if index == len(jobs):
        return jobs[-1].order + 1.0
    return (jobs[index - 1].order + jobs[index].order) / 2


def obstacle(job: JobRecord, look: Look, busy: dict[str, str]) -> str:
    """Why a waiting job cannot start now, in words; "" where it can. ``busy``: device -> title of what has it."""
    if job.held:
        return "held"
    for run in job.after:
        state, title = look(run)
        if state in UNFIT:
            return f"waits for {title}, which {'is gone' if not state else f'is {state}' if state == 'interrupted' else state}"
        if state != "finished":
            return f"waits for {title}"
    if job.device in busy:
        return f"waits for {job.device}, which {busy[job.device]} has"
    return ""


def next_up(jobs: Iterable[JobRecord], look: Look) -> tuple[list[JobRecord], dict[str, str]]:
    """The jobs that start now, at most one a device, and job id -> why it waits for all others in the queue."""
    jobs = ordered(jobs)
    busy = {job.device: job.title for job in jobs if job.state == "running"}
    start, reasons = [], {}
    for job in jobs:
        if job.state != "queued":
            continue
        reason = obstacle(job, look, busy)
        if reason:
            reasons[job.id] = reason
        else:
            start.append(job)
            busy[job.device] = job.title
    return start, reasons
