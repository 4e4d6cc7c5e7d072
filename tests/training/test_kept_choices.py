"""What a run found quickest goes with it: resumed on any machine, it computes the same bits."""

import pytest
from small_families import FAMILIES, make_run, opened, trainer_of, whole_state

from models_backend.networks import at_hand
from models_backend.training import choices
from models_backend.training.replay import prove_resume
from models_backend.workers.registry import families

NETWORK = {"type": "unet", "width": 16, "multipliers": [1, 2], "blocks": 1, "attention": [8], "heads": 2, "groups": 8}
GROWING = {"steps": 8, "batch_size": 4, "checkpoint_every": 2, "keep": 9, "grow_from": 8, "compile": "off"}


@pytest.fixture
def library(library_root, monkeypatch):
    monkeypatch.setitem(FAMILIES, "ddpm", families()["ddpm"])
    library, _ = opened(library_root, "shapes:size=16,count=40")
    yield library
    library.close()


@pytest.fixture
def machine(library, monkeypatch):
    """Begins on a machine that has not been asked before, and that finds that way the quicker."""

    def begin(way):
        monkeypatch.setattr(at_hand, "_known", {})
        monkeypatch.setattr(at_hand, "_file", None)
        monkeypatch.setattr(at_hand, "quickest", lambda ways, rounds=at_hand.ROUNDS: way)
        for kept in library.layout.cache.glob("at-hand-*.json"):
            kept.unlink()

    yield begin
    at_hand.hold({})


def growing(library):
    (dataset,) = library.datasets()
    return make_run(library, dataset, "ddpm", {"network": NETWORK}, {"resolution": 16}, **GROWING)


def to_the_end(library, run):
    trainer = trainer_of(library, run)
    trainer.run()
    return whole_state(trainer)


def test_a_run_that_grows_and_goes_on_elsewhere_ends_like_the_one_that_stayed(library, machine):
    machine(1)
    stayed = to_the_end(library, growing(library))
    run = growing(library)
    trainer_of(library, run).run(lambda t: t.request_stop() if t.step == 6 else None)
    machine(0)
    moved = to_the_end(library, run)
    assert moved == stayed != to_the_end(library, growing(library))  # which of the ways is taken decides bits
    assert prove_resume(library, run.id, FAMILIES, steps=7).identical


def test_what_was_met_first_in_a_later_stage_is_kept_with_the_run(library, machine):
    machine(1)
    run = growing(library)
    kept = {}
    trainer_of(library, run).run(lambda t: kept.update({t.step: choices.recall(run.layout.derived / "choices.json").kernels}))
    assert kept[0].keys() < kept[4].keys() < kept[6].keys()  # it grows after step 4
    assert set(kept[6].values()) == {1}
