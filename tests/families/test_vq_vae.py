"""The VQ-VAE: conformance, its gradient, its two stages, and its prior."""

from __future__ import annotations

import math

import pytest
import torch
from conformance import Conformance, batch, built, data, draw, fresh_networks, seeded, stirred

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import FieldError, build, merged, plain
from models_backend.families.vq_vae import EXACT, VQVAE, Config

PICTURES = DataSpec("image", (1, 8, 8), count=64)


def make(spec: DataSpec = PICTURES, **config) -> VQVAE:
    small = {"codes": 16, "code_width": 4, "levels": 1, "width": 8, "depth": 1,
             "prior": {"width": 16, "layers": 2, "heads": 2, "dropout": 0.0}}  # fmt: skip
    return VQVAE(build(Config, merged(merged(plain(Config()), small), config)), spec)


class TestVQVAE(Conformance):
    key, family = "vq_vae", VQVAE


def at(progress: float, count: int = 8) -> Batch:
    return Batch(data(PICTURES, count), torch.arange(count), seeded(), 1, progress)


def test_codec_learns_first_then_only_the_prior_and_the_codes_stand_still():
    member = make(codec_share=0.5)
    nets = fresh_networks(member)
    (early,) = member.losses(nets, at(0.49))
    before = nets["codebook"].vectors.clone()
    (late,) = member.losses(nets, at(0.5))
    assert (early.network, late.network) == ("codec", "prior")
    late.value.backward()
    assert torch.equal(before, nets["codebook"].vectors)
    assert all(p.grad is None for p in nets["codec"].parameters())


def test_drawn_codes_teach_the_prior_what_a_code_could_have_been_and_held_out_loss_takes_the_nearest():
    drawn, plain_one = make(drawn_codes=1.0, codec_share=0.0), make(codec_share=0.0)
    nets = stirred(fresh_networks(drawn))
    nearest, read = drawn.to_codes(nets, data(PICTURES)), []
    nets["prior"].register_forward_pre_hook(lambda _, given: read.append(given[0]))
    (loss,) = drawn.losses(nets, at(0.5))
    other = (read[-1] != nearest).float().mean().item()
    likely = nets["codebook"].likely(nets["codec"].encode(data(PICTURES)).movedim(1, -1).flatten(0, 2), 1.0)
    assert other == pytest.approx(1 - likely.max(1).values.mean().item(), abs=0.15) and 0 < other < 1
    (plain_loss,) = plain_one.losses(nets, at(0.5))
    assert torch.equal(read[-1], nearest) and loss.value != plain_loss.value
    with torch.no_grad():
        (held_out,) = drawn.losses(nets, at(0.5))
    assert torch.equal(read[-1], nearest) and held_out.value == plain_loss.value


def test_gradient_goes_straight_through_the_codes():
    """With the commitment off, the encoder gets exactly the slope that the decoder's input has."""
    member = make(commitment=0.0)
    nets = fresh_networks(member)
    codec, book, caught = nets["codec"].eval(), nets["codebook"], {}
    encode, decode = codec.encode, codec.decode
    codec.encode = lambda x: caught.setdefault("z", encode(x).detach().requires_grad_(True))
    codec.decode = lambda z: decode(caught.setdefault("q", z))
    (loss,) = member.losses(nets, at(0.0))
    caught["q"].retain_grad()
    loss.value.backward()
    assert torch.equal(caught["z"].grad, caught["q"].grad) and caught["z"].grad.abs().sum() > 0
    index = book.nearest(caught["z"].movedim(1, -1).flatten(0, 2))
    assert torch.allclose(caught["q"].movedim(1, -1).flatten(0, 2), book(index), atol=1e-6)


def test_commitment_is_the_distance_to_the_codes():
    heavy, light = make(commitment=2.0), make(commitment=0.0)
    nets = fresh_networks(heavy)
    nets["codec"].eval()  # so that the codes stay
    (a,), (b,) = list(heavy.losses(nets, at(0.0))), list(light.losses(nets, at(0.0)))
    assert a.value.item() - b.value.item() == pytest.approx(2.0 * a.figures["commitment"].item(), rel=1e-4)


def test_items_do_not_depend_on_the_batch_they_are_made_in():
    member = built(VQVAE, PICTURES)
    nets = stirred(fresh_networks(member))
    noise = torch.randn(6, member.length, generator=seeded())
    assert torch.allclose(draw(member, nets, noise=noise)[4:], draw(member, nets, noise=noise[4:]), atol=1e-5)


