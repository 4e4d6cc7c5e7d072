"""CycleGAN: conformance, its halves, its losses in closed form, its history, and where pictures come from."""

from __future__ import annotations

import conformance
import msgspec
import pytest
import torch
from conformance import Conformance, built, data, draw, fresh_networks, seeded, stirred

from models_backend.contract.family import Batch, DataSpec
from models_backend.families.cycle_gan import CycleGAN
from models_backend.networks.translation import History

SPEC = DataSpec("image", (3, 8, 8), classes=("a", "b"))


def mixed(family, spec, step: int = 1, count: int = 8) -> Batch:
    """A batch whose items are of both kinds in turn."""
    labels = torch.arange(count) % 2
    return Batch(data(spec, count, step), torch.arange(count), seeded(1000 + step), step, step / 10, {"class": labels})


class TestCycleGAN(Conformance):
    key, family = "cycle_gan", CycleGAN

    @pytest.fixture(autouse=True)
    def _two_kinds(self, monkeypatch):
        monkeypatch.setattr(conformance, "batch", mixed)

    def pytest_generate_tests(self, metafunc):
        two = {"spec": SPEC, "odd_spec": msgspec.structs.replace(SPEC, shape=(1, 10, 14))}
        for name in two.keys() & set(metafunc.fixturenames):
            metafunc.parametrize(name, [two[name]], ids=["image"])

    def test_same_seed_same_sample(self, spec):
        """A translation hears its picture alone; without one, its noise."""
        member = built(CycleGAN, spec)
        nets = stirred(fresh_networks(member))
        assert torch.equal(draw(member, nets, seed=3), draw(member, nets, seed=4))
        assert not torch.equal(draw(member, nets, seed=3, conditions={}), draw(member, nets, seed=4, conditions={}))


class Same(torch.nn.Module):
    """Leaves pictures as they are."""

    def __init__(self, factor: float = 1.0):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return x * self.factor


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2]])
def test_a_batch_of_one_kind_trains_nothing(labels):
    member = built(CycleGAN, SPEC)
    one = Batch(data(SPEC, 4), torch.arange(4), seeded(), 0, 0.0, {"class": torch.tensor(labels)})
    assert list(member.losses(fresh_networks(member), one)) == []


def test_halves_have_one_count_and_their_own_kind():
    x = torch.arange(5.0).reshape(5, 1, 1, 1).expand(5, 3, 8, 8)
    a, b = built(CycleGAN, SPEC).halves(Batch(x, None, None, 0, 0.0, {"class": torch.tensor([1, 0, 2, 1, 1])}))
    assert a[:, 0, 0, 0].tolist() == [1.0] and b[:, 0, 0, 0].tolist() == [0.0]


def test_generators_that_halve_and_double_pay_for_fooling_and_identity_alone():
    """G halves, F doubles: both cycles close; |G(b) - b| is half of |b|; a judge that says x's mean is known."""
    member = built(CycleGAN, SPEC)
    nets = fresh_networks(member) | {"a_to_b": Same(0.5), "b_to_a": Same(2.0), "judge_b": Same()}
    batch = mixed(CycleGAN, SPEC)
    a, b = member.halves(batch)
    loss = next(member.losses(nets, batch))
    expected = ((a / 2 - 1) ** 2).mean() + 5 * b.abs().mean() / 2
    assert loss.network == "a_to_b" and loss.figures["cycle/a_to_b"] == 0
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_history_keeps_while_there_is_room_then_swaps_half():
    history = History((1, 1, 1), 50)
    first = torch.arange(50.0).reshape(50, 1, 1, 1)
    assert torch.equal(history.exchange(first, seeded()), first) and torch.equal(history.kept, first)
    new = torch.arange(1000.0, 1400.0).reshape(400, 1, 1, 1)
    shown = history.exchange(new, seeded(1))
    changed = (shown != new).float().mean()
    assert abs(float(changed) - 0.5) < 0.1, "half of 400, give or take four deviations"
    together = torch.cat([shown, history.kept]).flatten().sort().values
    assert torch.equal(together, torch.cat([first, new]).flatten().sort().values), "nothing is lost or doubled"


def test_class_and_direction_choose_the_generator():
    member = built(CycleGAN, SPEC)
    nets = {"a_to_b": Same(0.5), "b_to_a": Same(-1.0)}
    x = data(SPEC, 3)
    made = draw(member, nets, count=3, conditions={"image": x, "class": torch.tensor([0, 1, 2])})
    assert torch.equal(made, torch.stack([-x[0], x[1] / 2, x[2] / 2]))


def test_told_are_the_picture_its_return_and_what_was_made():
    member, told, x = built(CycleGAN, SPEC), [], data(SPEC, 2)
    nets = {"a_to_b": Same(0.5), "b_to_a": Same(2.0)}
    draw(member, nets, count=2, conditions={"image": x}, on_step=told.append)
    assert [torch.equal(s.channels["x"], y) for s, y in zip(told, (x, x, x / 2), strict=True)] == [True] * 3


@pytest.mark.parametrize("shape,classes,word", [((3, 8, 8), ("a",), "two classes"), ((3, 9, 8), ("a", "b"), "multiples"),
                                                ((3, 2, 2), ("a", "b"), "too small")])  # fmt: skip
def test_problems_say_what_would_help(shape, classes, word):
    found = built(CycleGAN, DataSpec("image", shape, classes=classes)).problems()
    assert len(found) == 1 and word in found[0]
