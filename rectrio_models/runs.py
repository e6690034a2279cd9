"""Further training runs of a release's recipe: how far its accuracy depends on the seed, and what its embeddings know
of classes that training never saw."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rectrio_models.datasets import DatasetRecord
from rectrio_models.encoder import Vectors
from rectrio_models.errors import DataError
from rectrio_models.evaluation import class_vectors, encode_pictures
from rectrio_models.figures import Figure, Figures, name_of, origin
from rectrio_models.ranking import nearest_others
from rectrio_models.releases import held_out_by, load_encoder


def measure_runs(release: str, folders: Sequence[Path], dataset: DatasetRecord, *, data: Path | None = None) -> Figures:
    """Class accuracy over the release and the runs that saw all of its classes, and for those that were trained
    without some, image→image precision@10 of the pictures of these. Both on the test split.

    Raises ModelError when a folder holds no model, DataError when the test split is not to be had.
    """
    test = dataset.load("test", data=data)
    labels = np.array(test["label"])
    split = f"{dataset.title}, test"
    accuracies, unseen = [], []
    names = [release, *map(str, folders)]
    encoders = [load_encoder(name, gallery=dataset.name, data=data) for name in names]
    for name, encoder in zip(names, encoders, strict=True):
        vectors = encode_pictures(encoder, test, title=f"encoding {dataset.title} by {Path(name).name}")
        left_out = [pattern.removesuffix("/*") for pattern in held_out_by(name) if pattern.endswith("/*")]
        if unknown := [label for label in left_out if label not in dataset.labels]:
            raise DataError(f"{name} was trained without “{unknown[0]}”, which is no class of {dataset.title}.")
        if not left_out:
            nearest = (vectors @ class_vectors(encoder, dataset.descriptions()).T).argmax(axis=1)
            accuracies.append(float((nearest == labels).mean()))
            continue
        rows = np.flatnonzero(np.isin(labels, [dataset.labels.index(label) for label in left_out]))
        what = "image→image precision@10 among all test pictures, queries of the classes trained without: "
        value = precision_of_others(vectors, labels, rows)
        unseen.append(Figure(f"unseen_{len(unseen)}", what + ", ".join(left_out), value, n=len(rows), data=split))
    return Figures(
        name="runs",
        origin=origin(encoders[0], f"python -m rectrio_models runs --release {name_of(encoders[0])} FOLDER …"),
        figures=[*over_seeds(accuracies, split), *unseen],
    )


def over_seeds(accuracies: Sequence[float], split: str) -> list[Figure]:
    """Mean and spread of a class accuracy over training runs."""
    what = "class accuracy over training runs of several seeds"
    mean = Figure("class_accuracy_mean", f"{what}: mean", float(np.mean(accuracies)), n=len(accuracies), data=split)
    if len(accuracies) < 2:
        return [mean]
    ends = (min(accuracies), max(accuracies))
    spread = float(np.std(accuracies, ddof=1))
    return [
        mean,
        Figure("class_accuracy_sd", f"{what}: standard deviation", spread, n=len(accuracies), data=split),
        *(
            Figure(f"class_accuracy_{end}", f"{what}: {end}", value, n=len(accuracies), data=split)
            for end, value in zip(("worst", "best"), ends, strict=True)
        ),
    ]


def precision_of_others(vectors: Vectors, labels: np.ndarray, rows: np.ndarray) -> float:
    """The mean share of the ten other pictures nearest to each of `rows` that have its label."""
    others = nearest_others(vectors, rows, k=10)
    return float((labels[others] == labels[rows][:, None]).mean())
