"""Judges of pictures that are no part of the product: how often each is sure of a run's samples, over how often of real ones.

    python -m tests.outside_judges LIBRARY [RUN] [--sampling '{"steps": 20}'] [--n 1000]

Without a run every finished one of the library is judged, as its own sampling makes them. Beside the ratios stands the share
of near copies, for a model that repeats its training items makes every judge sure.

A support vector machine on pixels and one on standardised pixels, a random forest and a small multi-layer perceptron, all of
scikit-learn, trained on the training split with calibrated probabilities. Standardising makes a judge of what is hardly ever
inked: an edge that is almost but not quite empty. A run's figures are ratios of shares of items with one class above .9.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from models_backend.contract.messages import Sample
from models_backend.contract.settings import DataSettings
from models_backend.data.reading import Dataset, open_data, pictures_to_float
from models_backend.evaluation import measures
from models_backend.library.library import Library
from models_backend.sampling.draw import draw
from models_backend.sampling.loading import load_run
from models_backend.workers.registry import families

SURE = 0.9


def judges(data: Dataset) -> dict[str, Any]:
    """The judges, trained on the training split of a labelled set of small pictures."""
    x, y = _flat(data.train.take(range(data.train.count))), data.train.labels
    made = {
        "SVM": _calibrated(SVC(C=10)),
        # its own calibration: one of decision values of one class against the rest leaves hardly any real item sure
        "SVM, standardised": make_pipeline(StandardScaler(), SVC(C=10, probability=True, random_state=0)),
        "random forest": _calibrated(RandomForestClassifier(300, random_state=0)),
        "MLP": _calibrated(make_pipeline(StandardScaler(), MLPClassifier((64,), max_iter=300, random_state=0))),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scikit-learn wants other calibration from 1.11 on
        return {name: judge.fit(x, y) for name, judge in made.items()}


def _calibrated(judge: Any) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(judge, cv=5, ensemble=False)


def sure(judge: Any, items: np.ndarray) -> float:
    """Share of items (N, C, H, W) of which a judge gives one class more than ``SURE``."""
    return measures.sure(judge.predict_proba(_flat(items)), SURE)


def judged(data: Dataset, made: np.ndarray, known: dict[str, Any] | None = None) -> dict[str, tuple[float, float, float]]:
    """Judge -> (share of made items, share of held-out items, ratio). ``known``: judges of these data, where there are some."""
    held_out = data.validation.take(range(data.validation.count))
    shares = {name: (sure(judge, made), sure(judge, held_out)) for name, judge in (known or judges(data)).items()}
    return {name: (share, real, share / real) for name, (share, real) in shares.items()}


def near_copies(data: Dataset, made: np.ndarray) -> float:
    """Share of made items (N, C, H, W) that are as close to a training item as the closest 1 % of held-out ones."""
    train, held_out = (split.take(range(split.count)) for split in (data.train, data.validation))
    return measures.near_copies(made, train, measures.near_limit(train, held_out))


def data_of(library: Library, run: str) -> Dataset:
    """The data of a run as it sees them."""
    record = library.run(run).record()
    return open_data(library, record.dataset, DataSettings(resolution=record.spec.shape[-1]))


def items_of(library: Library, run: str, sampling: dict[str, Any], count: int = 1000) -> np.ndarray:
    """Items (N, C, H, W) in [-1, 1] of a finished run."""
    loaded = load_run(library, run, families(), device="cpu")
    _, made = draw(loaded, Sample(run, count, 0, sampling, save=False), library)
    return pictures_to_float(made)


def of_run(library: Library, run: str, sampling: dict[str, Any], count: int = 1000) -> dict[str, tuple[float, float, float]]:
    """What the judges say of a finished run on a labelled set."""
    return judged(data_of(library, run), items_of(library, run, sampling, count))


def _flat(items: np.ndarray) -> np.ndarray:
    return np.asarray(items).reshape(len(items), -1)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("run", nargs="?", default="", help="id or title")
    parser.add_argument("--sampling", type=json.loads, default={})
    parser.add_argument("--n", type=int, default=1000)
    options = parser.parse_args(argv)
    library, known = Library.open(options.library), {}
    for record in library.runs():
        if options.run not in ("", record.id, record.title) or library.run(record.id).state()[0] != "finished":
            continue
        data, made = data_of(library, record.id), items_of(library, record.id, options.sampling, options.n)
        if record.dataset not in known:
            known[record.dataset] = judges(data)
        print(f"{record.family}, {record.title or record.id}: near copies {near_copies(data, made):.3f}")
        for name, (share, real, ratio) in judged(data, made, known[record.dataset]).items():
            print(f"  {name:20} {share:.3f} of made, {real:.3f} of real: {ratio:.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
