"""Every family that there is: killed between two checkpoints it resumes to the same bits, with and without its parts; on the
CPU, and on a graphics card where there is one."""

from __future__ import annotations

import pytest
import torch
from data.bad_files import make_good
from small_families import QUICK, opened

from models_backend.contract.fields import merged, plain
from models_backend.contract.messages import Trouble
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.settings import DataSettings, TrainingSettings
from models_backend.data import builtin
from models_backend.data.importing import import_paths
from models_backend.data.reading import open_data
from models_backend.networks import weights
from models_backend.training import choices, compiling
from models_backend.training.loop import Trainer
from models_backend.workers.registry import families

#: Data sets in the order in which they are offered to a family, until one fits.
OFFERED = ("shapes:size=16,count=96", "shapes:size=16,count=96,style=filled_outlined", "points:density=moons,count=200")
STEPS, EVERY, KILLED_AT = 6, 2, 5


class Killed(BaseException):
    """What SIGKILL is to the code: nothing after it runs."""


def silent(body: object) -> None:
    """Nobody listens, unless something is wrong: a preview that fails, say."""
    assert not isinstance(body, Trouble), str(body)


class Place:
    """A library in which runs of any family can be made."""

    def __init__(self, root, device):
        self.library, _ = opened(root)
        self._device, self._runs = device, 0

    def record(self, key: str, dataset: str, parts: dict[str, str]) -> RunRecord:
        """A run of the tiny preset on a data set of the library, or a built-in one."""
        made = next((one for one in self.library.datasets() if one.id == dataset), None) or builtin.make(self.library, dataset)
        data = DataSettings(resolution=16)
        spec = open_data(self.library, made.id, data).spec
        family = families()[key]
        preset = next(p for p in family.presets if p.name == "tiny")
        often = {"checkpoint_every": EVERY, "preview_every": EVERY}
        quick = {**QUICK, **often, "steps": STEPS, "batch_size": 8, "learning_rate": 1e-3}
        training = merged(merged(plain(TrainingSettings()), preset.training), quick)
        self._runs += 1
        return RunRecord(
            f"run-{self._runs}", key, key, made.id, "tiny", merged(plain(family.Config()), preset.config), training,
            merged(plain(family.Sampling()), preset.sampling), plain(data), spec, float(self._runs), parts=parts,
        )  # fmt: skip

    def trainer(self, key: str, run: str) -> Trainer:
        trainer = Trainer(self.library, self.library.run(run), families()[key], families(), device=self._device, tell=silent)
        trainer.prepare()
        return trainer

    def made(self, key: str, dataset: str, parts: dict[str, str]) -> str:
        """The id of a fresh run."""
        return self.library.create_run(self.record(key, dataset, parts)).id

    def refuses(self, key: str, dataset: str, parts: dict[str, str]) -> list[str]:
        """What the family has against these parts in its tiny preset."""
        record = self.record(key, dataset, parts)
        known = families()
        loaded = weights.load_parts(self.library, record, known, torch.device("cpu"))
        return weights.make_family(record, known, loaded).problems()

    def parts_for(self, key: str, dataset: str, all_of_them: bool) -> dict[str, str]:
        """Finished runs of the first families that provide what this one needs."""
        found = {}
        for part in families()[key].uses:
            if all_of_them or not part.optional:
                maker = next((k for k, f in families().items() if part.kind in f.provides and k != key), key)
                run = self.made(maker, dataset, self.parts_for(maker, dataset, False))
                self.trainer(maker, run).run()
                found[part.name] = run
        return found


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def place(library_root, request):
    made = Place(library_root, request.param)
    yield made
    made.library.close()


def fitting(place: Place, key: str) -> str:
    """The first data set that the family has nothing against."""
    for dataset in OFFERED:
        try:
            record = place.record(key, dataset, {})
        except Exception:
            continue
        family = families()[key]
        if record.spec.modality not in family.modalities:
            continue
        needed = {part.name for part in family.uses if not part.optional}
        if needed or not weights.make_family(record, families(), {}).problems():
            return dataset
    raise AssertionError(f"no data set fits {key}")


