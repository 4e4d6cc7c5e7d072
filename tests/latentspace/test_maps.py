"""Latent maps: the plane of largest variance, places that decode to their items, kept once made."""

import numpy as np
import pytest
from small_families import FAMILIES, Denoiser, opened, trained

from models_backend.contract.messages import Decode, LatentMap, TroubleError, VectorField
from models_backend.data.reading import open_data
from models_backend.latentspace import maps, paths
from models_backend.latentspace.projection import principal_plane
from models_backend.sampling.loading import load_run


@pytest.fixture
def place(library_root):
    library, dataset = opened(library_root)
    run, _ = trained(library, dataset)
    yield library, run, load_run(library, run.id, FAMILIES, device="cpu"), open_data(library, dataset.id)
    library.close()


def arrays_of(answer):
    return {k: np.frombuffer(v.data, v.dtype).reshape(v.shape) for k, v in answer.arrays.items()}


# ------------------------------------------------------------------------------------------------- the plane


@pytest.mark.parametrize("items, size", [(200, 5), (20, 300)])
def test_the_plane_is_that_of_largest_variance(items, size):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((size, 2)))[0].T
    z = rng.standard_normal((items, 2)) * [5, 2] @ basis + 0.01 * rng.standard_normal((items, size)) + 3
    plane = principal_plane(z)
    assert np.allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-8)
    assert np.linalg.svd(plane.axes @ basis.T, compute_uv=False).min() > 0.999
    assert plane.explained.sum() > 0.99 and plane.explained[0] > plane.explained[1]
    assert np.abs(plane.lift(plane.project(z)) - z).max() < 0.1
    exact = np.linalg.svd(z - z.mean(0), compute_uv=False) ** 2
    assert np.allclose(plane.explained, exact[:2] / exact.sum())


def test_one_item_and_one_dimension_make_a_plane_too():
    assert principal_plane(np.ones((1, 3))).project(np.ones((1, 3))).tolist() == [[0, 0]]
    line = principal_plane(np.arange(5.0)[:, None])
    assert line.axes.shape == (2, 1) and line.explained[0] == pytest.approx(1)


# ------------------------------------------------------------------------------------------------- the map


def test_a_map_places_the_items_of_the_data_set(place):
    library, run, loaded, data = place
    told = arrays_of(maps.make_map(library, loaded, data, LatentMap(run.id, limit=100)))
    assert told["xy"].shape == (100, 2) and len(np.unique(told["index"])) == 100
    assert set(told["index"]) <= set(data.train.positions) and told["explained"].sum() == pytest.approx(1, abs=1e-5)
    # two-dimensional latents: the map keeps every distance
    rows = np.searchsorted(data.train.positions, told["index"])
    z = 2 * data.train.take(rows)
    assert np.allclose(np.linalg.norm(z[0] - z[1:], axis=1), np.linalg.norm(told["xy"][0] - told["xy"][1:], axis=1), atol=1e-4)


def test_a_map_is_made_once(place, monkeypatch):
    library, run, loaded, data = place
    first = maps.make_map(library, loaded, data, LatentMap(run.id, limit=50))
    monkeypatch.setattr(Denoiser, "encode", lambda *_: 1 / 0)
    assert maps.make_map(library, loaded, data, LatentMap(run.id, limit=50)).arrays == first.arrays
    assert len(list(run.layout.derived.glob("map-*.npz"))) == 1


def test_a_place_of_an_item_decodes_to_that_item(place):
    library, run, loaded, data = place
    told = arrays_of(maps.make_map(library, loaded, data, LatentMap(run.id)))
    asked = [3, 50, 120]
    answer = arrays_of(maps.decode_places(library, loaded, data, Decode(run.id, xy=told["xy"][asked].tolist())))
    assert answer["nearest"].tolist() == told["index"][asked].tolist()
    rows = np.searchsorted(data.train.positions, told["index"][asked])
    assert np.allclose(answer["items"], data.train.take(rows), atol=1e-3) and answer["distance"].max() < 1e-2


def test_a_place_is_decoded_on_the_plane_of_its_own_map(place, monkeypatch):
    library, run, loaded, data = place
    maps.make_map(library, loaded, data, LatentMap(run.id))
    plane = maps.principal_plane
    monkeypatch.setattr(maps, "principal_plane", lambda z: (found := plane(z), setattr(found, "axes", -found.axes))[0])
    small = maps.make_map(library, loaded, data, LatentMap(run.id, limit=30))
    assert small.checkpoint == f"step-{loaded.step:09d}"
    told = arrays_of(small)
    request = Decode(run.id, xy=told["xy"].tolist(), limit=30, checkpoint=small.checkpoint)
    assert arrays_of(maps.decode_places(library, loaded, data, request))["nearest"].tolist() == told["index"].tolist()


def test_whole_latents_decode_as_they_are_and_a_path_is_saved(place):
    library, run, loaded, data = place
    request = Decode(run.id, z=[[2.0, 4.0], [0.0, 0.0]], save=True, title="a walk", drawn=[[0.25, 1.5]])
    answer = maps.decode_places(library, loaded, data, request)
    assert np.allclose(arrays_of(answer)["items"], [[1, 2], [0, 0]])
    record = library.sample(answer.note).record()
    assert record.kind == "path" and record.title == "a walk" and record.path["z"] == [[2.0, 4.0], [0.0, 0.0]]
    assert record.path["drawn"] == [[0.25, 1.5]]


