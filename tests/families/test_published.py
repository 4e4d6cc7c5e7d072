"""Presets that call themselves published are what was published: networks, heads, schedules and rates, and how many parameters
they have where that was said. "As published" promises the network; notes tell what else differs.

Where the figures come from. Read there, but for DDPM's steps and average, DiT-XL's number of parameters, SD 3's average and the
VAE's steps, which are from memory:
Stable Diffusion 1.5: unet/config.json (``attention_head_dim`` 8 there means 8 heads) and the model card (595,000 steps).
DiT-XL/2: models.py and train.py of facebookresearch/DiT; parameters and steps from arXiv:2212.09748, tables 1 and 4.
PixArt-alpha: configs/t2i_js_config/PixArt_xl2_img256_SAM.py of its repository, and arXiv:2310.00426, table 4 (178 x 64 items).
SD 3: transformer/config.json of SD3 medium; arXiv:2403.03206, section 5.3.3 (steps, batch) and B.3 (rate, warm-up, average).
DDPM: scripts/run_cifar.py of hojonathanho/diffusion; steps and average from arXiv:2006.11239, appendix B.
Guided diffusion at 64 px: MODEL_FLAGS in the README of openai/guided-diffusion; arXiv:2105.05233, table 11 (296 M); steps from
arXiv:2207.12598, section 4.
Flow matching: arXiv:2210.02747, table 3.
Codec: configs/autoencoder/autoencoder_kl_32x32x4.yaml of CompVis/latent-diffusion, whose rate is per item of a step; steps from
the card of stabilityai/sd-vae-ft-mse ("original").
IWAE: experiments.py of yburda/iwae; arXiv:1509.00519, section 5 (3,280 passes over 60,000 digits).
VAE: arXiv:1312.6114, section 5.
VQ-VAE (only after the paper): arXiv:1711.00937, section 4.1.
Rectified flow (the same): configs/rectified_flow/cifar10_rf_gaussian_ddpmpp.py of gnobitab/RectifiedFlow.
"""

from __future__ import annotations

import pytest
import torch

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import build, merged, plain
from models_backend.contract.settings import TrainingSettings
from models_backend.workers import registry

FAMILIES = registry.families()
CLAIMED = sorted(key for key, family in FAMILIES.items() for p in family.presets if "ublished" in p.title)


def paper(key):
    return next(preset for preset in FAMILIES[key].presets if preset.name == "paper")


def config(key):
    family = FAMILIES[key]
    return build(family.Config, merged(plain(family.Config()), paper(key).config))


def training(key):
    return build(TrainingSettings, merged(plain(TrainingSettings()), paper(key).training))


def networks(key, shape, classes=0, captioned=False):
    spec = DataSpec("image", shape, classes=tuple(map(str, range(classes))), captioned=captioned)
    with torch.device("meta"):
        return FAMILIES[key](config(key), spec, {}).networks()


def millions(module):
    return sum(p.numel() for p in module.parameters()) / 1e6


def test_no_other_preset_claims_to_be_published():
    known = ["conditional_diffusion", "ddpm", "dit", "flow_matching", "image_codec", "iwae", "mmdit", "pixart_alpha"]
    assert [*known, "stable_diffusion", "vae"] == CLAIMED


