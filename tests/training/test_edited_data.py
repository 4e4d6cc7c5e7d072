"""Edits of the data: the next run trains on them as they are now, an old one goes on with what it knew, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from small_families import FAMILIES, make_run, trained, trainer_of, whole_state

from models_backend.contract.messages import TroubleError
from models_backend.data.reading import open_data, open_known
from models_backend.training.replay import prove_resume


def edit(stored):
    """Every kind of edit at once."""
    return stored.edit_many({0: "a point"}, {1: 1, 2: 0}, ("one", "other", "new"), dict.fromkeys(range(10, 60), True))


def test_an_edited_data_set_trains_and_so_it_does_after_undo_and_redo(place):
    stored = place[0].dataset(place[1].id)
    token = edit(stored)
    _, edited = trained(*place)
    assert edited.step == 12 and edited.data.train.count + edited.data.validation.count == 350
    token = stored.undo(token)
    _, plain = trained(*place)
    assert plain.data.train.count + plain.data.validation.count == 400
    stored.undo(token)
    _, again = trained(*place)
    assert whole_state(again) == whole_state(edited) != whole_state(plain)


@pytest.mark.parametrize("before", [False, True])
def test_an_old_run_goes_on_with_what_it_knew_to_the_same_bits(place, before):
    stored = place[0].dataset(place[1].id)
    if before:
        stored.edit_many(labels={5: 1}, classes=("first", "second"), left_out={6: True})
    _, straight = trained(*place)
    run = make_run(*place)
    trainer_of(place[0], run).run(lambda t: t.request_stop() if t.step == 7 else None)
    edit(stored)
    assert stored.changes_since(run.layout, run.record())
    last = trainer_of(place[0], run)
    last.run()
    assert whole_state(last) == whole_state(straight)
    assert prove_resume(place[0], run.id, FAMILIES).identical


def test_what_is_left_out_is_in_neither_split_and_counted_nowhere(place):
    stored = place[0].dataset(place[1].id)
    whole = open_data(place[0], place[1].id)
    out = [int(n) for n in (*whole.train.positions[:3], *whole.validation.positions[:2])]
    stored.leave_out(out)
    data = open_data(place[0], place[1].id)
    assert (data.train.count, data.validation.count) == (whole.train.count - 3, whole.validation.count - 2)
    assert data.spec.count == 395 and not set(out) & {*data.train.positions, *data.validation.positions}
    kept = np.flatnonzero(~np.isin(whole.train.positions, out))
    assert np.array_equal(data.train.take(range(5)), whole.train.take(kept[:5])), "cached rows are found by position"


def test_with_everything_left_out_the_refusal_says_what_to_do(place):
    stored = place[0].dataset(place[1].id)
    run = make_run(*place)
    stored.leave_out(range(400))
    with pytest.raises(TroubleError, match=r"no item to train on.*Bring items back") as told:
        trainer_of(place[0], make_run(*place))
    assert f"`nexus-studio edit {place[1].id} --bring-back-all`" in str(told.value.trouble.on_terminal())
    assert open_known(place[0], run.record()).train.count > 300, "what was made before is not touched by it"
