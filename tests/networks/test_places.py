"""Places of patches: fitted waves tell neighbours of a small grid apart, and are heard by every transformer on patches."""

from __future__ import annotations

import pytest
import torch
from conformance import SPECS, fresh_networks, seeded, stirred

from models_backend.contract.fields import build, merged, plain
from models_backend.networks import places
from models_backend.workers.registry import families

KEYS = ("dit", "mmdit", "pixart_alpha")


def network(key: str, **changes):
    """The tiny preset's network, which has begun to say something."""
    family = families()[key]
    tiny = next(preset for preset in family.presets if preset.name == "tiny")
    config = build(family.Config, merged(merged(plain(family.Config()), tiny.config), {"network": changes}))
    (net,) = stirred(fresh_networks(family(config, SPECS["image"], {}))).values()
    return net.eval()


def alike(table: torch.Tensor, grid: int) -> float:
    """How alike a patch in the middle and the one beside it are, 1 for the same."""
    here = (grid // 2) * grid + grid // 2
    return float(torch.nn.functional.cosine_similarity(table[here], table[here + 1], dim=0))


@pytest.mark.parametrize("grid", [4, 8, 16])
def test_neighbours_are_told_apart_by_fitted_waves_and_hardly_by_published_ones(grid):
    from diffusers.models.embeddings import get_2d_sincos_pos_embed

    published = get_2d_sincos_pos_embed(128, grid, base_size=grid, output_type="pt").float()
    fitted = places.table(grid, grid, torch.tensor(places.lengths(grid, 128)), 128)
    assert alike(published, grid) > 0.97 and alike(fitted, grid) < 0.9
    apart = torch.cdist(fitted, fitted) + 99 * torch.eye(grid * grid)
    assert apart.min() > 0.5, "no two places are the same"


def test_waves_repeat_at_their_length_along_either_axis():
    table = places.waves(9, 9, torch.tensor([4.0])).view(9, 9, 4)
    assert torch.allclose(table[0, 0], table[4, 8], atol=1e-5) and not torch.allclose(table[0, 0], table[0, 2], atol=0.1)
    assert torch.allclose(table[1, 0, :2], torch.tensor([1.0, 0.0]), atol=1e-6), "a quarter of the wave: sine 1, cosine 0"


@pytest.mark.parametrize("key", KEYS)
def test_patches_that_change_places_give_another_picture(key):
    """Each row of patches holds the same; where the places were not heard, so would the answer."""
    net = network(key, places="fitted")
    side = SPECS["image"].shape[-1]
    x = torch.randn(1, SPECS["image"].shape[0], 2, side, generator=seeded()).repeat(1, 1, side // 2, 1)
    given = {"class": torch.zeros(1, dtype=torch.long)}
    with torch.no_grad():
        said = net(x, torch.full((1,), 400.0), given["class"] if key == "dit" else given)
    assert not torch.allclose(said[:, :, :2], said[:, :, -2:], atol=1e-4)


@pytest.mark.parametrize("key", KEYS)
def test_fitted_places_keep_the_names_of_all_weights_that_are_learned(key):
    names = [set(dict(network(key, places=kind).named_parameters())) for kind in ("published", "fitted")]
    assert names[0] == names[1]


def test_the_table_is_kept_where_published_weights_keep_it():
    table = network("mmdit", places="fitted").state_dict()["transformer.pos_embed.pos_embed"]
    assert not torch.equal(table, network("mmdit").state_dict()["transformer.pos_embed.pos_embed"])