CASES = [(key, False) for key in families()] + [(key, True) for key, f in families().items() if any(p.optional for p in f.uses)]


@pytest.mark.parametrize(("key", "with_parts"), CASES, ids=[f"{key}-with-parts" if p else key for key, p in CASES])
def test_a_run_killed_between_checkpoints_resumes_to_the_same_bits(place, key, with_parts):
    dataset = fitting(place, key)
    parts = place.parts_for(key, dataset, with_parts)
    if place.refuses(key, dataset, parts):
        pytest.skip("the tiny preset has no use for its optional part; the family's own tests resume with it")
    straight = place.trainer(key, place.made(key, dataset, parts))
    straight.run()
    run = place.made(key, dataset, parts)

    def kill(trainer):
        if trainer.step == KILLED_AT:
            raise Killed

    with pytest.raises(Killed):
        place.trainer(key, run).run(kill)
    again = place.trainer(key, run)
    assert again.step == KILLED_AT - KILLED_AT % EVERY
    again.run()
    assert weights.digest(again.nets) == weights.digest(straight.nets)
    assert weights.digest(again.averages["ema"].nets) == weights.digest(straight.averages["ema"].nets)


@pytest.mark.slow
@pytest.mark.parametrize(("key", "with_parts"), CASES, ids=[f"{key}-with-parts" if p else key for key, p in CASES])
def test_a_finished_run_is_trained_further_to_the_same_bits(place, key, with_parts):
    """What a family brings in along a run has come to its end, and stays there."""
    dataset = fitting(place, key)
    parts = place.parts_for(key, dataset, with_parts)
    if place.refuses(key, dataset, parts):
        pytest.skip("the tiny preset has no use for its optional part; the family's own tests resume with it")
    runs = [place.made(key, dataset, parts) for _ in range(2)]
    for run in runs:
        place.trainer(key, run).run()
        place.library.run(run).extend(STEPS + 4)
    straight, killed = (place.trainer(key, run) for run in runs)
    straight.run()

    def kill(trainer):
        if trainer.step == STEPS + 3:
            raise Killed

    with pytest.raises(Killed):
        killed.run(kill)
    again = place.trainer(key, runs[1])
    assert again.step == STEPS + 2 and again.batches.of_step(STEPS + 2)[0].progress == 1.0
    again.run()
    assert weights.digest(again.nets) == weights.digest(straight.nets)
    assert weights.digest(again.averages["ema"].nets) == weights.digest(straight.averages["ema"].nets)


def test_translation_trains_on_the_published_layout_of_unpaired_sets(place, tmp_path):
    for number, name in enumerate(("trainA", "trainB", "testA", "testB")):
        make_good(tmp_path / "horse2zebra" / name, 6, first_seed=100 * number)
    dataset, _ = import_paths(place.library.layout.root, [tmp_path / "horse2zebra"])
    trainer = place.trainer("cycle_gan", place.made("cycle_gan", dataset.id, {}))
    before = weights.digest(trainer.nets)
    assert (trainer.data.train.count, trainer.data.validation.count) == (12, 12)
    assert trainer.family.spec.classes == ("A", "B")
    trainer.run()
    assert trainer.step == trainer.settings.steps and weights.digest(trainer.nets) != before


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not compiling.possible(torch.device("cpu")), reason="needs a C++ compiler")
@pytest.mark.parametrize("key", list(families()))
def test_compiled_networks_have_the_gradients_of_eager_ones(place, key):
    """torch 2.13 gives none through diffusers' upsampling, for one: where any differ a run stays with eager networks."""
    dataset = fitting(place, key)
    trainer = place.trainer(key, place.made(key, dataset, place.parts_for(key, dataset, False)))
    torch._dynamo.reset()
    compiling.compile_all(trainer.nets, trainer.device)
    trial = choices.Trial(trainer.family, trainer.nets, trainer.settings, trainer.device, trainer.batches)
    assert trial.compiled_rightly("fp32")
