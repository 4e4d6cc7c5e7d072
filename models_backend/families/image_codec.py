"""Image codec: the autoencoder of latent diffusion (Rombach et al. 2022, arXiv:2112.10752; Esser et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import torch
from torch import Tensor, nn

from ..codecs import image, usage
from ..codecs.image import ImageCodec, KlCodec, Network, VqCodec
from ..contract.family import Batch, Claim, Family, Loss, Preset, Proof, Sharing
from ..contract.fields import Field
from ..contract.messages import TroubleError
from ..contract.trace import Step
from ..networks.patch_critic import PatchCritic
from ..networks.perceptual import Perceptual, fitting
from ..networks.weights import read_tensors
from ..objectives import adversarial
from ..objectives import variational as elbo
from ..samplers.latent_path import InterpolationPoints, InterpolationSeed, latent_path, origin


class Kl(msgspec.Struct, frozen=True, tag="kl"):
    """Gaussian latents, lightly held near N(0, 1): smooth, and what latent diffusion mostly uses."""

    title: ClassVar[str] = "Gaussian (KL)"
    weight: Annotated[float, Field("Weight of the KL of a whole item, in nats, beside the mean absolute error",
                                   low=0.0, high=1.0, scale="log")] = 1e-6  # fmt: skip


class Vq(msgspec.Struct, frozen=True, tag="vq"):
    """Latents from a codebook: every place is one of so many learned vectors."""

    title: ClassVar[str] = "Codebook (VQ)"
    codes: Annotated[int, Field("Vectors in the codebook", low=2, high=65536, scale="log")] = 512
    commitment: Annotated[float, Field("Weight of the commitment loss", low=0.0, high=10.0)] = 0.25


class NoPerceptual(msgspec.Struct, frozen=True, tag="none"):
    """Pixels only."""

    title: ClassVar[str] = "None"


class Seeded(msgspec.Struct, frozen=True, tag="seeded"):
    """Features of an untrained network with fixed random weights: edges and textures at several sizes."""

    weight: Annotated[float, Field("Weight beside the mean absolute error", low=0.0, high=100.0)] = 0.1
    seed: Annotated[int, Field("Seed of its weights", low=0, high=2**31 - 1)] = 0


class Kept(msgspec.Struct, frozen=True, tag="file"):
    """Features of a trained reader from a file, such as the one that a data set keeps in its cache."""

    title: ClassVar[str] = "Reader from a file"
    weight: Annotated[float, Field("Weight beside the mean absolute error", low=0.0, high=100.0)] = 0.1
    file: Annotated[str, Field("Safetensors file of a reader of pictures of this size", path="file")] = ""


class NoAdversary(msgspec.Struct, frozen=True, tag="none"):
    """No discriminator: quick, and enough for flat pictures."""

    title: ClassVar[str] = "None"


class Patches(msgspec.Struct, frozen=True, tag="patches"):
    """A discriminator of patches with hinge losses, against soft detail; weighed so that it pulls as hard as the error."""

    weight: Annotated[float, Field("Weight on top of the balance", low=0.0, high=10.0)] = 0.5
    start: Annotated[float, Field("Share of the run after which it joins", low=0.0, high=1.0)] = 0.5
    width: Annotated[int, Field("Channels of its first layer", low=8, high=256, step=8)] = 32
    levels: Annotated[int, Field("How often it halves the side: more sees larger patches", low=1, high=5)] = 2


class Config(msgspec.Struct, frozen=True):
    """An autoencoder of pictures."""

    network: Annotated[Network, Field("Encoder and decoder")] = Network()
    latent: Annotated[Kl | Vq, Field("What a latent is")] = Kl()
    perceptual: Annotated[NoPerceptual | Seeded | Kept, Field("Distance as a network sees it, beside that of pixels")] = (
        Seeded()
    )
    adversary: Annotated[NoAdversary | Patches, Field("Discriminator that reconstructions have to pass")] = NoAdversary()


class Sampling(msgspec.Struct, frozen=True):
    """Decoding latents drawn from N(0, 1)."""

    temperature: Annotated[float, Field("Width of the latents that are drawn", low=0.0, high=3.0)] = 1.0
    interpolation_points: InterpolationPoints = 24
    interpolation_seed: InterpolationSeed = 0


TINY = {"width": 8, "multipliers": [1, 2], "groups": 4, "attention": False}


class ImageCodecFamily(Family):
    """Two networks at most: the codec, and the discriminator where there is one. A perceptual network is kept, not trained.

    As a part, ``parts["codec"]``: ``to_latents``, ``from_latents`` and ``latent_shape`` of its family."""

    title = "Image codec"
    glyph = "⇄"
    group = "Parts"
    summary = "Pictures as small latents"
    paper = "Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models, arXiv:2112.10752"
    names = ("KL autoencoder", "AutoencoderKL", "VQGAN", "first stage")
    modalities = ("image",)
    provides = ("image codec",)
    latents = ("z",)
    trace = "path"
    health = ("latent_scale", "codebook_use")
    Config = Config
    Sampling = Sampling
    presets = (
        Preset("tiny", "Tiny",
               {"network": TINY, "perceptual": {"type": "seeded"},
                "adversary": {"type": "patches", "start": 0.0, "width": 8, "levels": 1}},
               {"steps": 60, "batch_size": 16, "learning_rate": 2e-3, "warmup": 5, "ema": 0.9},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {"network": {"width": 16, "multipliers": [1, 2, 4]}},
               {"steps": 3000, "batch_size": 32, "learning_rate": 2e-3, "ema": 0.995},
               note="A quarter of the side, 4 channels; minutes on a laptop"),
        Preset("paper", "As published",
               {"network": {"width": 128, "multipliers": [1, 2, 4, 4], "channels": 4, "blocks": 2, "groups": 32},
                "latent": {"type": "kl", "weight": 1e-6 / (256 * 256 * 3)},  # 1e-6 beside errors that are summed, not averaged
                "perceptual": {"type": "seeded", "weight": 1.0},
                "adversary": {"type": "patches", "width": 64, "levels": 3, "start": 0.2}},
               {"steps": 246_803, "batch_size": 12, "accumulate": 2, "learning_rate": 1.08e-4, "warmup": 0, "ema": 0.0,
                "clip": 0.0, "decay": {"type": "constant"}, "optimiser": {"type": "adamw", "beta1": 0.5, "beta2": 0.9}},
               note="The f = 8 autoencoder of Stable Diffusion (its code, kl-f8), with seeded features for VGG's"),
    )  # fmt: skip
    proofs = (
        Proof("scenes", "scenes:size=32,count=12000,leave_out=1", "small", 12.0, (
            Claim("reconstruction_psnr", ">=", 28.0, "held-out scenes through the latents, PSNR in dB"),
            Claim("reconstruction_accuracy_ratio", ">=", 0.97, "held-out scenes keep shape and colour through the latents"),
            Claim("latent_std_scaled", ">=", 0.95, "spread of held-out latents at the stored scale, from below"),
            Claim("latent_std_scaled", "<=", 1.05, "spread of held-out latents at the stored scale, from above"),
        ), {"perceptual": {"type": "none"}}, {"steps": 5000, "batch_size": 16, "ema": 0.998}),
    )  # fmt: skip

    # as a part of other runs ------------------------------------------------------------------------------
    def to_latents(self, nets: dict[str, Any], x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] -> latents (B, c, h, w) of mean 0 and standard deviation 1, without noise."""
        codec: ImageCodec = nets["codec"]
        return codec.scaled(codec.means(x))

    def from_latents(self, nets: dict[str, Any], z: Tensor) -> Tensor:
        """Such latents -> pictures in [-1, 1]."""
        codec: ImageCodec = nets["codec"]
        return codec.decode(codec.unscaled(z.float())).clamp(-1, 1)

    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one item's latents."""
        return image.latent_shape(self.config.network, self.spec.shape)

    def exported(self, nets: dict[str, Any]) -> nn.Module:
        """diffusers' AutoencoderKL with these weights, the scale folded in (``scaling_factor`` 1). TroubleError for VQ."""
        if not isinstance(nets["codec"], KlCodec):
            raise TroubleError("only a codec with Gaussian latents becomes an AutoencoderKL", self.title,
                               advice="Train the codec with latent kl")  # fmt: skip
        return nets["codec"].exported()

    # networks ---------------------------------------------------------------------------------------------
    def networks(self) -> dict[str, Any]:
        c, shape = self.config, self.spec.shape
        nets: dict[str, Any] = {
            "codec": VqCodec(c.network, shape, c.latent.codes, c.latent.commitment) if isinstance(c.latent, Vq)
            else KlCodec(c.network, shape)
        }  # fmt: skip
        if not isinstance(c.perceptual, NoPerceptual):
            nets["perceptual"] = Perceptual(shape, getattr(c.perceptual, "seed", 0), self._reader())
        if isinstance(c.adversary, Patches):
            nets["discriminator"] = PatchCritic(shape[0], c.adversary.width, c.adversary.levels)
        return nets

    def _reader(self) -> dict[str, Tensor] | None:
        """The weights of the file that is named; None where none is, or it is gone: a checkpoint brings them along."""
        file = Path(getattr(self.config.perceptual, "file", ""))
        return read_tensors(file) if file.is_file() else None

    def problems(self) -> list[str]:
        found = image.problems(self.config.network, self.spec.shape)
        if isinstance(self.config.perceptual, Kept):
            weights = self._reader()
            if weights is None:
                found.append("perceptual.file: there is no such file; choose a reader's weights, or take seeded features")
            elif not fitting(weights, self.spec.shape):
                shown = " x ".join(str(n) for n in self.spec.shape)
                found.append(f"perceptual.file: not a reader of pictures of {shown}; choose another, or take seeded features")
        return found

    def noise_shape(self) -> tuple[int, ...]:
        c, h, w = self.latent_shape()
        return (c * h * w,)

    def sharing(self, network: str) -> Sharing:
        """The discriminator forgets quickly, as adversaries do (Esser et al. 2021)."""
        return Sharing(1.0, (0.5, 0.9)) if network == "discriminator" else Sharing()

    # training ---------------------------------------------------------------------------------------------
    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        made, penalty, figures = self._coded(nets["codec"], batch)
        error = (made - batch.x).abs().mean()
        figures["l1"] = error.detach()
        if "perceptual" in nets:
            apart = nets["perceptual"](made, batch.x).float().mean()
            figures["perceptual"] = apart.detach()
            error = error + self.config.perceptual.weight * apart
        judged = self.objective(batch.progress)
        against = self._against(nets, made, error, figures) if judged else 0.0
        yield Loss("codec", error + penalty + against, figures)
        if judged:
            yield self._judged(nets["discriminator"], batch.x, made.detach())

    def objective(self, progress: float) -> bool:
        """Whether the discriminator takes part."""
        return isinstance(self.config.adversary, Patches) and progress >= self.config.adversary.start

    def _coded(self, codec: ImageCodec, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """(reconstructions, what the latents cost, figures); the codec hears how wide its latents are."""
        if isinstance(codec, VqCodec):
            raw = codec.means(batch.x)
            codes, penalty, index = codec.quantised(raw)
            made, figures = (
                codec.decoded(codes),
                {"perplexity": usage.perplexity(usage.shares(index, self.config.latent.codes))},
            )
        else:
            raw, logvar = codec.posterior(batch.x)
            made = codec.decode(elbo.reparameterised(raw, logvar, batch.generator))
            kl = elbo.gaussian_kl(raw, logvar).flatten(1).sum(1).mean()
            penalty, figures = self.config.latent.weight * kl, {"kl": kl.detach()}
        if codec.training and torch.is_grad_enabled():
            codec.observe(raw)
        return made, penalty, figures | {"latent_std": codec.std.mean()}

    def _against(self, nets: dict[str, Any], made: Tensor, error: Tensor, figures: dict[str, Any]) -> Tensor:
        """The discriminator's word on reconstructions, weighed against the error by their pulls on the last layer."""
        against = adversarial.hinge_generator_loss(nets["discriminator"](made).float())
        last = nets["codec"].body.decoder.conv_out.weight
        weight = adversarial.balance(error, against, last) if torch.is_grad_enabled() else 1.0
        figures["adversary_weight"] = weight
        return self.config.adversary.weight * weight * against

    def _judged(self, judge: nn.Module, x: Tensor, made: Tensor) -> Loss:
        real, fake = judge(x).float(), judge(made).float()
        figures = {"d_accuracy": adversarial.accuracy(real.detach(), fake.detach())}
        return Loss("discriminator", adversarial.hinge_discriminator_loss(real, fake), figures)

    # making and looking -----------------------------------------------------------------------------------
    def sample(self, nets: dict[str, Any], noise: Tensor, conditions: dict[str, Any], sampling: Sampling,
               on_step: Callable[[Step], None], generator: Any, start: float | None = None) -> Tensor:  # fmt: skip
        """Decoded noise: what the latents' own width says nothing of. A recorded item is encoded, and leads to a fresh draw."""
        if start is None:
            first, last = origin(sampling.interpolation_seed, noise)[None].expand_as(noise), noise
        else:
            first = self.encode(nets, noise)
            last = torch.randn(first.shape, generator=generator, device=first.device)
        return latent_path(lambda z: self.decode(nets, z, sampling), first, sampling.temperature * last,
                           sampling.interpolation_points, on_step)  # fmt: skip

    def encode(self, nets: dict[str, Any], x: Tensor) -> Tensor:
        return self.to_latents(nets, x).flatten(1)

    def decode(self, nets: dict[str, Any], z: Tensor, sampling: Sampling) -> Tensor:
        return self.from_latents(nets, z.unflatten(1, self.latent_shape()))

    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        """How wide held-out latents are at the stored scale (1 where it is right), and how codes are used."""
        codec: ImageCodec = nets["codec"]
        raw = codec.means(x)
        z = codec.scaled(raw)
        found = {"latent_std_scaled": z.std().item(), "latent_mean_scaled": z.mean().item(),
                 "latent_std_per_channel": z.std((0, 2, 3), correction=0).tolist(),
                 "latent_scale": 1.0 / codec.std.mean().item()}  # fmt: skip
        if isinstance(codec, VqCodec):
            found |= usage.figures(codec.quantised(raw)[2], self.config.latent.codes)
        return found
