"""Growing networks: what every stage makes and sees, and that nothing jumps from one to the next."""

import itertools

import pytest
import torch
from torch import nn

from models_backend.networks.bodies import Conv
from models_backend.networks.critic import Discriminator, Generator
from models_backend.networks.growing import Stage, beginnings, doubled_at, doublings, enlarged, grow, reduced

SHAPE = (3, 16, 16)
JUST = 2**-20


def pair(norm: str = "group", bound: bool = False, depth: int = 1) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    body = Conv(8, depth)
    return (Generator(body, 5, SHAPE, norm, True, doublings=2).eval(),
            Discriminator(body, SHAPE, bound, True, doublings=2).eval())  # fmt: skip


def noise(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(1))


def real(count: int = 4) -> torch.Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(2)) * 2 - 1


def at(doubled: float, net: nn.Module, given: torch.Tensor) -> torch.Tensor:
    grow(net, doubled)
    with torch.no_grad():
        return net(given)


# ------------------------------------------------------------------------------------------------- schedule


def test_sides_to_begin_with_are_those_that_double_into_the_picture():
    assert beginnings(32, 32) == {16: 1, 8: 2, 4: 3} and beginnings(28, 28) == {14: 1, 7: 2}
    assert beginnings(12, 20) == {10: 1, 5: 2} and beginnings(9, 9) == beginnings(4, 4) == {}
    assert [doublings(first, (1, 28, 28)) for first in (0, 7, 14, 4)] == [2, 2, 1, 0]


def test_stages_are_even_and_the_first_share_of_each_fades_in():
    def told(places, fading=0.5):
        return [doubled_at(p / 12, 2, fading) for p in places]

    assert told([0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) == pytest.approx([0, 0, 0, 0.5, 1, 1, 1, 1.5, 2, 2, 2])
    assert told([4, 5, 6, 8], 0.25) == pytest.approx([0, 1, 1, 1])
    all_of_it = [doubled_at(k / 1000, 3, 0.5) for k in range(1001)]
    assert all(0 <= b - a < 0.01 for a, b in itertools.pairwise(all_of_it)) and all_of_it[-1] == 3


def test_levels_name_the_one_that_is_reached_and_the_one_to_come():
    stage = Stage(2)
    for doubled, levels in ((0, [2]), (0.25, [2, 1]), (1, [1]), (1.5, [1, 0]), (2, [0])):
        grow(stage, doubled)
        assert stage.levels() == levels
    grow(stage, 0.25)
    mixed = stage.mixed([torch.zeros(2), torch.full((2,), 8.0)])
    assert torch.equal(mixed, torch.full((2,), 2.0))


# ------------------------------------------------------------------------------------------------- making


@pytest.mark.parametrize("doubled, side", [(0, 4), (0.5, 8), (1, 8), (1.25, 16), (2, 16)])
def test_pictures_of_every_stage_are_small_ones_enlarged(doubled, side):
    made = at(doubled, pair()[0], noise())
    level = {4: 2, 8: 1, 16: 0}[side]
    assert made.shape == (4, *SHAPE)
    assert torch.allclose(enlarged(reduced(made, level), level), made, atol=1e-6)
    assert side == 4 or not torch.allclose(enlarged(reduced(made, level + 1), level + 1), made, atol=1e-4)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_new_level_fades_in_along_a_line_between_the_old_and_the_new(stage):
    generator = pair()[0].body
    old, new = (at(doubled, generator, noise()) for doubled in (stage - 1, stage))
    for alpha in (0.25, 0.75):
        assert torch.allclose(at(stage - 1 + alpha, generator, noise()), (1 - alpha) * old + alpha * new, atol=1e-5)
    for doubled, end in ((stage - 1 + JUST, old), (stage - JUST, new)):
        assert torch.allclose(at(doubled, generator, noise()), end, atol=1e-5)
    assert not torch.allclose(old, new, atol=1e-2)


# ------------------------------------------------------------------------------------------------- judging


@pytest.mark.parametrize("bound", [False, True], ids=["free", "bound"])
def test_scores_do_not_jump_where_a_level_begins_or_ends_to_fade_in(bound):
    judge = pair(bound=bound)[1]
    for stage in (0, 1, 2):
        whole = at(stage, judge, real())
        for beside in {max(0, stage - JUST), min(2, stage + JUST)} - {stage}:
            assert torch.allclose(at(beside, judge, real()), whole, atol=1e-5)
    assert not torch.allclose(at(0, judge, real()), at(2, judge, real()), atol=1e-3)


def test_a_stage_sees_nothing_finer_than_its_side():
    judge = pair()[1]
    coarse = enlarged(reduced(real(), 2), 2)
    assert torch.allclose(at(0, judge, real()), at(0, judge, coarse), atol=1e-6)
    assert not torch.allclose(at(0.5, judge, real()), at(0.5, judge, coarse), atol=1e-5)


def test_real_pictures_are_mixed_with_their_own_half():
    stage, x = Stage(2), real()
    assert torch.allclose(stage.seen(x), enlarged(reduced(x, 2), 2))
    grow(stage, 1.25)
    assert torch.allclose(stage.seen(x), 0.75 * enlarged(reduced(x, 1), 1) + 0.25 * x, atol=1e-6)
    grow(stage, 2)
    assert torch.equal(stage.seen(x), x)


def test_parameters_that_are_not_reached_get_no_gradient_and_all_are_reached_in_the_end():
    nets, reached = pair(), set()
    for doubled, grown in ((0, False), (0.5, False), (1.5, True), (2, True)):
        for net in nets:
            net.zero_grad(set_to_none=True)
            grow(net, doubled)
        nets[1](nets[0](noise())).sum().backward()
        reached |= {f"{i}.{name}" for i, net in enumerate(nets) for name, p in net.named_parameters() if p.grad is not None}
        assert (nets[0].body.last[-1].weight.grad is not None) == grown
        assert (nets[1].features.stages[0].weight.grad is not None) == grown
    assert reached == {f"{i}.{name}" for i, net in enumerate(nets) for name, _ in net.named_parameters()}


def test_whole_networks_compute_what_those_that_never_grew_do():
    """With the same weights, to the last bit: the level of the whole picture is the plain network."""
    body = Conv(8, 1)
    plain = (Generator(body, 5, SHAPE, "group", True).eval(), Discriminator(body, SHAPE, False, True).eval())
    for net, grown, given in zip(plain, pair(), (noise(), real()), strict=True):
        missing = net.load_state_dict(grown.state_dict(), strict=False)
        assert missing.missing_keys == [] and all("colours" in k or "stage." in k for k in missing.unexpected_keys)
        with torch.no_grad():
            assert torch.equal(at(2, grown, given), net(given))
