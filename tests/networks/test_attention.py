"""Attention by plain products or the fused kernel: the same figures, whichever the number of tokens asks for."""

import pytest
import torch
from diffusers import UNet2DModel
from diffusers.models.attention_processor import Attention, JointAttnProcessor2_0

from models_backend.networks import at_hand, attention


def layer(channels=32):
    torch.manual_seed(0)
    return Attention(channels, heads=2, dim_head=16, norm_num_groups=8, residual_connection=True, bias=True,
                     upcast_softmax=True, _from_deprecated_attn_block=True)  # fmt: skip


@pytest.fixture(params=[0, 1], ids=["fused", "plain"], autouse=True)
def way(request, monkeypatch):
    monkeypatch.setattr(at_hand, "taken", lambda key, measure: request.param)


@pytest.mark.parametrize("side", [4, 12])
def test_both_ways_give_the_same_values_and_gradients(side):
    made, chosen = layer(), layer()
    assert attention.apply_to(chosen) == 1
    x = torch.randn(2, 32, side, side)
    outs = []
    for net in (made, chosen):
        given = x.clone().requires_grad_()
        out = net(given)
        out.square().mean().backward()
        outs.append((out.detach(), given.grad, net.to_q.weight.grad))
    for one, other in zip(*outs, strict=True):
        assert torch.allclose(one, other, atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize(("bias", "norm"), [(True, None), (False, None), (True, "layer_norm")])
def test_a_transformers_attention_gives_the_same_values_and_gradients(bias, norm):
    outs = []
    for change in (False, True):
        torch.manual_seed(0)
        net = Attention(32, heads=2, dim_head=16, bias=bias, qk_norm=norm)
        assert not change or attention.apply_to(net) == 1
        x = torch.randn(3, 24, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out = net(x)
        out.square().mean().backward()
        outs.append((out.detach(), x.grad, net.to_q.weight.grad, net.to_k.weight.grad, net.to_v.weight.grad))
        if bias:
            outs[-1] += (net.to_v.bias.grad,)
    for one, two in zip(*outs, strict=True):
        assert torch.allclose(one, two, atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize(("words", "norm", "last"), [(9, "rms_norm", False), (9, None, True), (200, "rms_norm", False)])
def test_two_streams_give_the_same_values_and_gradients(words, norm, last):
    outs = []
    for change in (False, True):
        torch.manual_seed(0)
        net = Attention(32, added_kv_proj_dim=32, heads=2, dim_head=16, out_dim=32, context_pre_only=last, bias=True,
                        processor=JointAttnProcessor2_0(), qk_norm=norm)  # fmt: skip
        assert not change or attention.apply_to(net) == 1
        patches = torch.randn(2, 16, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
        said = torch.randn(2, words, 32, generator=torch.Generator().manual_seed(2)).requires_grad_()
        out, other = net(patches, encoder_hidden_states=said)
        (out.square().mean() + other.square().mean()).backward()
        outs.append((out.detach(), other.detach(), patches.grad, said.grad, net.add_k_proj.weight.grad))
    assert isinstance(net.processor, attention.JointByTokens)
    for one, two in zip(*outs, strict=True):
        assert torch.allclose(one, two, atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("way", [0, 1])
def test_what_fills_a_stream_up_is_not_attended_to(monkeypatch, way):
    monkeypatch.setattr(at_hand, "taken", lambda key, measure: way)
    torch.manual_seed(0)
    net = Attention(32, added_kv_proj_dim=32, heads=2, dim_head=16, out_dim=32, context_pre_only=False, bias=True,
                    processor=attention.JointByTokens())  # fmt: skip
    patches, words = torch.randn(2, 16, 32), torch.randn(2, 9, 32)
    there = torch.arange(9) < torch.tensor([[9], [4]])
    whole, _ = net(patches, encoder_hidden_states=words, attention_mask=there)
    assert torch.allclose(whole[:1], net(patches[:1], encoder_hidden_states=words[:1])[0], atol=1e-6)
    assert torch.allclose(whole[1:], net(patches[1:], encoder_hidden_states=words[1:, :4])[0], atol=1e-6)


@pytest.mark.parametrize("way", [0, 1])
def test_the_way_that_is_quicker_at_hand_is_taken(monkeypatch, way):
    asked, ways = [], []
    monkeypatch.setattr(at_hand, "taken", lambda key, measure: asked.append(key) or way)
    chosen = layer()
    attention.apply_to(chosen)
    for name in ("_fused", "_plain"):
        real = getattr(chosen.processor, name)
        setattr(chosen.processor, name, lambda *a, name=name, real=real: ways.append(name) or real(*a))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        chosen(torch.randn(99, 32, 4, 4))
    chosen(torch.randn(1, 32, 8, 8))
    assert ways == [("_fused", "_plain")[way]] * 2
    assert asked == ["attention 8x2 16-16 16 torch.bfloat16 asking", "attention 1x2 64-64 16 torch.float32 learning"]


@pytest.mark.parametrize("learning", [False, True])
def test_both_ways_are_really_tried(monkeypatch, learning):
    tried = []
    monkeypatch.setattr(at_hand, "taken", lambda key, measure: measure())
    monkeypatch.setattr(at_hand, "quickest", lambda ways: [tried.append(way()) for way in ways] and 0)
    with torch.set_grad_enabled(learning):
        assert not attention.plainly(2, 2, 5, 7, 4)
    assert len(tried) == 2


def test_a_u_net_saves_as_before(tmp_path):
    kinds = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    net = UNet2DModel(sample_size=16, block_out_channels=(16, 32), norm_num_groups=8, attention_head_dim=8, **kinds)
    x = torch.randn(1, 3, 16, 16)
    before = net.eval()(x, 3).sample
    assert attention.apply_to(net) > 3
    net.save_pretrained(tmp_path)
    again = UNet2DModel.from_pretrained(tmp_path).eval()
    assert torch.allclose(again(x, 3).sample, before, atol=1e-6)
    assert torch.allclose(net(x, 3).sample, before, atol=1e-5)
