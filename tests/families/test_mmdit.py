"""MMDiT: conformance, the published convention and shift, and what its two streams hear."""

from __future__ import annotations

import frozen_folders
import msgspec
import pytest
import torch
from conformance import SPECS, Conformance, draw, fresh_networks, seeded, stirred, train
from halving_codec import halving

from models_backend.conditions import text
from models_backend.contract.family import DataSpec
from models_backend.contract.fields import build, merged, plain
from models_backend.families.mmdit import Config, MMDiT, Sampling, shifted

CAPTIONED = msgspec.structs.replace(SPECS["image"], captioned=True)


def member(spec: DataSpec = CAPTIONED, parts=None, **changes) -> MMDiT:
    """The tiny preset on captions, with changes to its network."""
    tiny = next(p for p in MMDiT.presets if p.name == "tiny")
    return MMDiT(build(Config, merged(merged(plain(Config()), tiny.config), {"network": changes})), spec, parts)


class TestMMDiT(Conformance):
    key, family = "mmdit", MMDiT
    gradient_steps = 8


def said(net, captions):
    given = {"text": torch.from_numpy(text.tokens(captions))}
    x = torch.randn(1, 1, 8, 8, generator=seeded()).expand(len(captions), -1, -1, -1)
    with torch.no_grad():
        return net(x, torch.full((len(x),), 400.0), given)


def test_the_output_is_exactly_zero_at_first():
    net = fresh_networks(member())["velocity"].eval()
    assert torch.equal(said(net, ["red", "blue circle"]), torch.zeros(2, 1, 8, 8))


@pytest.mark.parametrize("pooled", [True, False])
def test_the_mean_of_the_words_is_heard_where_it_is_asked_for(pooled):
    net = stirred(fresh_networks(member(pooled=pooled)))["velocity"].eval()
    before, embedding = said(net, ["red"]), net.embedding.forward
    net.embedding.forward = lambda given: (*embedding(given)[:2], embedding(given)[2] + 1)
    assert torch.equal(said(net, ["red"]), before) is not pooled
    net.embedding.forward = lambda given: (embedding(given)[0] + 1, *embedding(given)[1:])
    assert not torch.equal(said(net, ["red"]), before), "the words themselves are heard in any case"


def test_the_shift_is_the_published_schedulers():
    from diffusers import FlowMatchEulerDiscreteScheduler

    sigmas = FlowMatchEulerDiscreteScheduler(shift=3.0).sigmas
    for place in (0, 200, 500, 999):
        assert 1 - shifted(1 - (1000 - place) / 1000, 3.0) == pytest.approx(float(sigmas[place]), abs=1e-6)
    assert shifted(0.0, 3.0) == 0 and shifted(1.0, 3.0) == 1 and shifted(0.4, 1.0) == pytest.approx(0.4)


def test_the_network_is_asked_in_the_published_convention():
    """Time 1000 is noise and it says noise - data: a perfect one of data all 1 brings noise to 1."""
    family, seen = member(msgspec.structs.replace(CAPTIONED, captioned=False)), []

    class Ones(torch.nn.Module):
        def forward(self, x, time, given):
            seen.append(float(time[0]))
            return (x - 1.0) / (time / 1000).clamp(min=1e-3).view(-1, 1, 1, 1)

    noise = torch.randn(3, 1, 8, 8, generator=seeded())
    settings = Sampling(solver="euler", steps=10, guidance=1.0)
    items = family.sample({"velocity": Ones()}, noise, {}, settings, lambda step: None, None)
    assert seen[0] == 1000 and torch.allclose(items, torch.ones(3, 1, 8, 8), atol=1e-4)


@pytest.mark.parametrize("context", [24, 0])
def test_a_sample_does_not_depend_on_the_captions_beside_it(context):
    net = stirred(fresh_networks(member(context=context)))["velocity"].eval()
    alone, beside = said(net, ["red", "red"])[0], said(net, ["red", "a longer caption"])[0]
    assert torch.allclose(alone, beside, atol=1e-5)


def test_captions_are_heard_to_their_end_where_no_context_cuts_them():
    long = "a very large and very red circle that lies in the upper "
    for context, heard in ((24, False), (0, True)):
        net = stirred(fresh_networks(member(context=context)))["velocity"].eval()
        left, right = said(net, [long + "left", long + "right"])
        assert torch.allclose(left, right, atol=1e-6) is not heard


def test_what_fills_a_batch_up_is_neither_attended_to_nor_computed():
    net, lengths = stirred(fresh_networks(member(context=0)))["velocity"].eval(), []
    net.transformer.context_embedder.register_forward_hook(lambda layer, given, out: lengths.append(out.shape[1]))
    tokens = torch.from_numpy(text.tokens(["red"], 90))
    x, time = torch.randn(1, 1, 8, 8, generator=seeded()), torch.full((1,), 400.0)
    with torch.no_grad():
        assert torch.equal(net(x, time, {"text": tokens}), net(x, time, {"text": tokens[:, :4]}))
    assert lengths == [4, 4]


def test_a_frozen_text_encoder_is_heard_and_filled_up_to_one_length(tmp_path):
    where, _ = frozen_folders.folder(tmp_path, "T5EncoderModel")
    text_of = {"text": {"type": "frozen", "folder": where, "length": 9}}
    family = MMDiT(build(Config, merged(plain(member().config), text_of)), CAPTIONED)
    net = stirred(fresh_networks(family))["velocity"]
    red, blue = said(net, ["red", "blue square"])
    assert not torch.allclose(red, blue, atol=1e-4) and torch.allclose(red, said(net, ["red"])[0], atol=1e-5)
    assert family.problems() == []
    without = MMDiT(build(Config, merged(plain(member().config), {"text": {"type": "frozen"}})), CAPTIONED)
    assert [problem for problem in without.problems() if problem.startswith("text: no folder")]


def test_word_order_is_heard_and_every_parameter_learns_from_captions():
    net = stirred(fresh_networks(member()))["velocity"]
    one, other = said(net, ["red left of blue", "blue left of red"])
    assert not torch.allclose(one, other, atol=1e-4)
    family, seen = member(), {}
    train(family, fresh_networks(family), 8, seen)
    assert seen and [name for name, had in seen.items() if not had] == []


def test_it_works_on_a_codecs_latents():
    spec = DataSpec("image", (1, 16, 16), captioned=True)
    family = member(spec, {"codec": halving(spec)})
    items = draw(family, stirred(fresh_networks(family)))
    assert family.noise_shape() == (4, 8, 8) and items.shape == (4, 1, 16, 16)


def test_branching_on_a_shifted_grid_goes_on_where_it_was():
    family = member()
    for start in (0.3, 0.99):
        times = family.times(Sampling(steps=8, shift=3.0), start)
        assert times[0] == start and times[-1] == 1 and times == sorted(times)
