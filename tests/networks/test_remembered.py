"""Answers that are remembered: the same as read anew, and never of other weights, captions or arithmetic."""

import copy

import numpy as np
import pytest
import torch

from models_backend.conditions import text
from models_backend.contract.family import DataSpec
from models_backend.networks.conditional import Embedding
from models_backend.networks.text_encoder import TextTransformer
from models_backend.training import ema

SPEC = DataSpec("image", (3, 8, 8), captioned=True)


@pytest.fixture
def embedding():
    torch.manual_seed(0)
    return Embedding(SPEC, ("text",), TextTransformer(width=16, depth=1, heads=2)).eval()


@pytest.fixture
def reads(embedding, monkeypatch):
    """The captions that were really read, in turn."""
    found, plain = [], embedding._read
    monkeypatch.setattr(embedding, "_read", lambda given: found.append(given) or plain(given))
    return found


def said(*captions):
    return {"text": torch.from_numpy(np.ascontiguousarray(text.tokens(captions)))}


@torch.no_grad()
def test_the_same_is_read_once_and_with_and_without_a_condition_twice(embedding, reads):
    for _ in range(3):
        both = embedding(said("red", "blue")), embedding(said("", ""))
    assert len(reads) == 2
    for answer, captions in zip(both, (("red", "blue"), ("", "")), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(answer, embedding._read(said(*captions)), strict=True))


@torch.no_grad()
def test_other_captions_and_other_arithmetic_are_read(embedding, reads):
    full = embedding(said("red"))[0]
    assert not torch.equal(full, embedding(said("tan"))[0])
    with torch.autocast("cpu", torch.bfloat16):
        half = embedding(said("red"))[0]
    assert len(reads) == 3 and not torch.equal(full, half)


def test_the_average_that_is_sampled_from_is_read_anew_after_every_step(embedding):
    average = ema.Average({"net": embedding}, ema.exponential(0.5, False))
    with torch.no_grad():
        before = average.nets["net"](said("red"))[0]
        for parameter in embedding.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        average.update()
        now = average.nets["net"](said("red"))[0]
        assert not torch.equal(before, now) and torch.equal(now, copy.deepcopy(average.nets["net"])(said("red"))[0])


def test_weights_that_move_are_read_anew(embedding, reads):
    with torch.no_grad():
        before = embedding(said("red"))[0]
        torch._foreach_lerp_(list(embedding.parameters()), [torch.ones_like(p) for p in embedding.parameters()], 0.1)
        assert not torch.equal(before, embedding(said("red"))[0])
    optimiser = torch.optim.AdamW(embedding.parameters(), 0.1, fused=True)
    for name in ("optimiser", "loaded"):
        with torch.no_grad():
            before = embedding(said("red"))[0]
        if name == "loaded":
            embedding.load_state_dict({k: v + 1 for k, v in embedding.state_dict().items()})
        else:
            embedding(said("red"))[0].square().sum().backward()
            optimiser.step()
        with torch.no_grad():
            assert not torch.equal(before, embedding(said("red"))[0])


def test_nothing_is_remembered_where_something_is_learned(embedding, reads):
    for _ in range(2):
        embedding(said("red"))[0].sum().backward()
    embedding.train()
    with torch.no_grad():
        embedding(said("red"))
        embedding(said("red"))
    assert len(reads) == 4


def test_a_copy_begins_with_nothing(embedding):
    with torch.inference_mode():
        embedding(said("red"))
    again = copy.deepcopy(embedding)
    with torch.no_grad():
        assert torch.equal(again(said("red"))[0], embedding(said("red"))[0])
