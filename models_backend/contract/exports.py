"""What samples and runs can be written as: the one place that says it for commands, window and writers."""

from __future__ import annotations

import re

#: In bytes: a number and a suffix still go behind it.
LONGEST_NAME = 150
STILLS = ("png", "webp", "gif")
FILMS = ("mp4", "webm")
#: They show what moves where nobody says what of a sample is wanted.
MOVING = (*FILMS, "gif", "apng")
#: Seconds for which the last frame stays where it is held, frames a second, and those that the window offers.
HOLD_S = 1.5
RATE = 12
RATES = (6, 12, 24, 30, 50)
WEIGHTS = ("safetensors",)
#: How files of weights are called, and what can be done with them here.
WEIGHT_FILES = (*(f".{form}" for form in WEIGHTS), ".ckpt", ".pt", ".pth", ".gguf", ".onnx")
WEIGHTS_ADVICE = "a file that was exported here opens its run, others are not loaded: train a model on pictures instead"
#: How weights are loaded again, in Python where the studio is installed.
LOADING = """Weights are read again, as the networks of their family (of one that needs no part), by:

    import json, msgspec, safetensors
    from models_backend.contract.family import DataSpec
    from models_backend.contract.fields import build
    from models_backend.workers.registry import families

    with safetensors.safe_open("model.safetensors", "pt") as file:
        told = json.loads(file.metadata()["settings"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    family = families()[told["family"]]
    model = family(build(family.Config, told["config"]), msgspec.convert(told["spec"], DataSpec))
    nets = model.networks()
    for name, net in nets.items():
        own = {key: tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
        net.load_state_dict({key.removeprefix(f"{name}."): tensor for key, tensor in own.items()})
"""
#: Of points.
NUMBERS = ("csv", "npy")
#: Every format, each once.
FORMATS = tuple(dict.fromkeys((*STILLS, *MOVING, *NUMBERS, *WEIGHTS)))
#: What of a sample is written.
PARTS = ("items", "sheet", "trace", "path", "grid")


def plain(text: str) -> str:
    """A format as it is listed: ".PNG" is png."""
    return text.lower().lstrip(".")


def file_name(title: str) -> str:
    """A title as the name of a file or folder that every system takes; "" where nothing of it is left."""
    safe = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "-", title).encode()[:LONGEST_NAME].decode(errors="ignore")
    return safe.strip(" .")
