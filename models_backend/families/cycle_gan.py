"""CycleGAN: translation between two kinds of pictures without pairs (Zhu et al. 2017, arXiv:1703.10593)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import torch
from torch import Tensor

from ..contract.family import Batch, Claim, Condition, Family, Loss, Preset, Proof, Sharing
from ..contract.fields import Field
from ..contract.trace import Step
from ..networks.patch_critic import PatchCritic
from ..networks.translation import History, ResnetGenerator
from ..objectives import adversarial
from ..objectives.adversarial import LeastSquares
from ..samplers.latent_path import Shown

GAME = LeastSquares()


class Config(msgspec.Struct, frozen=True):
    """Two generators, one each way, and a judge of patches for each kind."""

    width: Annotated[int, Field("Channels of the generators at full size", low=4, high=128)] = 24
    blocks: Annotated[int, Field("Residual blocks", low=1, high=12)] = 3
    halvings: Annotated[int, Field("How often a generator halves the sides", low=0, high=3)] = 1
    judge_width: Annotated[
        int, Field("Channels of the discriminators' first layer", title="Discriminator width", low=4, high=128)
    ] = 24
    judge_levels: Annotated[
        int,
        Field(
            "How often a discriminator halves the side: the size of its patches", title="Discriminator levels", low=1, high=4
        ),
    ] = 2
    cycle: Annotated[float, Field("Weight of the cycle-consistency loss", low=0.0, high=100.0)] = 10.0
    identity: Annotated[float, Field("Weight of the identity loss", low=0.0, high=100.0)] = 5.0
    history: Annotated[int, Field("Size of the history buffer of generated pictures", low=0, high=1000)] = 50


class Sampling(msgspec.Struct, frozen=True):
    """One pass of one generator."""

    direction: Annotated[Literal["a_to_b", "b_to_a"],
                         Field("From the first class to the second or back, if no class is asked")] = "a_to_b"  # fmt: skip


LINEAR = {"warmup": 0, "clip": 0.0, "decay": {"type": "linear", "final": 0.0}}


class CycleGAN(Family):
    """Each step: the generator there, the generator back, then both judges on pictures partly of the past."""

    title = "CycleGAN"
    glyph = "⟲"
    group = "Adversarial"
    summary = "Translates without pairs"
    paper = "Zhu et al. 2017, Unpaired Image-to-Image Translation, arXiv:1703.10593"
    names = ("unpaired translation", "style transfer")
    classes_needed = (2, 2)
    made_for = "image"
    modalities = ("image",)
    conditions = (
        Condition("class", help="The kind that the picture is turned into"),
        Condition("image", help="The picture that is translated"),
    )
    trace = "path"
    health = ("cycle_error",)
    Config = Config
    Sampling = Sampling
    presets = (
        Preset("tiny", "Tiny", {"width": 8, "blocks": 1, "judge_width": 8, "judge_levels": 1, "history": 8},
               {"steps": 40, "batch_size": 8, "learning_rate": 1e-3, "ema": 0.9, **LINEAR},
               note="Seconds on a CPU: to see that everything works"),
        Preset("small", "Small", {}, {"steps": 2500, "batch_size": 16, "learning_rate": 5e-4, "ema": 0.99, **LINEAR},
               note="Minutes on a laptop"),
        Preset("paper", "After the paper",
               {"width": 64, "blocks": 9, "halvings": 2, "judge_width": 64, "judge_levels": 3},
               {"steps": 200_000, "batch_size": 2, "learning_rate": 2e-4, "ema": 0.0, **LINEAR},
               note="Nine blocks, a batch of one of each kind; a smaller judge of patches than its"),
    )  # fmt: skip
    proofs = (
        Proof("outlines", "shapes:size=16,style=filled_outlined", "small", 12.0, (
            Claim("content_kept", ">=", 0.9, "colour, shape and place (within 2 px) kept"),
            Claim("domain_switched", ">=", 0.95, "pictures that are read as the other kind"),
            Claim("cycle_psnr", ">=", 22, "PSNR in dB, there and back"),
            Claim("health_cycle_error", "<=", 0, "the error of coming back falls below a third of its start"),
        ), count=400),
    )  # fmt: skip

    def networks(self) -> dict[str, Any]:
        c, shape = self.config, self.spec.shape
        return {
            "a_to_b": ResnetGenerator(shape[0], c.width, c.blocks, c.halvings),
            "b_to_a": ResnetGenerator(shape[0], c.width, c.blocks, c.halvings),
            "judge_a": PatchCritic(shape[0], c.judge_width, c.judge_levels),
            "judge_b": PatchCritic(shape[0], c.judge_width, c.judge_levels),
            "history_a": History(shape, c.history), "history_b": History(shape, c.history),
        }  # fmt: skip

    def sharing(self, network: str) -> Sharing:
        return Sharing(betas=(0.5, 0.999))

    def problems(self) -> list[str]:
        found, multiple = [], 2**self.config.halvings
        if len(self.spec.classes) != 2:
            found.append(f"it needs exactly two classes, the two kinds of pictures; these data have {len(self.spec.classes)}: "
                         "put each kind into a folder of its own")  # fmt: skip
        sides = self.spec.shape[-2:]
        if any(side % multiple for side in sides):
            found.append(
                f"sides of {sides[0]} x {sides[1]} are no multiples of {multiple}; choose such a size or fewer halvings"
            )
        elif min(sides) // multiple < 2 or min(sides) < 4:
            found.append(f"sides of {sides[0]} x {sides[1]} are too small; choose larger pictures or fewer halvings")
        return found

    def losses(self, nets: dict[str, Any], batch: Batch) -> Iterator[Loss]:
        a, b = self.halves(batch)
        if not len(a):
            return
        yield self._generator(nets, "a_to_b", "b_to_a", "judge_b", a, b)
        yield self._generator(nets, "b_to_a", "a_to_b", "judge_a", b, a)
        with torch.no_grad():
            made = {"a": nets["b_to_a"](b).float(), "b": nets["a_to_b"](a).float()}
        for kind, real in (("a", a), ("b", b)):
            yield self._judge(nets, kind, real, made[kind], batch)

    def halves(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The items of each kind in a batch, cut to the same count; unlabelled ones belong to none."""
        label = batch.conditions["class"]
        a, b = batch.x[label == 0], batch.x[label == 1]
        count = min(len(a), len(b))
        return a[:count], b[:count]

    def _generator(self, nets: dict[str, Any], there: str, back: str, judge: str, start: Tensor, goal: Tensor) -> Loss:
        """Equations 1 to 3 and 5.2 of the paper, as far as the generator ``there`` is concerned."""
        with torch.no_grad():
            other = nets[back](goal)
        made = nets[there](start)
        fooling = 2.0 * adversarial.generator_loss(nets[judge](made).float(), GAME)  # the paper's square has no half
        first, second = _away(nets[back](made), start), _away(nets[there](other), goal)
        kept = _away(nets[there](goal), goal) if self.config.identity else fooling.new_zeros(())
        value = fooling + self.config.cycle * (first + second) + self.config.identity * kept
        figures = {f"fooling/{there}": fooling.detach(), f"identity/{there}": kept.detach()}
        return Loss(there, value, figures | {f"cycle/{there}": first.detach()})

    def _judge(self, nets: dict[str, Any], kind: str, real: Tensor, made: Tensor, batch: Batch) -> Loss:
        judge = nets["judge_" + kind]
        if torch.is_grad_enabled():  # validation only looks
            made = nets["history_" + kind].exchange(made, batch.generator)
        scores = judge(real).float(), judge(made).float()
        right = adversarial.accuracy(*scores, middle=adversarial.middle(GAME))
        value = adversarial.discriminator_loss(
            *scores, game=GAME
        )  # the squares' half is that of section 4: judges learn slower
        return Loss("judge_" + kind, value, {f"accuracy/{kind}": right.detach()})

    def sample(self, nets: dict[str, Any], noise: Tensor, conditions: dict[str, Any], sampling: Sampling, on_step: Any,
               generator: Any, start: float | None = None) -> Tensor:  # fmt: skip
        """Translates conditions["image"] (noise where no picture is given). Told: the picture, how it comes back, and last,
        as of every family, what was made."""
        x = conditions.get("image")
        x = noise.clamp(-1, 1) if x is None or not x.numel() else torch.where(x.isnan(), noise.clamp(-1, 1), x)
        label = conditions.get("class", torch.full((len(x),), 2, device=x.device))
        to_b = torch.where(label > 1, sampling.direction == "a_to_b", label == 1)
        on_step(Step(0, 2, 0.0, 0.0, {"x": x}))
        on_step(Step(1, 2, 0.5, 0.0, Shown(x=lambda: self.turned(nets, self.turned(nets, x, to_b), ~to_b))))
        made = self.turned(nets, x, to_b)
        on_step(Step(2, 2, 1.0, 0.0, {"x": made}))
        return made

    def turned(self, nets: dict[str, Any], x: Tensor, to_b: Tensor) -> Tensor:
        """x (B, C, H, W), those of ``to_b`` (B,) by the generator to B, the others by that to A."""
        made = torch.empty_like(x)
        for network, chosen in (("a_to_b", to_b), ("b_to_a", ~to_b)):
            if chosen.any():
                made[chosen] = nets[network](x[chosen]).to(made.dtype)
        return made


def _away(x: Tensor, y: Tensor) -> Tensor:
    return (x.float() - y).abs().mean()
