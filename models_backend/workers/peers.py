"""The plain loops that benches compare with: what a person gets by following diffusers' own examples.

``plain_training``: their unconditional example (fp32, accelerate, AdamW, EMAModel, clipping at 1) as a generator of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn


class _Pictures(torch.utils.data.Dataset):
    """Items of (C, H, W) in [-1, 1], one by one, as a data set of pictures hands them out."""

    def __init__(self, pictures: np.ndarray):
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self._pictures[index]).permute(2, 0, 1).float().div(127.5).sub(1.0)


def plain_training(unet: nn.Module, pictures: np.ndarray, batch_size: int, learning_rate: float) -> Iterator[float]:
    """Trains a UNet2DModel, or a DiT on random classes, on uint8 (N, H, W, C) for ever; yields the loss after each step."""
    from accelerate import Accelerator
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_scheduler
    from diffusers.training_utils import EMAModel

    classes = int(unet.config.get("num_embeds_ada_norm") or 0)
    accelerator = Accelerator(mixed_precision="no")
    schedule = DDPMScheduler(num_train_timesteps=1000)
    average = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    average.to(accelerator.device)
    optimiser = torch.optim.AdamW(unet.parameters(), lr=learning_rate, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
    loader = torch.utils.data.DataLoader(_Pictures(pictures), batch_size=batch_size, shuffle=True, drop_last=True)
    rate = get_scheduler("cosine", optimiser, num_warmup_steps=500, num_training_steps=100_000)
    unet, optimiser, loader, rate = accelerator.prepare(unet, optimiser, loader, rate)
    told = classes > 0

    def ask(x: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        return (unet(x, times, torch.randint(0, classes, (len(x),), device=x.device)) if told else unet(x, times)).sample

    while True:
        for clean in loader:
            noise = torch.randn_like(clean)
            times = torch.randint(0, 1000, (len(clean),), device=clean.device).long()
            with accelerator.accumulate(unet):
                said = ask(schedule.add_noise(clean, noise, times), times)
                loss = nn.functional.mse_loss(said.float(), noise.float())
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(unet.parameters(), 1.0)
                optimiser.step()
                rate.step()
                optimiser.zero_grad()
            if accelerator.sync_gradients:
                average.step(unet.parameters())
            yield loss.detach().item()


def plain_sampling(net: nn.Module, count: int, steps: int, guidance: float) -> tuple[str, Callable[[], None]]:
    """The name of diffusers' way to sample that network, and one call of it."""
    if net.config.get("num_embeds_ada_norm"):
        return "DiTPipeline's loop", lambda: plain_dit(net.eval(), count, steps, guidance)
    pipeline = plain_pipeline(net)

    def plain() -> None:
        pipeline(batch_size=count, num_inference_steps=steps, output_type="np", generator=torch.manual_seed(0))

    return "DDIMPipeline", plain


def plain_pipeline(unet: nn.Module) -> Any:
    """diffusers' DDIMPipeline around a UNet2DModel, without its progress bar."""
    from diffusers import DDIMPipeline, DDIMScheduler

    pipeline = DDIMPipeline(unet.eval(), DDIMScheduler(num_train_timesteps=1000))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def plain_dit(net: nn.Module, count: int, steps: int, guidance: float) -> torch.Tensor:
    """What DiTPipeline does between its checks and its decoder: items with and without their class in one batch, fp32, DDIM."""
    from diffusers import DDIMScheduler

    scheduler, side = DDIMScheduler(num_train_timesteps=1000), net.config.sample_size
    scheduler.set_timesteps(steps)
    x = torch.randn(count, net.config.in_channels, side, side, generator=torch.manual_seed(0)).to(net.device)
    null = net.config.num_embeds_ada_norm
    classes = torch.cat([torch.arange(count) % null, torch.full((count,), null)]).to(net.device)
    for time in scheduler.timesteps:
        both = torch.cat([x, x])
        with_it, without = net(both, time.expand(len(both)), classes).sample.chunk(2)
        x = scheduler.step(without + guidance * (with_it - without), time, x).prev_sample
    return x
