"""The image codec: conformance, its stored scale, its export to diffusers, its losses."""

from __future__ import annotations

import math

import pytest
import safetensors.torch
import torch
from conformance import Conformance, batch, built, data, draw, fresh_networks, seeded, train

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import build, merged, plain
from models_backend.contract.messages import TroubleError
from models_backend.families.image_codec import Config, ImageCodecFamily
from models_backend.networks.reader import Reader

PICTURES = DataSpec("image", (3, 16, 16), count=64, classes=("a", "b", "c"))


def make(spec: DataSpec = PICTURES, **config) -> ImageCodecFamily:
    small = {"network": {"width": 8, "multipliers": [1, 2, 2], "groups": 4}, "perceptual": {"type": "none"}}
    return ImageCodecFamily(build(Config, merged(merged(plain(Config()), small), config)), spec)


class TestImageCodec(Conformance):
    key, family = "image_codec", ImageCodecFamily


@pytest.mark.parametrize("latent", [{"type": "kl"}, {"type": "vq", "codes": 32}])
def test_stored_scale_makes_latents_standard_and_is_saved_with_the_weights(latent):
    member = make(latent=latent)
    nets = fresh_networks(member)
    with torch.no_grad():  # far from standard, and no two channels alike
        nets["codec"].body.quant_conv.weight *= torch.tensor([1.0, 5.0, 9.0, 2.0] * 2)[
            : nets["codec"].body.quant_conv.out_channels, None, None, None
        ]
        nets["codec"].body.quant_conv.bias += 3.0
    for net in nets.values():
        net.train()
    for step in range(60):
        for loss in member.losses(nets, Batch(data(PICTURES, 16, step), torch.arange(16), seeded(step), step, 0.0)):
            assert torch.isfinite(loss.value)
    again = fresh_networks(member, seed=5)
    again["codec"].load_state_dict(safetensors.torch.load(safetensors.torch.save(nets["codec"].state_dict())))
    with torch.no_grad():
        z = member.to_latents(again, data(PICTURES, 256, 999))
    assert z.shape == (256, *member.latent_shape()) == (256, 4, 4, 4)
    assert z.std().item() == pytest.approx(1.0, abs=0.05) and z.mean().item() == pytest.approx(0.0, abs=0.05)
    if latent["type"] == "kl":
        assert z.std((0, 2, 3)).tolist() == pytest.approx([1.0] * 4, abs=0.08)


def test_running_moments_are_exact_means_at_first():
    codec = make().networks()["codec"]
    raw = torch.randn(5, 8, 4, 3, 3, generator=seeded()) * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None] + 2.0
    for one in raw:
        codec.observe(one)
    flat = raw.transpose(1, 2).transpose(0, 1).flatten(1)
    assert torch.allclose(codec.mean, flat.mean(1), atol=1e-5)
    assert torch.allclose(codec.std, flat.std(1, correction=0), rtol=1e-4)


def test_latents_in_between_are_taken_back_exactly():
    codec = make(latent={"type": "vq", "codes": 8}).networks()["codec"]
    codec.observe(torch.randn(8, 4, 4, 4, generator=seeded()) * 3 + 1)
    raw = torch.randn(2, 4, 4, 4, generator=seeded(1))
    assert torch.allclose(codec.unscaled(codec.scaled(raw)), raw, atol=1e-5)


def test_exported_model_is_diffusers_own_and_gives_the_same_pictures(tmp_path):
    from diffusers import AutoencoderKL

    member = make()
    nets = fresh_networks(member)
    train(member, nets, 3)
    nets["codec"].eval()
    member.exported(nets).save_pretrained(tmp_path)
    plain_model = AutoencoderKL.from_pretrained(tmp_path).eval()
    x = data(PICTURES)
    with torch.no_grad():
        z = member.to_latents(nets, x)
        theirs = plain_model.encode(x).latent_dist
        assert torch.allclose(theirs.mean * plain_model.config.scaling_factor, z, atol=1e-4)
        _, logvar = nets["codec"].posterior(x)
        scaled = logvar.exp().sqrt() / nets["codec"].std[:, None, None]
        assert torch.allclose(theirs.std, scaled, rtol=1e-3)
        decoded = plain_model.decode(z / plain_model.config.scaling_factor).sample.clamp(-1, 1)
        assert torch.allclose(decoded, member.from_latents(nets, z), atol=1e-4)


def test_a_codebook_is_not_exported_as_a_gaussian_model():
    member = make(latent={"type": "vq", "codes": 8})
    with pytest.raises(TroubleError, match="Gaussian"):
        member.exported(member.networks())


