"""Prompt weights: how they are written, what they do to embeddings, and that captions of data are not read for them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models_backend.conditions import prompts, text
from models_backend.conditions.values import Conditions
from models_backend.contract.family import Condition, DataSpec, Family
from models_backend.contract.messages import TroubleError
from models_backend.networks.text_encoder import TextEncoder, TextTransformer
from models_backend.training import given


def weights(prompt):
    """(what is read, the weight of each of its characters)."""
    (row,) = prompts.tokens([prompt])
    tokens, weights = text.split(row)
    return text.text(row), weights[1 : (tokens != text.PAD).sum()].round(4).tolist()


@pytest.mark.parametrize(("prompt", "read", "expected"), [
    ("(red:1.4) o", "red o", [1.4] * 3 + [1] * 2),
    ("(a)[b]", "ab", [1.1, 0.9091]),
    ("((a) b:2)", "a b", [2.2, 2, 2]),
    ("[(a: .5 )b]", "ab", [0.4545, 0.9091]),
    ("(\\(a\\):1.5)\\[", "(a)[", [1.5] * 3 + [1]),
    ("(10:30 é)", "10:30 é", [1.1] * 8),
    ("a \\ b: c", "a \\ b: c", [1] * 8),
    ("()", "", []),
])  # fmt: skip
def test_weights_are_read_as_in_common_use(prompt, read, expected):
    assert weights(prompt) == (read, expected)


@pytest.mark.parametrize(("prompt", "place"), [
    ("a (red", "character 3 "), ("red)", "character 4 "), ("(red]", "character 5 "), ("(red:1,4) x", "character 6 "),
    ("(red:11)", "character 6 "), ("[red:0.5]", "character 6 "), ("(red:)", "character 6 "),
])  # fmt: skip
def test_bad_writing_is_named_with_its_place(prompt, place):
    member = Told(None, DataSpec("image", (1, 8, 8), captioned=True))
    with pytest.raises(TroubleError, match=place):
        Conditions(member, {"text": ["red", prompt]})


class Told(Family):
    title = "Told"
    conditions = (Condition("text"),)


def test_captions_of_data_are_plain_text():
    said = ["a (red:1.4) circle", "back\\slash \\(", "[x"]
    assert [prompts.pieces(prompts.escaped(one)) and weights(prompts.escaped(one))[0] for one in said] == said
    spec = DataSpec("image", (1, 8, 8), captioned=True)
    member, split = Told(None, spec), SimpleNamespace(captions=said, labels=np.zeros(3), count=3)
    asked = given.prompts(member, SimpleNamespace(validation=split))
    rows = Conditions(member, asked).batch(0, 3, "cpu")["text"]
    taught = given.Given(member, split).at(np.arange(3), 3, "cpu")["text"]
    assert torch.equal(rows, taught) and torch.equal(rows, torch.from_numpy(text.tokens(said)))


@pytest.mark.parametrize("captioned, asked", [(True, {"text": ["a cat", "a dog"]}), (False, {"class": "#all"})])
def test_previews_ask_for_what_the_run_is_told(captioned, asked):
    class Both(Family):
        title = "Both"
        conditions = (Condition("class"), Condition("text"))

    member = Both(None, DataSpec("image", (1, 8, 8), classes=("cat", "dog"), captioned=captioned))
    split = SimpleNamespace(captions=["a cat", "a dog"], labels=np.arange(2), count=2)
    found = given.prompts(member, SimpleNamespace(validation=split))
    assert found == asked
    Conditions(member, found)


def test_weights_scale_their_tokens_and_leave_the_mean_and_other_prompts_alone():
    torch.manual_seed(0)
    encoder = TextEncoder(TextTransformer(16, 1, 2)).eval()
    torch.nn.init.normal_(encoder.model.final_layer_norm.bias, 0.3)
    rows = torch.from_numpy(prompts.tokens(["a (red:1.5) circle", "a red circle", "blue"]))
    with torch.no_grad():
        plain = encoder(torch.from_numpy(text.tokens(["a red circle", "a red circle", "blue"])))
        said, real, mean = encoder(rows)
    assert torch.equal(said[1:], plain[0][1:]) and torch.equal(mean[1:], plain[2][1:]) and torch.equal(real, plain[1])
    inside = torch.zeros(13, dtype=torch.bool)
    inside[3:6] = True
    moved = said[0] - plain[0][0] * torch.where(inside, 1.5, 1.0)[:, None]
    assert torch.allclose(moved, moved[0, 0].expand_as(moved), atol=1e-5) and moved.abs().max() > 1e-3
    assert torch.allclose(said[0].mean(), plain[0][0].mean(), atol=1e-6) and not torch.allclose(mean[0], plain[2][0], atol=1e-3)
