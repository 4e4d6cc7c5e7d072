"""Features of a vision model that somebody has trained elsewhere, from a folder on this machine.

Taken are transformers' layout (config.json and safetensors) of whatever model takes pictures, such as CLIP, SigLIP, ViT, DINO
and DINOv2, and a TorchScript file, alone or in a folder, that takes uint8 (N, 3, 299, 299), as the InceptionV3 of the Frechet
Inception distance is handed around. Nothing is downloaded, unpickled or imported from the folder; a TorchScript file is
a program of tensor operations all the same.

Pictures are brought to the model's size whole, by antialiased bicubic interpolation: nothing is cropped away.
"""

from __future__ import annotations

import contextlib
import json
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from models_backend.contract.words import counted

from ..contract.messages import Progress, TroubleError
from ..networks import weights

CHUNK = 64
INCEPTION_PX, UNTOLD_PX = 299, 224
WANTED = "Choose a folder with config.json and model.safetensors of CLIP, DINOv2, SigLIP or ViT, or InceptionV3 as TorchScript"

Encode = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Pretrained:
    """A model in eval mode. ``name`` stands in the names of what is measured by it; ``encode`` takes pictures (N, 3, *size) in
    its own brightness, ``say`` captions, where it knows words that are comparable with pictures."""

    name: str
    encode: Encode
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: torch.device
    say: Callable[[Sequence[str]], torch.Tensor] | None = None
    tell: Callable[[Progress], None] = lambda progress: None

    @torch.no_grad()
    def __call__(self, items: NDArray[np.floating]) -> NDArray[np.float32]:
        """Items (N, 1 or 3, H, W) in [-1, 1] -> features (N, F)."""
        rows = []
        for i in range(0, len(items), CHUNK):
            self.tell(Progress(i, len(items), f"looking at them through {self.name}"))
            rows.append(self.encode(self._prepared(items[i : i + CHUNK])).float().cpu().numpy())
        return np.concatenate(rows)

    @torch.no_grad()
    def words(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Captions -> features (N, F) in the space of the pictures'."""
        parts = [self.say(captions[i : i + CHUNK]).float().cpu().numpy() for i in range(0, len(captions), CHUNK)]
        return np.concatenate(parts)

    def _prepared(self, items: NDArray[np.floating]) -> torch.Tensor:
        x = torch.from_numpy(np.ascontiguousarray(items, np.float32)).clamp(-1, 1) / 2 + 0.5
        x = F.interpolate(x, self.size, mode="bicubic", antialias=True).clamp(0, 1).expand(-1, 3, -1, -1)
        mean, std = (torch.tensor(told)[:, None, None] for told in (self.mean, self.std))
        return ((x - mean) / std).to(self.device)


def opened(path: str, device: torch.device, tell: Callable[[Progress], None] | None = None) -> Pretrained:
    """The model in a folder or TorchScript file, tried on one picture. TroubleError names what is wrong with it."""
    where = Path(path).expanduser()
    if not where.exists():
        raise TroubleError("there is no such folder of features", path, advice=WANTED)
    script = _script(where)
    made = _of_script(script, device, tell) if script else _of_folder(where, device, tell)
    with _read("the model cannot look at a picture", path), torch.no_grad():
        found = made.encode(made._prepared(np.zeros((1, 3, 32, 32), np.float32)))
        shape, finite = tuple(found.shape), bool(found.isfinite().all())
    if len(shape) != 2 or shape[0] != 1 or not finite:
        raise TroubleError(f"the model gives no row of numbers for a picture, but {shape}", path, advice=WANTED)
    return made


def _script(where: Path) -> Path | None:
    """The TorchScript file that is meant; None for a folder in transformers' layout."""
    if where.is_file():
        return where
    if (where / "config.json").is_file():
        return None
    scripts = sorted(where.glob("*.pt"))
    if len(scripts) != 1:
        found = counted(len(scripts), "TorchScript file") if scripts else "no TorchScript file"
        raise TroubleError(f"the folder has no config.json and {found}", str(where), advice=WANTED)
    return scripts[0]


@contextlib.contextmanager
def _read(what: str, item: object, advice: str = WANTED) -> Iterator[None]:
    """Whatever is raised by files that do not hold what they should comes out as TroubleError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, safetensors.SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TroubleError(f"{what}: {reason}", str(item), advice=advice, detail=traceback.format_exc()) from error


# ------------------------------------------------------------------------------------------------ TorchScript


def _of_script(path: Path, device: torch.device, tell: Any) -> Pretrained:
    with _read("this is no TorchScript file", path):
        net = torch.jit.load(str(path), map_location="cpu")
    net = net.to(device).eval()
    # the usual file gives class probabilities unless it is asked for what stands before them
    asked = {"return_features": True} if "return_features" in {a.name for a in net.forward.schema.arguments} else {}
    name = "inception" if path.stem.lower().startswith("inception") else "torchscript"

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        return net((pixels * 255).round().to(torch.uint8), **asked).flatten(1)

    side = (INCEPTION_PX, INCEPTION_PX)
    return Pretrained(name, encode, side, (0.0,) * 3, (1.0,) * 3, device, tell=tell or (lambda progress: None))


# ------------------------------------------------------------------------------------------------ transformers


def _of_folder(where: Path, device: torch.device, tell: Any) -> Pretrained:
    from transformers import AutoConfig  # takes seconds to import

    weights.refuse_other_files(where)
    with _read("its config.json tells of no model that is known", where):
        config = AutoConfig.from_pretrained(str(where), local_files_only=True, trust_remote_code=False)
    if not _takes_pictures(config):
        raise TroubleError(f"a model of kind “{config.model_type}” does not take pictures", str(where), advice=WANTED)
    net, pooled = _loaded(where, config)
    net = net.to(device).eval()
    size, mean, std = _looks(where, config)
    name = re.sub(r"\W|_?vision_model$|_?vision$", "", config.model_type)
    say = _speaker(where, net, device) if config.model_type == "clip" else None
    tell = tell or (lambda progress: None)
    return Pretrained(name, lambda pixels: _features(net, pixels, pooled), size, mean, std, device, say, tell)


def _takes_pictures(config: Any) -> bool:
    from transformers import MODEL_MAPPING

    kind = MODEL_MAPPING.get(type(config), None)
    kind = kind[0] if isinstance(kind, (tuple, list)) else kind
    return kind is not None and (hasattr(kind, "get_image_features") or kind.main_input_name == "pixel_values")


def _loaded(where: Path, config: Any) -> tuple[Any, bool]:
    """The model, and whether its pooler was trained: where the weights lack it, it holds random numbers."""
    import transformers

    architecture = (config.architectures or [""])[0]
    projected = architecture.endswith("VisionModelWithProjection")
    kind = getattr(transformers, architecture, transformers.AutoModel) if projected else transformers.AutoModel
    with _read("its weights cannot be read", where, "Copy the folder again; the weights must be safetensors"):
        net, told = kind.from_pretrained(
            str(where), local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    lacking = sorted(key for key in told["missing_keys"] if "pooler" not in key.split("."))
    if lacking:
        raise TroubleError(
            f"its weights lack {len(lacking)} of its parts, {lacking[0]} for one", str(where), advice="Copy it again"
        )
    return net, not told["missing_keys"]


def _features(net: Any, pixels: torch.Tensor, pooled: bool) -> torch.Tensor:
    """Pictures -> (N, F): what is compared with text, else what is pooled, else the class token."""
    if hasattr(net, "get_image_features"):
        found = net.get_image_features(pixel_values=pixels)
        return getattr(found, "pooler_output", found)
    found = net(pixel_values=pixels)
    for name in ("image_embeds", "pooler_output") if pooled else ("image_embeds",):
        if getattr(found, name, None) is not None:
            return getattr(found, name).flatten(1)
    return found.last_hidden_state[:, 0]


def _speaker(where: Path, net: Any, device: torch.device) -> Callable[[Sequence[str]], torch.Tensor] | None:
    """Captions -> (N, F); None where the folder has no tokenizer or the model no text."""
    if not hasattr(net, "get_text_features") or not any((where / n).is_file() for n in ("tokenizer.json", "vocab.json")):
        return None
    from transformers import AutoTokenizer

    with _read("its tokenizer cannot be read", where, "Copy tokenizer.json again"):
        tokenizer = AutoTokenizer.from_pretrained(str(where), local_files_only=True, trust_remote_code=False)
    longest = net.config.text_config.max_position_embeddings

    def say(captions: Sequence[str]) -> torch.Tensor:
        rows = tokenizer(list(captions), padding=True, truncation=True, max_length=longest, return_tensors="pt").to(device)
        found = net.get_text_features(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"])
        return getattr(found, "pooler_output", found)

    return say


def _looks(where: Path, config: Any) -> tuple[tuple[int, int], tuple[float, ...], tuple[float, ...]]:
    """Size, mean and deviation of the pictures that the model was trained on."""
    own = getattr(getattr(config, "vision_config", config), "image_size", None) or UNTOLD_PX
    with _read("its preprocessor_config.json makes no sense", where, "Copy that file again, or take it away"):
        told = _told(where)
        size = told.get("crop_size") if told.get("do_center_crop", True) else None
        height, width = _pixels(size or told.get("size") or own)
        plain = told.get("do_normalize", True) is False
        mean = (0.0,) * 3 if plain else tuple(float(v) for v in told.get("image_mean") or (0.5,) * 3)
        std = (1.0,) * 3 if plain else tuple(float(v) for v in told.get("image_std") or (0.5,) * 3)
    return (height, width), mean, std


def _told(where: Path) -> dict[str, Any]:
    """What the folder says of how pictures are prepared; {} where it says nothing."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (where / name).is_file():
            told = json.loads((where / name).read_bytes())
            return told.get("image_processor", told)
    return {}


def _pixels(size: Any) -> tuple[int, int]:
    """224, [224, 224], {"shortest_edge": 224} or {"height": 224, "width": 224} as height and width."""
    if isinstance(size, dict):
        size = [size["height"], size["width"]] if "height" in size else size["shortest_edge"]
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    return int(height), int(width)
