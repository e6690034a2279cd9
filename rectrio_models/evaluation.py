"""The retrieval metrics, measured on real pictures: `python -m rectrio_models evaluate --release v1-fashion`."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from rectrio_models.datasets import DatasetRecord
from rectrio_models.descriptions import Descriptions, descriptions_of
from rectrio_models.encoder import Encoder, Vectors
from rectrio_models.errors import DataError
from rectrio_models.figures import Figure, Figures, origin
from rectrio_models.formats import pictures_of, splits_at

QUERIES_AT_ONCE = 500  # rows of a score matrix that lie in memory together


def evaluate(encoder: Encoder, dataset: DatasetRecord, *, data: Path | None = None) -> Figures:
    """Measure an encoder on a data set's test split, with its training split as the gallery for picture queries.

    Raises DataError when a split is not to be had, or the two are the same.
    """
    if data is not None and not splits_at(Path(data)):
        raise DataError(f"{data} names no train and no test split, so its pictures would be sought among themselves.")
    test, train = dataset.load(dataset.gallery_split, data=data), dataset.load("train", data=data)
    descriptions = descriptions_of(dataset.name)
    test_labels, train_labels = np.array(test["label"]), np.array(train["label"])  # (n,)
    test_vectors = encode_pictures(encoder, test, title=f"encoding {dataset.title}, test")
    train_vectors = encode_pictures(encoder, train, title=f"encoding {dataset.title}, train")

    classes = class_vectors(encoder, descriptions)
    nearest = (test_vectors @ classes.T).argmax(axis=1)  # (n,)
    neighbour = top_rows(test_vectors, train_vectors, k=1)[:, 0]  # (n,)
    written = [(text, label) for label, words in descriptions.words.items() for text in words.descriptions]
    kept_out = [(text, label) for label, texts in descriptions.held_out.items() for text in texts]
    split = f"{dataset.title}, test"
    return Figures(
        name="evaluation",
        origin=origin(encoder, f"python -m rectrio_models evaluate --release {encoder.name} --dataset {dataset.name}"),
        figures=[
            Figure(
                "class_accuracy",
                "class accuracy: nearest class by text, the mean of its ten descriptions",
                float((nearest == test_labels).mean()),
                n=len(test_labels),
                data=split,
            ),
            Figure(
                "image_image_top_1",
                f"image→image: same class at rank 1, among the {len(train_labels):,} training pictures",
                float((train_labels[neighbour] == test_labels).mean()),
                n=len(test_labels),
                data=split,
            ),
            Figure(
                "text_image_precision_at_10",
                "text→image precision@10, the descriptions",
                precision_at_10(encoder, written, test_vectors, test_labels, dataset.labels),
                n=len(written),
                data=split,
            ),
            Figure(
                "held_out_precision_at_10",
                "text→image precision@10, sentences kept out of training",
                precision_at_10(encoder, kept_out, test_vectors, test_labels, dataset.labels),
                n=len(kept_out),
                data=split,
            ),
        ],
    )


def encode_pictures(encoder: Encoder, pictures, *, title: str) -> Vectors:
    """The embeddings of every picture of a Dataset, (n, dim), with a progress bar."""
    batches = range(0, len(pictures), 256)
    return np.concatenate(
        [
            encoder.encode_images(list(pictures_of(pictures.select(range(start, min(start + 256, len(pictures)))))))
            for start in tqdm(batches, desc=title, unit=" batches", leave=False)
        ]
    )


def class_vectors(encoder: Encoder, descriptions: Descriptions) -> Vectors:
    """Each class as the mean embedding of its descriptions, of unit length, (classes, dim)."""
    means = np.stack([encoder.encode_text(words.descriptions).mean(axis=0) for words in descriptions.words.values()])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def top_rows(queries: Vectors, gallery: Vectors, *, k: int) -> np.ndarray:
    """The rows of the k gallery vectors nearest to each query by cosine, best first, (n, k)."""
    out = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        scores = queries[start : start + QUERIES_AT_ONCE] @ gallery.T
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        order = np.take_along_axis(-scores, best, axis=1).argsort(axis=1)
        out[start : start + len(scores)] = np.take_along_axis(best, order, axis=1)
    return out


def precision_at_10(
    encoder: Encoder, queries: list[tuple[str, str]], vectors: Vectors, labels: np.ndarray, names: tuple[str, ...]
) -> float:
    """The mean share of the ten best pictures that have the query's label; queries are (text, label)."""
    rows = top_rows(encoder.encode_text([text for text, _ in queries]), vectors, k=10)
    wanted = np.array([names.index(label) for _, label in queries])
    return float((labels[rows] == wanted[:, None]).mean())