def test_stable_diffusion_1_5():
    unet = networks("stable_diffusion", (4, 64, 64), captioned=True)["denoiser"].net.unet
    said = unet.config
    assert tuple(said.block_out_channels) == (320, 640, 1280, 1280) and said.layers_per_block == 2
    assert said.cross_attention_dim == 768 and said.norm_num_groups == 32 and said.sample_size == 64
    assert said.down_block_types == ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    attending = [module for name, module in unet.named_modules() if name.endswith(("attn1", "attn2"))]
    assert len(attending) == 32 and {module.heads for module in attending} == {8}
    assert sorted({module.to_q.out_features // module.heads for module in attending}) == [40, 80, 160]
    assert millions(unet) == pytest.approx(859.52, rel=1e-4)
    schedule = config("stable_diffusion").schedule
    assert (schedule.first, schedule.last, schedule.root, schedule.steps) == (0.00085, 0.012, True, 1000)
    assert config("stable_diffusion").prediction == "eps" and training("stable_diffusion").learning_rate == 1e-4
    told = training("stable_diffusion")
    assert (told.batch_size, told.warmup, told.steps) == (2048, 10_000, 595_000)


def test_published_weights_of_stable_diffusion_compute_the_same_as_in_its_own_class():
    """A small U-Net of that config, told 8 heads as the published one is: equal weights give equal answers, other heads not."""
    from diffusers import UNet2DConditionModel

    from models_backend.networks.unet import UNet, attending

    torch.manual_seed(0)
    shape = {"block_out_channels": (32, 64, 128, 128), "layers_per_block": 1, "cross_attention_dim": 24, "norm_num_groups": 8}
    theirs = UNet2DConditionModel(sample_size=16, attention_head_dim=8, **shape).eval()
    x, words, time = torch.randn(1, 4, 16, 16), torch.randn(1, 5, 24), torch.tensor([500])
    answers = []
    for heads in (8, 0):
        ours = attending(UNet(32, [1, 2, 4, 4], 1, [16, 8, 4], 4, 8, heads=heads), 4, 16, 24).eval()
        ours.load_state_dict(theirs.state_dict())
        answers.append(ours(x, time, words).sample)
    wanted = theirs(x, time, words).sample
    assert torch.equal(answers[0], wanted) and not torch.allclose(answers[1], wanted, atol=1e-4)


def test_dit_xl_2():
    net = networks("dit", (4, 32, 32), classes=1000)["denoiser"]
    said = config("dit").network
    assert (said.width, said.depth, said.heads, said.patch) == (1152, 28, 16, 2)
    assert millions(net) == pytest.approx(675, rel=0.01)
    told = training("dit")
    assert (told.learning_rate, told.batch_size, told.warmup, told.ema, told.steps) == (1e-4, 256, 0, 0.9999, 7_000_000)
    schedule = config("dit").schedule
    assert (schedule.first, schedule.last, config("dit").variance) == (1e-4, 0.02, "learned")


def test_pixart_alpha():
    net = networks("pixart_alpha", (4, 32, 32), captioned=True)["denoiser"].transformer
    said = config("pixart_alpha").network
    assert (said.width, said.depth, said.heads, said.patch) == (1152, 28, 16, 2)
    assert millions(net) == pytest.approx(610, rel=0.01)
    told = training("pixart_alpha")
    assert (told.learning_rate, told.optimiser.weight_decay, told.optimiser.eps, told.warmup) == (2e-5, 0.03, 1e-10, 1000)
    assert (told.steps, told.batch_size, told.clip, told.ema) == (150_000, 178 * 64, 0.01, 0.9999)
    schedule = config("pixart_alpha").schedule
    assert (schedule.first, schedule.last, schedule.steps) == (1e-4, 0.02, 1000)


def test_stable_diffusion_3():
    net = networks("mmdit", (16, 128, 128), captioned=True)["velocity"].transformer
    said = config("mmdit").network
    assert (said.width, said.depth, said.heads, said.patch) == (64 * 24, 24, 24, 2)
    assert millions(net) == pytest.approx(2028, rel=0.01)
    told = training("mmdit")
    assert (told.learning_rate, told.batch_size, told.warmup, told.steps) == (1e-4, 4096, 1000, 500_000)
    assert paper("mmdit").sampling["shift"] == 3.0 and told.ema == pytest.approx(0.99**0.01, abs=1e-6)  # .99 every 100 steps


def test_ddpm_on_cifar():
    net = networks("ddpm", (3, 32, 32))["denoiser"].unet
    assert millions(net) == pytest.approx(35.7, rel=0.01)
    assert tuple(net.config.block_out_channels) == (128, 256, 256, 256) and net.config.dropout == 0.1
    attending = [module for module in net.modules() if hasattr(module, "heads")]
    assert len(attending) == 6 and {module.heads for module in attending} == {1}
    told, schedule = training("ddpm"), config("ddpm").schedule
    assert (told.learning_rate, told.batch_size, told.warmup, told.ema, told.steps) == (2e-4, 128, 5000, 0.9999, 800_000)
    assert told.clip == 1.0 and paper("ddpm").sampling["sampler"]["variance"] == "large"  # "fixedlarge"
    assert (schedule.first, schedule.last, schedule.steps, config("ddpm").prediction) == (1e-4, 0.02, 1000, "eps")


def test_guided_diffusion_at_64_px():
    net = networks("conditional_diffusion", (3, 64, 64), classes=1000)["denoiser"].net.unet
    said = net.config
    assert tuple(said.block_out_channels) == (192, 384, 576, 768) and said.layers_per_block == 3
    assert said.resnet_time_scale_shift == "scale_shift" and said.dropout == 0.1 and said.attention_head_dim == 64
    assert millions(net) == pytest.approx(295.9, rel=0.01)
    assert [kind.startswith("Attn") for kind in said.down_block_types] == [False, True, True, True]  # 32, 16 and 8 px
    told = training("conditional_diffusion")
    assert (told.learning_rate, told.batch_size, told.ema, told.warmup) == (3e-4, 2048, 0.9999, 0)
    assert type(config("conditional_diffusion").schedule).__name__ == "Cosine" and told.steps == 400_000


def test_flow_matching_on_cifar():
    net, told = networks("flow_matching", (3, 32, 32))["velocity"].unet, training("flow_matching")
    assert tuple(net.config.block_out_channels) == (256, 512, 512, 512) and net.config.layers_per_block == 2
    assert net.config.attention_head_dim == 64 and net.config.dropout == 0.0
    assert (told.learning_rate, told.batch_size, told.warmup, told.steps) == (5e-4, 256, 45_000, 391_000)


def test_the_codec_of_stable_diffusion():
    codec, said = networks("image_codec", (3, 256, 256))["codec"], config("image_codec").network
    assert millions(codec) == pytest.approx(83.65, rel=0.001)
    assert (said.width, list(said.multipliers), said.blocks, said.channels) == (128, [1, 2, 4, 4], 2, 4)
    told, whole = training("image_codec"), config("image_codec")
    assert told.learning_rate == pytest.approx(4.5e-6 * told.batch_size * told.accumulate)
    assert (told.batch_size, told.accumulate, told.steps) == (12, 2, 246_803)
    assert (told.optimiser.beta1, told.optimiser.beta2) == (0.5, 0.9)
    assert whole.latent.weight * 256 * 256 * 3 == pytest.approx(1e-6)  # there errors are summed over an item, here averaged
    assert whole.adversary.start == pytest.approx(50_001 / 246_803, abs=0.005) and whole.adversary.weight == 0.5


@pytest.mark.parametrize(("key", "hidden", "depth", "latent"), [("vae", 500, 1, 20), ("iwae", 200, 2, 50)])
def test_autoencoders_on_mnist(key, hidden, depth, latent):
    said = config(key)
    for half in (said.encoder, said.decoder):
        assert (half.width, half.depth) == (hidden, depth)
    inner = (depth - 1) * (hidden + 1) * hidden
    weights = 785 * hidden + inner + (hidden + 1) * 2 * latent + (latent + 1) * hidden + inner + (hidden + 1) * 784
    assert training(key).batch_size == {"vae": 100, "iwae": 20}[key] and training(key).learning_rate == 1e-3
    if key == "iwae":
        assert said.draws == 50 and training(key).optimiser.eps == 1e-4
        assert training(key).steps == sum(3**i for i in range(8)) * 60_000 // 20
    assert said.latent == latent and millions(networks(key, (1, 28, 28))["vae"]) * 1e6 == pytest.approx(weights, rel=0.01)


def test_rectified_flow_is_on_a_network_like_ddpm_plus_plus():
    net = networks("rectified_flow", (3, 32, 32))["velocity"].unet
    assert millions(net) == pytest.approx(61.8, rel=0.02) and net.config.layers_per_block == 4
    assert training("rectified_flow").batch_size == 128 and training("rectified_flow").learning_rate == 2e-4


def test_vq_vae_is_trained_as_in_the_paper():
    said, told = config("vq_vae"), training("vq_vae")
    assert (said.codes, said.levels) == (512, 2)
    assert (told.learning_rate, told.batch_size, told.steps) == (2e-4, 128, 250_000)
