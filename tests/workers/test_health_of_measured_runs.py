"""What an evaluation says of a run's health is what its training said."""

import pytest
from small_families import Denoiser, make_run, opened, trainer_of
from workers_calls import Heard, answers

from models_backend.contract.messages import Evaluate, Health
from models_backend.evaluation import features
from models_backend.evaluation.evaluate import LEVELS
from models_backend.evaluation.health import judge

LOOKING = {"preview_every": 6, "validate_every": 6, "preview_count": 12}


@pytest.mark.parametrize("dataset", ["digits", "points:density=moons,count=400"])
def test_an_evaluation_judges_by_the_samples_that_training_looked_at(library_root, monkeypatch, dataset):
    monkeypatch.setattr(features, "STEPS", 10)
    monkeypatch.setattr(Denoiser, "health", ("noise_levels",))
    library, data = opened(library_root, dataset)
    run = make_run(library, data, **LOOKING)
    told = []
    trainer_of(library, run, told.append, judge=judge).run()
    health = [body for body in told if isinstance(body, Health)][-1]
    heard = Heard(Evaluate(run.id, 50))
    answers(library).answer(heard)
    library.close()
    figures = {name: value for name, value in heard.value.items() if name.startswith("health_")}
    assert figures == {f"health_{line.monitor}": LEVELS[line.level] for line in health.lines}
    assert figures["health_samples"] > 0, "after twelve steps samples are noise"
