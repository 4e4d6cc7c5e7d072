"""Health of real trainings: those that learn are not called sick, those that do not learn are never called well."""

from __future__ import annotations

import pytest
from small_families import opened

from models_backend.contract.fields import merged, plain
from models_backend.contract.messages import Health
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.settings import DataSettings, TrainingSettings
from models_backend.data import builtin
from models_backend.data.reading import open_data
from models_backend.evaluation.health import judge
from models_backend.training.loop import Trainer
from models_backend.workers.registry import families

MOONS, RIGHT, FAST, SLOW = "points:density=moons", 1e-3, 1.0, 1e-7


def health_of(root, key: str, dataset: str, steps: int, rate: float) -> Health:
    """What is said at the end of a run of the tiny preset."""
    library, _ = opened(root)
    made, data = builtin.make(library, dataset), DataSettings(resolution=16)
    family = families()[key]
    preset = next(one for one in family.presets if one.name == "tiny")
    changes = {"steps": steps, "learning_rate": rate, "batch_size": 64, "threads": 1, "compile": "off", "precision": "fp32",
               "preview_every": steps, "validate_every": steps // 10, "checkpoint_every": steps}  # fmt: skip
    record = RunRecord(
        "run-1", key, key, made.id, "tiny", merged(plain(family.Config()), preset.config),
        merged(merged(plain(TrainingSettings()), preset.training), changes),
        merged(plain(family.Sampling()), preset.sampling), plain(data), open_data(library, made.id, data).spec, 1.0,
    )  # fmt: skip
    library.create_run(record)
    told: list = []
    trainer = Trainer(library, library.run("run-1"), family, families(), "cpu", told.append, judge)
    trainer.prepare()
    trainer.run()
    return [body for body in told if isinstance(body, Health)][-1]


def said(health: Health) -> str:
    return "\n".join(f"{line.level} {line.monitor}: {line.text}" for line in health.lines)


def verdict(health: Health) -> str:
    return "bad" if any(line.level == "bad" for line in health.lines) else "ok"


def samples(health: Health) -> str:
    return next(line.level for line in health.lines if line.monitor == "samples")


def test_a_flow_that_learns_is_well(tmp_path):
    health = health_of(tmp_path, "flow_matching", MOONS, 700, 3 * RIGHT)
    assert (verdict(health), samples(health)) == ("ok", "ok"), said(health)


def test_a_flow_that_learns_nothing_is_not(tmp_path):
    health = health_of(tmp_path, "flow_matching", MOONS, 200, SLOW)
    assert (verdict(health), samples(health)) == ("bad", "bad"), said(health)


TABLE = [(key, MOONS, 1500, rate) for key in ("flow_matching", "ddpm", "vae", "gan", "wgan") for rate in (RIGHT, FAST, SLOW)]
TABLE += [(key, "digits", 600, rate) for key in ("flow_matching", "vae") for rate in (RIGHT, FAST)]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("key", "dataset", "steps", "rate"), TABLE)
def test_right_trainings_are_well_and_wrong_ones_are_not(tmp_path, key, dataset, steps, rate):
    health = health_of(tmp_path, key, dataset, steps, rate)
    assert verdict(health) == ("ok" if rate == RIGHT else "bad"), said(health)
    if rate == RIGHT and key != "wgan":  # which takes more steps than these
        assert samples(health) == "ok", said(health)
