"""Guidance: its end points, its line, the interval, the rescaling, and what stands for nothing asked."""

from __future__ import annotations

import pytest
import torch

from models_backend.conditions import text
from models_backend.samplers.guidance import Guidance, guided, null_of

X = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
GIVEN, NULL = {"class": torch.arange(5)}, {"class": torch.full((5,), 9)}


def said(x, given):
    return x * 0.1 + given["class"].view(-1, 1, 1, 1)


def test_scales_zero_and_one_are_what_is_said_without_and_with_the_condition():
    assert torch.equal(guided(said, X, GIVEN, NULL, 0.0), said(X, NULL))
    assert torch.equal(guided(said, X, GIVEN, NULL, 1.0), said(X, GIVEN))


@pytest.mark.parametrize("scale", [0.5, 2.0, 7.5])
def test_every_scale_lies_on_the_line_through_both(scale):
    wanted = said(X, NULL) + scale * (said(X, GIVEN) - said(X, NULL))
    assert torch.allclose(guided(said, X, GIVEN, NULL, scale), wanted, atol=1e-5)


def test_plain_scales_take_one_pass_and_others_one_of_twice_the_items():
    passes = []

    def counting(x, given):
        passes.append(len(x))
        return said(x, given)

    for scale in (0.0, 1.0, 3.0):
        guided(counting, X, GIVEN, NULL, scale)
    assert passes == [5, 5, 10]


def test_outside_of_its_interval_the_condition_is_followed_as_learned():
    how = Guidance(begin=0.2, end=0.8)
    for passed, pushed in ((0.1, False), (0.5, True), (0.9, False)):
        got = guided(said, X, GIVEN, NULL, 4.0, how, passed)
        assert torch.equal(got, said(X, GIVEN)) is not pushed


def test_whole_rescaling_brings_back_the_spread_of_each_item():
    got = guided(said, X, GIVEN, NULL, 6.0, Guidance(rescale=1.0))
    assert torch.allclose(got.std((1, 2, 3)), said(X, GIVEN).std((1, 2, 3)), rtol=1e-4)


def test_captions_of_two_lengths_go_through_one_pass():
    short, long = torch.from_numpy(text.tokens(["a"] * 5)), torch.from_numpy(text.tokens(["a long one"] * 5))
    seen = []
    guided(lambda x, given: seen.append(given["text"]) or x, X, {"text": short}, {"text": long}, 2.0)
    assert seen[0].shape == (10, 11) and text.text(seen[0][0].numpy()) == "a" and text.text(seen[0][7].numpy()) == "a long one"


def test_nothing_asked_is_the_row_after_the_last_class_and_a_caption_of_no_bytes():
    made = null_of({"class": torch.tensor([1, 2]), "text": torch.from_numpy(text.tokens(["one", "three"]))}, 10)
    assert made["class"].tolist() == [10, 10]
    assert [text.text(row) for row in made["text"].numpy()] == ["", ""] and made["text"][:, 0].tolist() == [text.BEGIN] * 2
    against = {"text": torch.from_numpy(text.tokens(["blue"]))}
    assert [text.text(row) for row in null_of({"text": made["text"]}, 10, against)["text"].numpy()] == ["blue", "blue"]