def test_commitment_weighs_on_the_encoder_alone():
    """Published form (and not diffusers' default): |sg(z) - e|^2 + beta |z - sg(e)|^2."""
    raw = torch.randn(2, 4, 3, 3, generator=seeded())
    slopes = {}
    for beta in (0.0, 1.0):
        codec = make(latent={"type": "vq", "codes": 8, "commitment": beta}).networks()["codec"]
        with torch.no_grad():
            codec.body.quantize.embedding.weight.copy_(torch.randn(8, 4, generator=seeded(3)))
        at = raw.clone().requires_grad_(True)
        _, loss, _ = codec.quantised(at)
        to_codes, to_raw = torch.autograd.grad(loss, (codec.body.quantize.embedding.weight, at), allow_unused=True)
        slopes[beta] = (to_codes.norm().item(), 0.0 if to_raw is None else to_raw.norm().item())
    assert slopes[0.0][0] == pytest.approx(slopes[1.0][0]) and slopes[0.0][0] > 0
    assert slopes[0.0][1] == 0.0 and slopes[1.0][1] > 0.0


def test_kl_weight_is_in_nats_of_a_whole_item():
    one, two = make(latent={"type": "kl", "weight": 0.0}), make(latent={"type": "kl", "weight": 0.5})
    nets = fresh_networks(one)
    (low,), (high,) = (list(m.losses(nets, batch(ImageCodecFamily, PICTURES))) for m in (one, two))
    assert high.value.item() - low.value.item() == pytest.approx(0.5 * low.figures["kl"].item(), rel=1e-4)


def test_adversary_joins_at_its_share_and_is_balanced_against_the_error():
    member = make(adversary={"type": "patches", "start": 0.5, "width": 8, "weight": 1.0})
    nets = fresh_networks(member)
    x = data(PICTURES)
    early = list(member.losses(nets, Batch(x, torch.arange(8), seeded(), 4, 0.4)))
    late = list(member.losses(nets, Batch(x, torch.arange(8), seeded(), 6, 0.6)))
    assert [loss.network for loss in early] == ["codec"] and [loss.network for loss in late] == ["codec", "discriminator"]
    last = nets["codec"].body.decoder.conv_out.weight
    (towards,) = torch.autograd.grad(early[0].value, last)
    (both,) = torch.autograd.grad(late[0].value, last)
    assert (both - towards).norm().item() == pytest.approx(towards.norm().item(), rel=0.02)


def test_perceptual_distance_is_zero_for_the_same_and_grows_with_blur():
    member = make(perceptual={"type": "seeded"})
    net = member.networks()["perceptual"].train()
    x = data(PICTURES)
    blurred = [torch.nn.functional.avg_pool2d(x, k, 1, k // 2) for k in (1, 3, 7)]
    apart = [net(b, x).mean().item() for b in blurred]
    assert apart[0] == pytest.approx(0.0, abs=1e-6) and 1e-3 < apart[1] < apart[2]
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_a_readers_file_becomes_the_perceptual_network_and_is_not_needed_again(tmp_path):
    torch.manual_seed(3)
    reader, file = Reader(PICTURES.shape, 3), tmp_path / "reader.safetensors"
    safetensors.torch.save_file(reader.state_dict(), file)
    member = make(perceptual={"type": "file", "file": str(file)})
    assert member.problems() == []
    net = member.networks()["perceptual"]
    assert torch.equal(net.reader.stages[0].weight, reader.stages[0].weight)
    file.unlink()
    assert member.networks()["perceptual"].load_state_dict(net.state_dict())
    (problem,) = member.problems()
    assert problem.startswith("perceptual.file") and "seeded" in problem


def test_a_reader_of_other_pictures_is_a_problem(tmp_path):
    safetensors.torch.save_file(Reader((3, 32, 32), 3).state_dict(), tmp_path / "other.safetensors")
    (problem,) = make(perceptual={"type": "file", "file": str(tmp_path / "other.safetensors")}).problems()
    assert "3 x 16 x 16" in problem


def test_too_many_levels_are_a_problem_with_a_remedy():
    (problem,) = make(network={"multipliers": [1, 1, 1, 1, 1]}).problems()
    assert "take fewer" in problem


def test_a_recorded_item_is_where_its_branch_starts():
    member = built(ImageCodecFamily, PICTURES)
    nets = fresh_networks(member)
    x, told = data(PICTURES, 2), []
    draw(member, nets, noise=x, start=0.5, on_step=told.append)
    assert torch.allclose(told[0].channels["x"], member.decode(nets, member.encode(nets, x), None), atol=1e-5)


def test_codebook_diagnostics_count_its_codes():
    member = make(latent={"type": "vq", "codes": 16})
    told = member.diagnostics(fresh_networks(member), data(PICTURES), seeded())
    assert told["codes"] == 16 and 1 <= told["perplexity"] <= 16 * told["codes_used"] + 1e-3
    assert told["dead_codes"] == 16 * (1 - told["codes_used"]) and math.isfinite(told["latent_std_scaled"])
