"""``proof FAMILY`` and ``prove-resume RUN``: claims held against what is measured."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from models_backend.contract.family import FamilyDescription, Proof
from models_backend.contract.messages import Evaluate, ProveResume, TroubleError
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.words import counted
from models_backend.engine import creation
from models_backend.engine.terminal import Reporter, duration
from models_backend.library.standings import parameters

from .bringing import data_of
from .making import called
from .session import Session, found, session
from .training import train_to_end

if TYPE_CHECKING:
    from models_backend.evaluation.proof import ProofResult


#: Items of a proof's previews: what the family's guide shows.
SHOWN = 24
#: Tensors that are named where a replay differs.
NAMED = 3


async def proof(options: argparse.Namespace, reporter: Reporter) -> int:
    """Trains a family on built-in data and holds its claims; exit status 1 where one does not hold."""
    from models_backend.evaluation.proof import sentence

    async with session(options, reporter) as now:
        family = await now.engine.family(options.family)
        if not family.proofs:
            raise TroubleError("this family declares no proof", family.key)
        results = await _prove(now, family, options.only, reporter, options.again)
    for result in results:
        for claim in result.claims:
            reporter.result(
                f"{result.proof}: {sentence(claim)}", proof=result.proof, run=result.run, measure=claim.measure,
                figure=claim.figure, bound=claim.bound, relation=claim.relation, held=claim.held,
            )  # fmt: skip
        text = f"{result.proof}: {duration(result.wall_s)} of {result.minutes:g} minutes"
        reporter.result(
            text, proof=result.proof, wall_s=round(result.wall_s, 1), minutes=result.minutes, in_time=result.in_time
        )
    passed = all(result.passed for result in results)
    reporter.done(f"{family.title}: {'every claim holds' if passed else 'NOT PROVED'}", family=family.key, passed=passed)
    return 0 if passed else 1


async def _prove(
    now: Session, family: FamilyDescription, only: str, reporter: Reporter, again: bool = False
) -> list[ProofResult]:
    from models_backend.evaluation.proof import Workshop, prove

    workshop = Workshop(
        train=lambda wanted, parts: (_trained if again else _train)(now, family, wanted, parts),
        measure=lambda run, wanted: _measure(now, run, wanted),
        other=lambda name: _other(now, name, reporter),
        tell=reporter.note,
    )
    return await prove(family.key, family, workshop, only)


async def _other(now: Session, name: str, reporter: Reporter) -> ProofResult:
    """The newest kept result of "family:proof" whose run stands; proved now where there is none."""
    key, _, wanted = name.partition(":")
    kept = [
        result for run in now.library.runs() if (result := _kept(now, run)) and (result.family, result.proof) == (key, wanted)
    ]
    if kept:
        return max(kept, key=lambda result: result.when)
    reporter.note(f"first its part, {name}")
    return (await _prove(now, await now.engine.family(key), wanted, reporter))[-1]


def _kept(now: Session, run: RunRecord) -> ProofResult | None:
    from models_backend.evaluation.proof import ProofResult
    from models_backend.library import storage

    path = now.library.layout.run(run.id).proof  # a run whose folder is damaged has none, and stops no other
    return storage.read_json(path, ProofResult) if path.exists() else None


async def _trained(now: Session, family: FamilyDescription, wanted: Proof, parts: dict[str, str]) -> object:
    """The newest finished run that was trained as this proof says, to be measured again."""
    from models_backend.evaluation.proof import Trained

    wish = await _wish(now, family, wanted, parts)
    record = next((r for r in now.library.runs() if creation.same_training(r, wish)
                   and now.library.run(r.id).state()[0] == "finished"), None)  # fmt: skip
    if record is None:
        raise TroubleError("no finished run was trained as this proof says", f"{family.key}, {wanted.name}",
                           advice="leave out --again, and one is")  # fmt: skip
    folder = now.library.run(record.id)
    times = [event.time for event in folder.events()]
    return Trained(record.id, folder.layout, parameters(folder), folder.state()[1], times[-1] - times[0])


async def _wish(now: Session, family: FamilyDescription, wanted: Proof, parts: dict[str, str]) -> creation.Wish:
    """What this proof trains."""
    dataset, training = await data_of(now, wanted.dataset), {"preview_count": SHOWN} | wanted.training
    return creation.Wish(family, dataset, wanted.preset, wanted.config, training, {}, parts, wanted.sampling)


async def _train(now: Session, family: FamilyDescription, wanted: Proof, parts: dict[str, str]) -> object:
    from models_backend.evaluation.proof import Trained

    wish = await _wish(now, family, wanted, parts)
    record = await now.engine.create_run(
        family.key, wish.dataset.id, wish.preset, config=wish.config, training=wish.training, parts=wish.parts,
        sampling=wish.sampling, title=f"proof {wanted.name}",
    )  # fmt: skip
    state = await train_to_end(now, record)
    if state is None:
        raise KeyboardInterrupt
    if state.state != "finished":
        raise TroubleError(f"the proof's training ended as {state.state}", record.title, state.reason)
    folder = now.library.run(record.id)
    return Trained(record.id, folder.layout, parameters(folder), state.step)


async def _measure(now: Session, run: str, wanted: Proof) -> dict[str, float]:
    return await called(now, Evaluate(run, wanted.count, 0, wanted.sampling), f"measuring {wanted.name}")


async def prove_resume(options: argparse.Namespace, reporter: Reporter) -> int:
    """Replays steps of a run from a checkpoint and compares the weights bit by bit."""
    async with session(options, reporter) as now:
        record = found(now.library, "run", options.run)
        answer = await called(now, ProveResume(record.id, options.steps), f"replaying {record.title}")
    same = bool(answer.get("identical"))
    reporter.done(f"{record.title}: {replayed(answer)}", **answer)
    return 0 if same else 1


def replayed(answer: dict[str, Any]) -> str:
    """What a replay found, in words."""
    steps, different = answer["steps"], answer["differences"]
    span = f"{counted(steps, 'step')} replayed from {answer['first']} to {answer['last']}"
    if answer["identical"]:
        return f"bit-identical: {span}, all {counted(answer['tensors'], 'tensor is', 'tensors are')} the same"
    names = ", ".join(different[:NAMED]) + (", and more" if len(different) > NAMED else "")
    return f"NOT identical: {span}, of {counted(answer['tensors'], 'tensor')} these differ: {names}"