def test_a_branch_keeps_the_codes_that_were_written():
    member = make()
    nets = stirred(fresh_networks(member))
    x = data(PICTURES, 5)
    half = draw(member, nets, noise=x, start=0.5)
    kept = member._shown(nets, member.to_codes(nets, x)[:, :8])
    told = []
    again = draw(member, nets, noise=x, start=0.5, on_step=told.append)
    assert torch.allclose(told[0].channels["x"], kept, atol=1e-5) and told[0].time == 0.5
    assert torch.equal(half, again) and len(told) == 9
    whole = draw(member, nets, noise=x, start=1.0)
    assert torch.allclose(whole, member.decode(nets, member.encode(nets, x), None), atol=1e-5)


def test_a_branch_from_a_recorded_state_has_exactly_its_codes():
    member = make()
    nets, told = stirred(fresh_networks(member)), []
    items = draw(member, nets, on_step=told.append)
    middle = told[7]
    state = middle.state.half().float()
    assert state.shape == (4, 16) and (state[:, :7] >= 0).all() and (state[:, 7:] == -1).all()
    again: list = []
    draw(member, nets, noise=state, start=middle.time, on_step=again.append)
    assert torch.equal(again[0].channels["x"], middle.channels["x"]) and torch.equal(again[0].state, middle.state)
    assert torch.equal(draw(member, nets, noise=told[-1].state, start=1.0), items)
    vast = make(codes=EXACT + 1)
    draw(vast, fresh_networks(vast), on_step=told.append)
    assert told[-1].state is None


def test_decoding_vectors_takes_the_nearest_codes():
    member = make()
    nets = stirred(fresh_networks(member))
    z = member.encode(nets, data(PICTURES))
    assert z.shape == (8, 16 * 4)
    near = z + 1e-4 * torch.randn(z.shape, generator=seeded())
    assert torch.equal(member.decode(nets, z, None), member.decode(nets, near, None))


def test_prior_learns_the_entropy_of_its_codes_and_writes_rows_as_often_as_it_says():
    """Codes that are one of four rows: log 4 nats for the first code, none for the rest."""
    member = make(levels=1)
    prior = fresh_networks(member)["prior"]
    rows = torch.randint(16, (4, 16), generator=seeded(2))
    rows[:, 0] = torch.arange(4)
    optimiser = torch.optim.Adam(prior.parameters(), lr=1e-2)
    for step in range(150):
        index = rows[torch.randint(4, (64,), generator=seeded(step))]
        loss = torch.nn.functional.cross_entropy(prior(index).flatten(0, 1), index.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() * 16 == pytest.approx(math.log(4), abs=0.15)
    with torch.no_grad():
        nats = torch.nn.functional.cross_entropy(prior(rows).flatten(0, 1), rows.flatten(), reduction="none").view(4, 16).sum(1)
        u = torch.rand((4000, 16), generator=seeded(9), dtype=torch.float64)
        *_, (_, made) = member._written(prior, torch.empty((4000, 0), dtype=torch.long), u, member.Sampling())
    shares = (made[:, None] == rows[None]).all(-1).float().mean(0)
    assert torch.allclose(shares, (-nats).exp(), atol=0.03) and shares.sum() > 0.9


def test_too_small_a_map_and_a_bad_width_are_refused():
    (problem,) = make(levels=3).problems()
    assert "take fewer" in problem
    with pytest.raises(FieldError, match="take 25"):
        make(prior={"width": 24, "heads": 5})


def test_diagnostics_know_an_untrained_prior():
    member = make()
    told = member.diagnostics(fresh_networks(member), data(PICTURES, 32), seeded())
    assert told["prior_nats"] == pytest.approx(math.log(16), abs=0.1)
    assert sum(told["code_shares"]) == pytest.approx(1.0) and len(told["code_shares"]) == told["codes"] == 16


def test_batch_of_the_trainer_moves_the_codes_only_in_training():
    member = make(codec_share=1.0)
    nets = fresh_networks(member)
    before = nets["codebook"].vectors.clone()
    nets["codec"].train()
    next(member.losses(nets, batch(VQVAE, PICTURES)))
    assert not torch.equal(before, nets["codebook"].vectors)
