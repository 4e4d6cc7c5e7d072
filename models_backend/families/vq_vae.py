"""VQ-VAE (van den Oord, Vinyals & Kavukcuoglu 2017, arXiv:1711.00937) with a transformer as its prior over codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from ..codecs import usage
from ..codecs.codebook import Codebook, straight_through
from ..contract.family import Batch, Claim, Family, Loss, Preset, Proof, Sharing
from ..contract.fields import Field
from ..contract.trace import Step
from ..networks.causal import CausalTransformer, Transformer
from ..networks.grids import GridAutoencoder, grid_sizes
from ..samplers import tokens
from ..samplers.latent_path import Shown

#: Whole numbers up to here are exact in the half precision of recorded traces.
EXACT = 2048


class Config(msgspec.Struct, frozen=True):
    """An autoencoder through a codebook, and a prior that writes its codes."""

    codes: Annotated[int, Field("Vectors in the codebook", low=2, high=65536, scale="log")] = 128
    code_width: Annotated[int, Field("Dimensions of a code vector", low=1, high=1024)] = 16
    levels: Annotated[int, Field("How often the side is halved: each makes the map of codes a quarter as large",
                                 low=1, high=6)] = 2  # fmt: skip
    width: Annotated[int, Field("Channels at full size; they double with every halving", low=4, high=512, step=4)] = 32
    depth: Annotated[int, Field("Residual blocks on the map of codes", low=0, high=8)] = 2
    commitment: Annotated[float, Field("Weight of the commitment loss", low=0.0, high=10.0)] = 0.25
    decay: Annotated[float, Field("EMA decay of the codebook", low=0.0, high=0.9999)] = 0.99
    revive: Annotated[float, Field("A code chosen less often than this share of an even one is put where the data are; "
                                   "0 never", low=0.0, high=1.0)] = 0.2  # fmt: skip
    prior: Annotated[Transformer, Field("Autoregressive prior over the codes")] = Transformer()
    drawn_codes: Annotated[
        float, Field("Temperature at which the prior's codes are drawn by their distance, in mean squared distances to the "
                     "nearest; 0 takes the nearest. Against learning a small data set by heart (Lee et al. 2022)",
                     low=0.0, high=10.0)
    ] = 0.0  # fmt: skip
    codec_share: Annotated[float, Field("Share of the run in which the codec learns; then it stands still and the prior "
                                        "learns its codes", low=0.0, high=1.0)] = 0.4  # fmt: skip


class Sampling(msgspec.Struct, frozen=True):
    """Writing codes one after another, then decoding them."""

    temperature: Annotated[float, Field("Width of what is drawn from; less is safer and less varied, 0 takes the likeliest",
                                        low=0.0, high=3.0)] = 1.0  # fmt: skip
    top_p: Annotated[float, Field("Keep the likeliest codes that together have this probability", low=0.01, high=1.0)] = 1.0


class VQVAE(Family):
    """Three modules: the autoencoder, the codebook (buffers that follow the data), and the prior over its codes.

    First the codec learns, then it stands still and the prior learns what it writes, as in the paper's two stages."""

    title = "VQ-VAE"
    glyph = "#"
    group = "Autoencoders"
    summary = "A codebook and its prior"
    paper = "van den Oord et al. 2017, Neural Discrete Representation Learning, arXiv:1711.00937"
    names = ("VQVAE", "vector quantisation")
    modalities = ("image",)
    latents = ("z",)
    trace = "autoregressive"
    health = ("codebook_use",)
    Config = Config
    Sampling = Sampling
    presets = (
        Preset("tiny", "Tiny",
               {"codes": 16, "code_width": 4, "levels": 1, "width": 8, "depth": 1, "codec_share": 0.2,
                "prior": {"width": 16, "layers": 1, "heads": 2}},
               {"steps": 60, "batch_size": 16, "learning_rate": 2e-3, "warmup": 5, "ema": 0.9},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {},
               {"steps": 6000, "batch_size": 64, "learning_rate": 2e-3, "ema": 0.995, "preview_every": 500},
               note="Minutes on a laptop"),
        Preset("paper", "After the paper",
               {"codes": 512, "code_width": 64, "levels": 2, "width": 64, "depth": 2,
                "prior": {"width": 512, "layers": 12, "heads": 8}},
               {"steps": 250_000, "batch_size": 128, "learning_rate": 2e-4, "warmup": 0, "clip": 0.0, "ema": 0.0,
                "decay": {"type": "constant"}},
               note="Section 4.1: 256 channels, 512 codes, a quarter of the side; a transformer for the PixelCNN prior"),
    )  # fmt: skip
    proofs = (
        Proof("digits", "digits", "small", 8.0, (
            Claim("codes_used", ">=", 0.6, "share of the codes that held-out digits use"),
            Claim("health_codebook_use", "<=", 0, "the health monitor finds the codebook in use"),
            Claim("reconstruction_accuracy_ratio", ">=", 0.9, "held-out digits still read as themselves through the codes"),
            Claim("sure_ratio", ">=", 0.85, "items of which the reader is sure, over real ones"),
            Claim("least_class", ">=", 0.03, "rarest class among them"),
            Claim("near_copies", "<=", 0.04, "near-copies of training items (.023 for real ones through the codec)"),
        ), {"codes": 64, "levels": 1, "width": 32, "codec_share": 0.25, "drawn_codes": 0.6,
            "prior": {"width": 96, "layers": 3, "dropout": 0.25}},
            {"steps": 4000}, {"temperature": 0.85}),
    )  # fmt: skip

    # networks ---------------------------------------------------------------------------------------------
    def networks(self) -> dict[str, Any]:
        c = self.config
        return {
            "codec": GridAutoencoder(self.spec.shape, c.code_width, c.width, c.levels, c.depth),
            "codebook": Codebook(c.codes, c.code_width, c.decay, c.revive),
            "prior": CausalTransformer(c.prior, c.codes, self.length),
        }

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a map of codes."""
        return grid_sizes(self.spec.shape, self.config.levels)[-1]

    @property
    def length(self) -> int:
        """Codes of one item."""
        return self.grid[0] * self.grid[1]

    def noise_shape(self) -> tuple[int, ...]:
        return (self.length,)

    def problems(self) -> list[str]:
        if min(self.grid) >= 2:
            return []
        return [f"levels: {self.config.levels} leave a map of {self.grid[0]} x {self.grid[1]} codes; take fewer"]

    def sharing(self, network: str) -> Sharing:
        """The prior forgets squared slopes sooner, as transformers over tokens do well with."""
        return Sharing(1.0, (0.9, 0.95)) if network == "prior" else Sharing()

    # codes ------------------------------------------------------------------------------------------------
    def to_codes(self, nets: dict[str, Any], x: Tensor) -> Tensor:
        """Pictures -> code indices (B, length) in reading order."""
        z = nets["codec"].encode(x)
        return nets["codebook"].nearest(_rows(z)).view(len(x), -1)

    def from_vectors(self, nets: dict[str, Any], vectors: Tensor) -> Tensor:
        """Vectors (B, length, D) in reading order -> pictures in [-1, 1]."""
        return nets["codec"].decode(vectors.transpose(1, 2).unflatten(2, self.grid)).clamp(-1, 1)

    # training ---------------------------------------------------------------------------------------------
    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        if self.objective(batch.progress) == "codec":
            yield self.codec_loss(nets, batch)
        else:
            yield self.prior_loss(nets, batch)

    def objective(self, progress: float) -> str:
        return "codec" if progress < self.config.codec_share else "prior"

    def codec_loss(self, nets: dict[str, Any], batch: Batch) -> Loss:
        """Reconstruction and commitment; the codebook's own term is what its running means solve."""
        codec, book = nets["codec"], nets["codebook"]
        z = codec.encode(batch.x)
        rows = _rows(z)
        if codec.training and torch.is_grad_enabled():
            book.learn(rows.detach(), batch.generator)
        index = book.nearest(rows)
        codes = _map_like(book(index), z)
        error = (codec.decode(straight_through(z, codes)) - batch.x).square().mean()
        commitment = (z - codes).square().mean()
        figures = {"mse": error.detach(), "commitment": commitment.detach(),
                   "perplexity": usage.perplexity(usage.shares(index, book.size))}  # fmt: skip
        # van den Oord et al. 2017, eq. 3
        return Loss("codec", error + self.config.commitment * commitment, figures)

    def prior_loss(self, nets: dict[str, Any], batch: Batch) -> Loss:
        """Nats of a code given those before it; where codes are drawn, against all that it could have been."""
        temperature = self.config.drawn_codes if torch.is_grad_enabled() else 0.0
        with torch.no_grad():
            if temperature:
                rows = _rows(nets["codec"].encode(batch.x))
                likely = nets["codebook"].likely(rows, temperature)
                index = torch.multinomial(likely, 1, generator=batch.generator).view(len(batch.x), -1)
                target = likely
            else:
                index = self.to_codes(nets, batch.x)
                target = index.flatten()
        return Loss("prior", F.cross_entropy(nets["prior"](index).flatten(0, 1), target))

    # making and looking -----------------------------------------------------------------------------------
    def sample(self, nets: dict[str, Any], noise: Tensor, conditions: dict[str, Any], sampling: Sampling,
               on_step: Callable[[Step], None], generator: Any, start: float | None = None) -> Tensor:  # fmt: skip
        """Codes one after another, each by the noise of its place. With ``start``, that share of the codes of ``noise`` (a
        state of codes (B, length), or items) stays."""
        known, u = torch.empty((len(noise), 0), dtype=torch.long, device=noise.device), tokens.uniform(noise)
        if start is not None:
            codes = noise.long() if noise.ndim == 2 else self.to_codes(nets, noise)
            known = codes[:, : round(start * self.length)]
            u = torch.rand((len(noise), self.length), generator=generator, device=noise.device, dtype=torch.float64)
        first, index = known.shape[1], known
        for place, index in self._written(nets["prior"], known, u, sampling):
            if place < self.length:
                on_step(self._step(index, first, Shown(x=lambda so_far=index: self._shown(nets, so_far))))
        items = self._shown(nets, index)
        on_step(self._step(index, first, {"x": items}))
        return items

    @torch.no_grad()
    def _written(self, prior: CausalTransformer, index: Tensor, u: Tensor, sampling: Sampling) -> Iterator[tuple[int, Tensor]]:
        """(place, the codes so far) before each place and at the end; full precision, so that few ties turn."""
        cache, seen = prior.fresh(), 0
        yield index.shape[1], index
        previous = torch.cat([prior.start(len(index)), index], 1)
        for place in range(index.shape[1], self.length):
            with torch.autocast(u.device.type, enabled=False):
                logits = prior.advance(previous[:, seen:], cache, seen)[:, -1]
            seen = previous.shape[1]
            chosen = tokens.pick(logits, u[:, place], sampling.temperature, sampling.top_p)
            index, previous = torch.cat([index, chosen[:, None]], 1), torch.cat([previous, chosen[:, None]], 1)
            yield place + 1, index

    def _step(self, index: Tensor, first: int, channels: Any) -> Step:
        """The codes so far (B, place) as a step; they are its state where the half precision of a recording holds them."""
        place = index.shape[1]
        state = F.pad(index, (0, self.length - place), value=-1).float() if self.config.codes <= EXACT else None
        return Step(place - first, self.length - first, place / self.length, 0.0, channels, state)

    def _shown(self, nets: dict[str, Any], index: Tensor) -> Tensor:
        """What the codes so far decode to; the mean of all codes where none is written yet."""
        book = nets["codebook"]
        blank = book.vectors.mean(0).expand(len(index), self.length - index.shape[1], -1)
        return self.from_vectors(nets, torch.cat([book(index), blank], 1))

    def encode(self, nets: dict[str, Any], x: Tensor) -> Tensor:
        """The vectors of an item's codes, (B, length * D)."""
        return nets["codebook"](self.to_codes(nets, x)).flatten(1)

    def decode(self, nets: dict[str, Any], z: Tensor, sampling: Sampling) -> Tensor:
        """Decoded nearest codes of any vectors."""
        book = nets["codebook"]
        index = book.nearest(z.reshape(-1, self.config.code_width)).view(len(z), -1)
        return self.from_vectors(nets, book(index))

    def diagnostics(self, nets: dict[str, Any], x: Tensor, generator: Any) -> dict[str, Any]:
        """How held-out items use the codes, and the nats that the prior needs for one of them."""
        index = self.to_codes(nets, x)
        nats = F.cross_entropy(nets["prior"](index).flatten(0, 1), index.flatten()).item()
        shares = usage.shares(index, self.config.codes).sort(descending=True).values
        return usage.figures(index, self.config.codes) | {
            "prior_nats": nats, "bits_per_item": nats * self.length / 0.6931471805599453, "code_shares": shares.tolist()
        }  # fmt: skip


def _rows(z: Tensor) -> Tensor:
    """Maps (B, D, h, w) -> vectors (B h w, D) in reading order."""
    return z.movedim(1, -1).flatten(0, 2)


def _map_like(rows: Tensor, z: Tensor) -> Tensor:
    """Such vectors -> maps again."""
    return rows.view(z.shape[0], *z.shape[2:], -1).movedim(-1, 1)