def test_the_rest_of_a_latent_comes_from_the_nearest_items():
    rng = np.random.default_rng(1)
    z = np.hstack([rng.standard_normal((50, 2)) * 10, np.where(np.arange(50)[:, None] < 25, 1.0, -1.0)])
    z[:25, 0] += 100
    stored = maps._laid_out(z, z)
    lifted = maps.lifted(stored, stored["xy"][[0, 40]])
    assert np.allclose(lifted, z[[0, 40]], atol=1e-2)
    between = maps.lifted(stored, stored["xy"][:3].mean(0, keepdims=True))
    assert np.allclose((between - stored["mean"]) @ stored["axes"].T, stored["xy"][:3].mean(0), atol=1e-2)


@pytest.mark.parametrize("copies", [1, 12], ids=["each item once", "more copies than neighbours"])
@pytest.mark.parametrize("items", [2, 6, 150])
def test_a_latent_changes_from_place_to_place_without_a_jump(items, copies):
    z = np.repeat(np.random.default_rng(2).standard_normal((items, 6)), copies, axis=0)
    stored = maps._laid_out(z, z)
    ends = np.array([[-2.0, -1.5], [2.0, 1.0]], np.float32)

    def largest_step(steps):
        line = np.linspace(*ends, steps + 1, dtype=np.float64)
        return np.linalg.norm(np.diff(maps.lifted(stored, line), axis=0), axis=1).max()

    assert largest_step(4_000) / largest_step(32_000) > 4  # a jump is as large in eight times as many steps
    assert np.allclose(maps.lifted(stored, stored["xy"]), z, atol=1e-4)


def test_a_place_as_far_from_all_its_neighbours_takes_their_mean():
    turn = 2 * np.pi * np.arange(7) / 7
    known = np.stack([np.cos(turn), np.sin(turn)], 1)
    place, weight = maps._weights(known, np.zeros((1, 2)))
    assert np.allclose(weight @ known[place[0]], 0, atol=1e-6) and weight.sum() == pytest.approx(1)


def test_a_family_without_an_encoder_is_mapped_by_what_it_makes(place, monkeypatch):
    def none(*_):
        raise NotImplementedError

    monkeypatch.setattr(Denoiser, "encode", none)
    library, run, loaded, data = place
    answer = maps.make_map(library, loaded, data, LatentMap(run.id, limit=60))
    told = arrays_of(answer)
    assert "no encoder" in answer.note and told["items"].shape == (60, 2) and set(told["index"]) == {-1}


@pytest.mark.parametrize("request_, words", [({"xy": []}, "place"), ({"z": [[1.0]]}, "2 numbers")])
def test_places_that_are_none_are_refused(place, request_, words):
    library, run, loaded, data = place
    with pytest.raises(TroubleError, match=words):
        maps.decode_places(library, loaded, data, Decode(run.id, **request_))


def test_no_latents_no_map(place, monkeypatch):
    library, run, loaded, data = place
    monkeypatch.setattr(Denoiser, "latents", ())
    with pytest.raises(TroubleError, match="no latents"):
        maps.make_map(library, loaded, data, LatentMap(run.id))


# ------------------------------------------------------------------------------------------------- fields and paths


def test_the_vector_field_is_asked_on_the_grid(place):
    _, run, loaded, _ = place
    field = arrays_of(maps.vector_field(loaded, VectorField(run.id, [0.5, 1.0], -1.0, 1.0, 3)))["field"]
    assert field.shape == (2, 3, 3, 2)
    assert np.allclose(field[1, 0], [[-1, -1], [0, -1], [1, -1]]) and np.allclose(field[0], field[1] / 2)


def test_places_along_a_line_are_evenly_spaced():
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 3.0]])
    walk = paths.at(line, paths.evenly(line, 9))
    assert np.allclose(walk[0], line[0]) and np.allclose(walk[-1], line[-1])
    assert np.allclose(np.linalg.norm(np.diff(walk, axis=0), axis=1), 0.5)
    assert paths.at(line[:1], paths.evenly(line[:1], 4)).tolist() == [[0, 0]] * 4


def test_the_frames_of_a_film_are_evenly_apart(place):
    library, run, loaded, data = place
    xy = arrays_of(maps.make_map(library, loaded, data, LatentMap(run.id)))["xy"]
    request = Decode(run.id, xy=xy[[3, 50, 120]].tolist(), frames=24)
    told = arrays_of(maps.decode_places(library, loaded, data, request))
    assert len(told["xy"]) == len(told["items"]) == 24
    assert np.allclose(told["xy"][[0, -1]], xy[[3, 120]], atol=1e-5)
    steps = np.linalg.norm(np.diff(told["items"].reshape(24, -1), axis=0), axis=1)
    assert steps.max() < 1.05 * np.median(steps)


def test_frames_stay_evenly_apart_where_the_items_beside_a_line_change():
    rng = np.random.default_rng(3)
    z = rng.standard_normal((400, 12)) * np.linspace(2, 0.5, 12)
    stored = maps._laid_out(z, z)

    def unevenness(xy):
        steps = np.linalg.norm(np.diff(maps.lifted(stored, xy), axis=0), axis=1)
        return steps.max() / np.median(steps)

    lines = rng.uniform(-2.5, 2.5, (10, 3, 2)).astype(np.float32)
    assert max(unevenness(maps._frames(stored, line, 32)) for line in lines) < 2
    assert max(unevenness(paths.at(line, paths.evenly(line, 32))) for line in lines) > 3  # evenly on the map
