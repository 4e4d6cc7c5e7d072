"""Training in buckets of shapes: the order of batches, every item in its turn, exact resume, and who takes no other shapes."""

import numpy as np
import pytest
import torch
from PIL import Image
from small_families import FAMILIES, Denoiser, make_run, trained, trainer_of, whole_state
from torch import nn

from models_backend.contract.family import DataSpec
from models_backend.contract.messages import TroubleError
from models_backend.data.importing import import_paths
from models_backend.library.library import Library
from models_backend.networks.denoisers import UNet
from models_backend.training import stages
from models_backend.training.batches import BucketOrder, Order
from models_backend.workers.registry import families

MEMBERS = [np.arange(0, 7), np.arange(7, 27), np.array([27])]
IN = {"resolution": 32, "buckets": 3}


class Convolution(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x, t):
        return self.layer(x) * t.view(-1, 1, 1, 1)


class Shapely(Denoiser):
    """Takes pictures of every shape, and notes those of each training step."""

    any_size = any_shape = True

    def networks(self):
        return {"net": Convolution(self.spec.shape[0])}

    def losses(self, nets, batch):
        if torch.is_grad_enabled():
            self.shapes.append((batch.step, *batch.x.shape[2:]))
        else:
            assert batch.x.shape[1:] == self.spec.shape
        yield from super().losses(nets, batch)

    shapes = []


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A library with forty pictures, a third of them square, and the data set."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for n in range(40):
        size = [(24, 24), (36, 20), (20, 36)][n % 3]
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(folder / f"{n}.png")
    with Library.open(tmp_path_factory.mktemp("library") / "library") as library:
        yield library, import_paths(library, [folder])[0]


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(FAMILIES, "shapely", Shapely)
    Shapely.shapes.clear()


# ------------------------------------------------------------------------------------------------- order


def batches(order, count, size=4):
    return [order.items(n * size, (n + 1) * size) for n in range(count)]


def test_every_batch_is_of_one_bucket_and_every_item_has_its_turn():
    row = batches(BucketOrder(5, MEMBERS, 4), 28)
    bucket = np.repeat([0, 1, 2], [7, 20, 1])
    assert all(len(set(bucket[batch])) == 1 and len(batch) == 4 for batch in row)
    assert (np.bincount(np.concatenate(row)) == 4).all()  # four epochs, in which no rest is left
    first = np.concatenate(row[:6])  # the first one leaves 3 of 7 and the one alone
    assert len(set(first)) == len(first) == 24 and set(MEMBERS[1]) < set(first)
    turns = [bucket[batch[0]] for batch in row]
    assert turns != sorted(turns) and turns[6:13] != turns[13:20]


def test_the_order_is_a_function_of_seed_and_place():
    straight = batches(BucketOrder(5, MEMBERS, 4), 40)
    order = BucketOrder(5, MEMBERS, 4)
    for n in reversed(range(40)):
        assert np.array_equal(order.items(4 * n, 4 * n + 4), straight[n])
    assert not np.array_equal(np.concatenate(batches(BucketOrder(6, MEMBERS, 4), 40)), np.concatenate(straight))


def test_batches_larger_than_all_data_still_take_turns():
    row = batches(BucketOrder(5, [np.arange(2), np.arange(2, 5)], 30), 5, 30)
    assert (np.bincount(np.concatenate(row)) == 30).all()
    assert sorted(len(set(batch)) for batch in row) == [2, 2, 3, 3, 3]


# ------------------------------------------------------------------------------------------------- runs


@pytest.mark.parametrize("more", [{}, {"accumulate": 2, "grow_from": 16}], ids=["plain", "in stages"])
def test_a_run_in_buckets_resumes_to_the_same_bits(place, more):
    settings = {"data": IN | {"flip": True}, "batch_size": 3, "validate_every": 6, **more}
    _, straight = trained(*place, "shapely", **settings)
    seen = list(Shapely.shapes)
    run = make_run(*place, "shapely", **settings)
    trainer_of(place[0], run).run(lambda t: t.request_stop() if t.step == 7 else None)
    last = trainer_of(place[0], run)
    assert last.step == 7
    last.run()
    assert whole_state(last) == whole_state(straight) and Shapely.shapes == 2 * seen
    whole = {shape[1:] for shape in seen if shape[0] >= 6}
    assert whole == {(32, 32), (24, 40), (40, 24)}
    if more:
        small = {shape[1:] for shape in seen if shape[0] < 6}
        assert small == {tuple(length // 2 for length in shape) for shape in whole}


def test_batches_hold_the_items_that_they_name(place):
    trainer = trainer_of(place[0], make_run(*place, "shapely", data=IN, batch_size=4))
    for step in range(3):
        (batch,) = trainer.batches.of_step(step)
        items = [trainer.data.items[p] for p in trainer.data.train.positions[batch.index.numpy()]]
        sides = {np.sign(item.width - item.height) for item in items}
        assert sides == {np.sign(batch.x.shape[3] - batch.x.shape[2])}


def test_without_buckets_nothing_changes(place):
    _, plain = trained(*place, "shapely", data={"resolution": 32})
    _, zero = trained(*place, "shapely", data=IN | {"buckets": 0})
    assert whole_state(plain) == whole_state(zero) and {shape[1:] for shape in Shapely.shapes} == {(32, 32)}
    (batch,) = zero.batches.of_step(3)
    assert np.array_equal(batch.index.numpy(), Order(0, zero.data.train.count).items(48, 64))
    assert np.array_equal(batch.x.numpy(), zero.data.train.take(batch.index.numpy()))


# ------------------------------------------------------------------------------------------------- refusals


def test_what_takes_squares_only_is_refused_before_the_first_step(place):
    with pytest.raises(TroubleError, match="square pictures only; set it to 0"):
        trainer_of(place[0], make_run(*place, data=IN))


def test_networks_say_which_shapes_they_take():
    spec, wide = DataSpec("image", (3, 32, 32), 9, ("a", "b")), [(24, 40), (32, 32), (40, 24)]
    known = families()
    for key, takes in {"ddpm": True, "conditional_diffusion": True, "flow_matching": True, "dit": False, "vae": False}.items():
        problems = stages.shape_problems(known[key](known[key].Config(), spec), wide, 0)
        assert (problems == []) == takes, (key, problems)
    deep = known["ddpm"](known["ddpm"].Config(network=UNet(16, [1] * 6)), spec)
    assert "too deep for pictures of 24 × 40 px" in stages.shape_problems(deep, wide, 0)[0]
    assert stages.shape_problems(deep, [], 0) == []
    shallow = known["ddpm"](known["ddpm"].Config(network=UNet(16, [1] * 4)), spec)
    assert stages.shape_problems(shallow, wide, 0) == []
    assert "grow_from" in stages.shape_problems(shallow, wide, 8)[0]
