"""Built-in data sets: deterministic, what their names say, and their known facts hold."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout
from models_backend.contract.settings import DataSettings
from models_backend.data import densities, shapes
from models_backend.data.builtin import canonical, make, reference_sampler
from models_backend.data.reading import open_data
from models_backend.library.datasets import DatasetFolder, fingerprint


def test_digits_are_scikit_learns_pixel_for_pixel(library_root):
    data = open_data(library_root, make(library_root, "digits").id)
    real = load_digits()
    assert data.spec.shape == (1, 8, 8) and data.record.classes == tuple("0123456789")
    for split in (data.train, data.validation):
        pixels = (split.take(range(split.count))[:, 0] + 1) * 8
        assert np.abs(pixels - real.images[split.positions]).max() < 0.04
        assert np.array_equal(split.labels, real.target[split.positions])
    assert data.train.count + data.validation.count == 1797
    assert 0.07 < data.validation.count / 1797 < 0.15


def test_enlarged_digits_keep_their_strokes(library_root):
    small = open_data(library_root, make(library_root, "digits").id)
    large = open_data(library_root, make(library_root, "digits:resolution=16").id)
    assert large.spec.shape == (1, 16, 16)
    reduced = np.load(large.layout.cache / "native.npy")[..., 0].reshape(-1, 8, 2, 8, 2).mean((2, 4))
    original = np.load(small.layout.cache / "native.npy")[..., 0].astype(float)
    assert np.corrcoef(reduced.ravel(), original.ravel())[0, 1] > 0.98
    assert reduced.std() > 0.9 * original.std()


@pytest.mark.parametrize("name", ["digits", "shapes:size=16,count=40", "points:density=moons,count=100"])
def test_the_same_name_is_the_same_data_set(library_root, tmp_path, name):
    first, again, elsewhere = make(library_root, name), make(library_root, name), make(tmp_path / "other", name)
    assert first.id == again.id == elsewhere.id
    assert len(list((library_root / "datasets").iterdir())) == 1
    one = LibraryLayout(library_root).dataset(first.id).root
    other = LibraryLayout(tmp_path / "other").dataset(first.id).root
    for path in [*one.glob("cache/*.npy"), one / "items.jsonl"]:
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()
    items = DatasetFolder(LibraryLayout(library_root).dataset(first.id)).items()
    assert fingerprint(items) == first.fingerprint


def test_names_have_one_spelling():
    assert canonical("digits:resolution=8") == "digits"
    assert canonical("shapes:seed=0,size=64,count=4000") == "shapes:size=64"
    assert canonical("points") == canonical("points:density=8gaussians,count=20000") == "points:density=8gaussians"


WRONG = {
    "letters": "no such built-in",
    "digits:resolution=7": "resolution",
    "shapes:size=300": "size",
    "shapes:count=x": "count",
    "shapes:kind=3": "kind",
    "points:density=cauchy": "no such density",
}


@pytest.mark.parametrize(("name", "said"), WRONG.items())
def test_wrong_names_are_told(library_root, name, said):
    with pytest.raises(TroubleError, match=said):
        make(library_root, name)


# ------------------------------------------------------------------------------------------------ shapes


@pytest.mark.parametrize("side", [16, 32, 64, 256])
def test_the_reader_finds_the_factors_of_every_shape(side):
    pictures, labels, factors, captions = shapes.make_shapes(side, 300 if side < 256 else 60, seed=3)
    found = shapes.read_shapes(pictures)
    assert found["valid"].all()
    assert np.array_equal(found["shape"], factors[:, 0]) and np.array_equal(found["colour"], factors[:, 1])
    assert np.array_equal(found["shape"] * 4 + found["colour"], labels)
    square_or_circle = factors[:, 0] < 2
    assert np.abs(found["x"] - factors[:, 5])[square_or_circle].max() < 1 / side
    for text, row in zip(captions, factors.astype(int)):
        for word in (shapes.SHAPES[row[0]], shapes.COLOURS[row[1]], shapes.SIZES[row[2]], shapes.PLACES[row[3]]):
            assert word in text


def test_place_words_are_true():
    factors = shapes.make_shapes(16, 500, seed=1)[2]
    place, x, y = factors[:, 3].astype(int), factors[:, 5], factors[:, 6]
    assert (x[place == 1] < 0.4).all() and (x[place == 2] > 0.6).all()
    assert (y[place == 3] < 0.4).all() and (y[place == 4] > 0.6).all()
    assert set(place) == set(range(5))


def test_the_reader_rejects_what_is_no_shape():
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    ground = np.broadcast_to(shapes.GROUND.astype(np.uint8), (5, 32, 32, 3))
    assert not shapes.read_shapes(noise)["valid"].any() and not shapes.read_shapes(ground)["valid"].any()


def test_captions_and_factors_come_with_the_data(library_root):
    data = open_data(library_root, make(library_root, "shapes:size=16,count=60").id)
    assert data.spec.captioned and len({*data.train.captions}) > 30
    factors = data.factors()
    assert set(factors) == set(shapes.FACTORS)
    assert np.array_equal(data.train.labels, (factors["shape"] * 4 + factors["colour"])[data.train.positions])


# ------------------------------------------------------------------------------------------------ points


@pytest.mark.parametrize("density", densities.DENSITIES)
def test_densities_are_centred_bounded_and_a_function_of_the_seed(density):
    sampler = reference_sampler(density)
    points = sampler(4000, 1)
    assert points.shape == (4000, 2) and points.dtype == np.float32
    assert np.array_equal(points, sampler(4000, 1)) and not np.array_equal(points, sampler(4000, 2))
    assert np.abs(points.mean(0)).max() < 0.6 and 0.4 < points.std() < 2.5 and np.abs(points).max() < 6


def test_the_mixture_has_the_moments_that_it_states():
    mixture = densities.MIXTURES["8gaussians"]
    points = reference_sampler("8gaussians")(80_000, 0)
    distance = np.linalg.norm(points[:, None] - mixture.centres[None], axis=2)
    nearest = distance.argmin(1)
    assert np.abs(np.bincount(nearest) / len(points) - 1 / 8).max() < 0.005
    off = points - mixture.centres[nearest]
    assert abs(off.std() - mixture.std) < 0.003
    assert abs((distance.min(1) < 3 * mixture.std).mean() - (1 - np.exp(-4.5))) < 0.002


def test_the_exact_density_integrates_to_one():
    axis = np.linspace(-4, 4, 321)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    for name in densities.MIXTURES:
        assert abs(np.exp(densities.log_density(name, grid)).sum() * (axis[1] - axis[0]) ** 2 - 1) < 1e-3


def test_points_are_standardised_and_come_back(library_root):
    data = open_data(library_root, make(library_root, "points:density=spirals,count=3000").id)
    everything = np.concatenate([s.take(range(s.count)) for s in (data.train, data.validation)])
    assert np.abs(everything.mean(0)).max() < 1e-4 and abs(everything.std(0).mean() - 1) < 1e-4
    assert np.allclose(data.in_units(data.train.take([5, 7])), data.train.raw([5, 7]), atol=1e-5)


def test_a_model_is_told_the_grey_levels_of_digits_that_it_sees_as_they_are(tmp_path):
    record = make(tmp_path, "digits")
    seventeen = tuple(round(n * 255 / 16) for n in range(17))
    assert open_data(tmp_path, record.id).spec.levels == seventeen
    assert open_data(tmp_path, record.id, DataSettings(resolution=16)).spec.levels == ()
    assert open_data(tmp_path, make(tmp_path, "shapes:size=16,count=50").id).spec.levels == ()
