"""Conditional diffusion: conformance, what it is told in every way, and guidance on a network that is known."""

from __future__ import annotations

import frozen_folders
import msgspec
import pytest
import small_families
import torch
from conformance import SPECS, Conformance, batch, conditions_for, draw, fresh_networks, seeded, stirred, train
from halving_codec import halving

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import build, merged, plain
from models_backend.contract.messages import Budget, TroubleError
from models_backend.families.conditional_diffusion import ConditionalDiffusion, Config, Sampling
from models_backend.networks import frozen_text, weights
from models_backend.samplers import guidance
from models_backend.training.budget import measure

CAPTIONED = msgspec.structs.replace(SPECS["image"], captioned=True)


def member(spec: DataSpec = SPECS["points"], **changes) -> ConditionalDiffusion:
    """The tiny preset with changes to its config."""
    tiny = next(p for p in ConditionalDiffusion.presets if p.name == "tiny")
    return ConditionalDiffusion(build(Config, merged(merged(plain(Config()), tiny.config), changes)), spec)


class TestConditionalDiffusion(Conformance):
    key, family = "conditional_diffusion", ConditionalDiffusion


def test_given_a_codec_it_works_on_latents_and_a_codec_of_other_items_is_named():
    family = member(CAPTIONED)
    family.parts["codec"] = halving(CAPTIONED)
    nets, (channels, *sides) = fresh_networks(family), CAPTIONED.shape
    assert family.problems() == [] and family.noise_shape() == (4 * channels, *(side // 2 for side in sides))
    next(iter(family.losses(nets, batch(ConditionalDiffusion, CAPTIONED))))
    assert draw(family, stirred(nets)).shape[1:] == CAPTIONED.shape
    points = member()
    points.parts["codec"] = halving(CAPTIONED)
    (problem,) = points.problems()
    assert problem.startswith("codec") and "these are 2" in problem


@pytest.mark.parametrize("conditioning", ["added", "cross_attention"])
def test_captions_are_heard_both_ways_and_every_parameter_learns(conditioning):
    family = member(CAPTIONED, conditioning={"type": conditioning})
    nets, seen = fresh_networks(family), {}
    train(family, nets, 4, seen)
    assert seen and [name for name, had in seen.items() if not had] == []
    nets = stirred(nets)
    one, other = ({"text": conditions_for(ConditionalDiffusion, CAPTIONED, 4, value)["text"]} for value in (0, 1))
    assert not torch.allclose(draw(family, nets, conditions=one), draw(family, nets, conditions=other))


def test_bytes_that_fill_up_say_nothing():
    family = member(CAPTIONED, conditioning={"type": "cross_attention"})
    nets = stirred(fresh_networks(family))
    given = {"text": conditions_for(ConditionalDiffusion, CAPTIONED, 4)["text"]}
    longer = {"text": torch.nn.functional.pad(given["text"], (0, 9))}
    assert torch.allclose(draw(family, nets, conditions=given), draw(family, nets, conditions=longer), atol=1e-5)


def test_a_frozen_text_encoder_reads_captions_once_and_a_run_resumes_to_the_same_bits(library_root, tmp_path, monkeypatch):
    monkeypatch.setitem(small_families.FAMILIES, "told", ConditionalDiffusion)
    library, dataset = small_families.opened(library_root, "shapes:size=16,count=320")
    where, _ = frozen_folders.folder(tmp_path / "clip")
    tiny = merged(plain(member(CAPTIONED).config), {"text": {"type": "frozen", "folder": where}})
    asked, read = [], frozen_text.Reading.read
    monkeypatch.setattr(frozen_text.Reading, "read", lambda *a: asked.append(a[1]) or read(*a))

    def trainer(run=None):
        frozen_text._reading.cache_clear()  # as in a process of its own
        run = run or small_families.make_run(library, dataset, "told", tiny, {"resolution": 8}, steps=5, checkpoint_every=2)
        return small_families.trainer_of(library, run)

    straight = trainer()
    captions = {"", *straight.data.train.captions, *straight.data.validation.captions}
    assert sorted(asked) == sorted(captions)
    straight.run()
    cut = trainer()
    for _ in range(3):
        cut.advance()
    cut.request_stop()
    cut.run()
    asked.clear()
    again = trainer(cut.run_folder)
    assert again.step == 3
    again.run()
    assert asked == [] and weights.digest(again.nets) == weights.digest(straight.nets)
    assert [k for k in again.nets["denoiser"].state_dict() if k.startswith("embedding.")] == ["embedding.text.identity"]
    report = measure(library, Budget("told", dataset.id, tiny, straight.record.training, {"resolution": 8}),
                     small_families.FAMILIES)  # fmt: skip
    assert report.step_ms > 0
    frozen_folders.folder(tmp_path / "clip", seed=1)
    with pytest.raises(TroubleError, match="not the one that the run was trained with"):
        weights.load_run(library, cut.run_folder.record().id, small_families.FAMILIES, device="cpu")
    library.close()


class Perfect(torch.nn.Module):
    """v of the mean of data N(mean of its class, .3^2), in closed form; the null class has mean 0."""

    MEANS = torch.tensor([-1.0, 1.0, 0.5, 0.0])

    def __init__(self, family: ConditionalDiffusion):
        super().__init__()
        self.schedule = family.schedule({})

    def forward(self, x, told, given):
        log_snr = self.schedule.log_snr(told / 1000).view(-1, 1).to(x)
        alpha, sigma = log_snr.sigmoid().sqrt(), (-log_snr).sigmoid().sqrt()
        mean = self.MEANS[given["class"]].view(-1, 1).to(x)
        x0 = mean + alpha * 0.09 / (alpha**2 * 0.09 + sigma**2) * (x - alpha * mean)
        return (alpha * x - x0) / sigma.clamp(min=1e-4)


def sampled(scale: float, asked: int | None) -> torch.Tensor:
    family = member()
    given = {} if asked is None else {"class": torch.full((4000,), asked)}
    settings = Sampling(guidance=scale, steps=100, clip=False)
    noise = torch.randn(4000, 2, generator=seeded())
    with torch.no_grad():
        return family.sample({"denoiser": Perfect(family)}, noise, given, settings, lambda step: None, seeded(1))


@pytest.mark.parametrize(("scale", "asked", "mean"), [(1.0, 0, -1.0), (1.0, 1, 1.0), (0.0, 0, 0.0), (3.0, None, 0.0)])
def test_a_perfect_network_makes_what_is_asked_for(scale, asked, mean):
    items = sampled(scale, asked)
    assert float(items.mean()) == pytest.approx(mean, abs=0.03) and float(items.std(0).mean()) == pytest.approx(0.3, rel=0.05)


def test_more_guidance_goes_further():
    assert float(sampled(3.0, 1).mean()) > float(sampled(1.0, 1).mean()) + 0.2


def test_training_is_told_the_batch_and_never_guided():
    family, made = member(), batch(ConditionalDiffusion, SPECS["points"])
    heard = []

    class Listening(torch.nn.Module):
        def forward(self, x, told, given):
            heard.append(given["class"].tolist())
            return x * 0

    next(family.losses({"denoiser": Listening()}, made))
    assert heard == [made.conditions["class"].tolist()]


def test_a_negative_prompt_takes_the_place_of_nothing():
    family = member(CAPTIONED, conditioning={"type": "cross_attention"})
    nets = stirred(fresh_networks(family))
    given = {"text": conditions_for(ConditionalDiffusion, CAPTIONED, 2)["text"]}
    noise = torch.randn(2, 1, 8, 8, generator=seeded())
    with torch.no_grad():
        plain_, against = (
            family.sample(nets, noise, given, Sampling(steps=4, guidance=3.0, negative=negative), lambda step: None, None)
            for negative in ("", "blue")
        )
    assert not torch.equal(plain_, against)


@pytest.mark.parametrize(
    ("spec", "words"),
    [(DataSpec("image", (1, 8, 8)), "nothing"), (DataSpec("image", (1, 8, 8), classes=("a",)), "one class only")],
)
def test_data_that_tell_nothing_are_refused_with_what_would_fix_it(spec, words):
    (problem,) = member(spec).problems()
    assert words in problem and "write captions" in problem and "DDPM" in problem


def test_the_interval_is_a_share_of_the_way():
    how = guidance.Guidance(begin=0.5)
    family = member()
    noise = torch.randn(64, 2, generator=seeded())
    given = {"class": torch.ones(64, dtype=torch.long)}
    nets = {"denoiser": Perfect(family)}

    def go(settings):
        with torch.no_grad():
            return float(family.sample(nets, noise, given, settings, lambda step: None, None).mean())

    full, late, plain_ = (
        go(Sampling(guidance=4.0, steps=40, clip=False)),
        go(Sampling(guidance=4.0, guided=how, steps=40, clip=False)),
        go(Sampling(guidance=1.0, steps=40, clip=False)),
    )
    assert plain_ < late < full
