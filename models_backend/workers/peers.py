"""The plain loops that benches compare with: what a person gets by following diffusers' own examples.

``plain_training``: their unconditional example (fp32, accelerate, AdamW, EMAModel, clipping at 1) as a generator of steps.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """Trains a UNet2DModel on uint8 (N, H, W, C) for ever; yields the loss after each step."""
    from accelerate import Accelerator
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_scheduler
    from diffusers.training_utils import EMAModel

    accelerator = Accelerator(mixed_precision="no")
    schedule = DDPMScheduler(num_train_timesteps=1000)
    average = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    average.to(accelerator.device)
    optimiser = torch.optim.AdamW(unet.parameters(), lr=learning_rate, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
    loader = torch.utils.data.DataLoader(_Pictures(pictures), batch_size=batch_size, shuffle=True, drop_last=True)
    rate = get_scheduler("cosine", optimiser, num_warmup_steps=500, num_training_steps=100_000)
    unet, optimiser, loader, rate = accelerator.prepare(unet, optimiser, loader, rate)
    while True:
        for clean in loader:
            noise = torch.randn_like(clean)
            times = torch.randint(0, 1000, (len(clean),), device=clean.device).long()
            with accelerator.accumulate(unet):
                said = unet(schedule.add_noise(clean, noise, times), times).sample
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


def plain_pipeline(unet: nn.Module) -> Any:
    """diffusers' DDIMPipeline around a UNet2DModel, without its progress bar."""
    from diffusers import DDIMPipeline, DDIMScheduler

    pipeline = DDIMPipeline(unet.eval(), DDIMScheduler(num_train_timesteps=1000))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
