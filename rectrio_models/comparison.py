"""Encoders measured side by side on the same pictures: `python -m rectrio_models evaluate --release A --release B`.

Every encoder sees the same pictures and the same texts. A picture is sought among all the others, itself left out; a
text among all pictures. Each figure is the mean of one value a query, with the interval of its bootstrap.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rectrio_models.cache import write_whole
from rectrio_models.captions import CaptionedSet, squares
from rectrio_models.datasets import HUB_CARDS, DatasetRecord
from rectrio_models.encoder import Encoder, Vectors
from rectrio_models.errors import DataError
from rectrio_models.evaluation import class_vectors, encode_pictures
from rectrio_models.figures import Figure, Figures, origin
from rectrio_models.ranking import QUERIES_AT_ONCE

RESAMPLES = 2000
COMPARISONS = HUB_CARDS / "comparisons"  # one JSON file for each data set


@dataclass(frozen=True)
class Metric:
    """One of the figures: its key, what it is called, and whether its queries are texts or pictures."""

    key: str
    what: str
    of: str  # "class", "image", "text" or "caption"


METRICS = (
    Metric("class_accuracy", "class accuracy: nearest class by text, the mean of its ten descriptions", "class"),
    Metric("zero_shot_accuracy", "class accuracy by the class names alone, in seven prompts", "class"),
    Metric("same_class_top_1", "image→image: same class at rank 1", "image"),
    Metric("same_class_top_5", "image→image: same class among the first 5", "image"),
    Metric("image_precision_at_10", "image→image precision@10", "image"),
    Metric("image_map", "image→image mAP", "image"),
    Metric("text_top_5", "text→image: right class among the first 5", "text"),
    Metric("text_precision_at_10", "text→image precision@10", "text"),
    Metric("text_recall_at_100", "text→image recall@100", "text"),
    Metric("text_map", "text→image mAP", "text"),
)


CAPTION_METRICS = tuple(
    Metric(f"{way}_recall_at_{k}", f"{what} recall@{k}: the one that belongs to it", "caption")
    for way, what, ranks in (("text", "text→image", (1, 5, 10)), ("picture", "image→text", (10,)))
    for k in ranks
)


def compare_on_captions(
    encoders: Sequence[Encoder], captioned: CaptionedSet, *, data: Path | None = None
) -> dict[str, Figures]:
    """The figures of every encoder by its name, on pictures with a caption each: how often a caption finds its picture,
    and a picture its caption. Raises DataError when the set is not to be had."""
    files, captions = captioned.load(data)
    found = {}
    for encoder in encoders:
        bar = tqdm(squares(files), total=len(files), desc=f"{encoder.name}: {captioned.title}", leave=False)
        scores = encoder.encode_text(captions) @ np.concatenate([encoder.encode_images([p]) for p in bar]).T  # (n, n)
        own = scores.diagonal()  # (n,)
        ranks = {"text": (scores > own[:, None]).sum(axis=1), "picture": (scores > own[None, :]).sum(axis=0)}
        figures = []
        for metric in CAPTION_METRICS:
            way, _, k = metric.key.partition("_recall_at_")
            values = (ranks[way] < int(k)).astype(np.float64)
            figures.append(figure(metric, values, f"{captioned.title}, {len(files):,} pictures"))
        found[encoder.name] = Figures("comparison", origin(encoder, command_of(encoders, captioned.name)), figures)
    return found


def compare_encoders(
    encoders: Sequence[Encoder],
    dataset: DatasetRecord,
    *,
    split: str | None = None,
    data: Path | None = None,
    limit: int | None = None,
) -> dict[str, Figures]:
    """The figures of every encoder by its name, on a split of a data set, the test split by default, or on `limit`
    pictures of it, as many of each class. Raises DataError when that is not to be had, or leaves fewer than two
    pictures a class."""
    split = split or "test"
    pictures = dataset.load(split, data=data)
    rows = balanced(np.array(pictures["label"]), limit)
    if limit is not None:
        pictures = pictures.select(rows)
    labels = np.array(pictures["label"])  # (n,)
    if len(labels) < 2 * len(dataset.labels):
        raise DataError(f"{len(labels)} pictures are too few to compare on: {2 * len(dataset.labels)} at least are.")
    descriptions = dataset.descriptions()
    texts = descriptions.queries()
    wanted = np.array([dataset.labels.index(label) for _, label in texts])  # (T,)
    options = {"--split": split, "--data": "DIR" if data else None, "--limit": limit}
    command = command_of(encoders, dataset.name)
    command += "".join(f" {option} {value}" for option, value in options.items() if value)
    found = {}
    for encoder in encoders:
        vectors = encode_pictures(encoder, pictures, title=f"{encoder.name}: {dataset.title}")
        classes = {
            "class_accuracy": class_vectors(encoder, descriptions),
            "zero_shot_accuracy": encoder.label_vectors(dataset.labels),
        }
        values = {key: (vectors @ means.T).argmax(axis=1) == labels for key, means in classes.items()}
        values |= retrieval("image", vectors, labels, vectors, labels, same=True)
        queries = encoder.encode_text([text for text, _ in texts])
        values |= retrieval("text", queries, wanted, vectors, labels, same=False)
        figures = [
            figure(metric, values[metric.key].astype(np.float64), f"{dataset.title}, {split}, {len(labels):,} pictures")
            for metric in METRICS
        ]
        found[encoder.name] = Figures("comparison", origin(encoder, command), figures)
    return found


def command_of(encoders: Sequence[Encoder], dataset: str) -> str:
    """The command that compares encoders on a data set."""
    releases = " ".join(f"--release {encoder.name}" for encoder in encoders)
    return f"python -m rectrio_models evaluate {releases} --dataset {dataset}"


def keep_comparison(found: dict[str, Figures], dataset: str, json_path: Path | None) -> Path:
    """Write a comparison as JSON, into COMPARISONS and its page when no other place is named; returns the place."""
    path = json_path or COMPARISONS / f"{dataset}.json"
    content = {name: dataclasses.asdict(figures) for name, figures in found.items()}
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if json_path is None:
        from rectrio_models.comparison_card import write_comparison

        write_comparison()
    return path


def balanced(labels: np.ndarray, limit: int | None) -> np.ndarray:
    """The rows of `limit` pictures, drawn with a fixed seed, as many of each class as of any other or as there are."""
    if limit is None:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(0).permutation(len(labels))
    place = np.empty(len(labels), np.int64)  # of each row among those of its class
    for label in np.unique(labels):
        mine = shuffled[labels[shuffled] == label]
        place[mine] = np.arange(len(mine))
    return np.sort(shuffled[np.argsort(place[shuffled], kind="stable")][:limit])


def retrieval(
    kind: str, queries: Vectors, wanted: np.ndarray, vectors: Vectors, labels: np.ndarray, *, same: bool
) -> dict[str, np.ndarray]:
    """Every retrieval metric of every query, each (Q,).

    queries: (Q, dim), which want the labels `wanted`, (Q,); vectors: (n, dim) with their labels, (n,); same: the
    queries are the vectors themselves, and none finds itself. Precision, recall and average precision as in Manning
    et al., Introduction to Information Retrieval, section 8.4.
    """
    parts: list[dict[str, np.ndarray]] = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        scores = queries[start : start + QUERIES_AT_ONCE] @ vectors.T
        if same:
            scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, : len(vectors) - same]  # (q, n)
        right = labels[order] == wanted[start : start + len(scores), None]  # (q, n)
        total = np.maximum(right.sum(axis=1), 1)
        precisions = right.cumsum(axis=1) / np.arange(1, right.shape[1] + 1)
        parts.append(
            {
                "top_1": right[:, 0],
                "top_5": right[:, :5].any(axis=1),
                "precision_at_10": right[:, :10].mean(axis=1),
                "recall_at_100": right[:, :100].sum(axis=1) / total,
                "map": (precisions * right).sum(axis=1) / total,
            }
        )
    names = {f"{kind}_{key}": key for key in parts[0]}
    if kind == "image":
        names |= {"same_class_top_1": "top_1", "same_class_top_5": "top_5"}
    return {name: np.concatenate([part[key] for part in parts]) for name, key in names.items()}


def figure(metric: Metric, values: np.ndarray, data: str) -> Figure:
    """The mean of a metric over its queries, with the 95 % interval of the percentile bootstrap over them."""
    from scipy.stats import bootstrap

    low = high = float(values.mean())
    if values.std() > 0:
        found = bootstrap(
            (values,), np.mean, n_resamples=RESAMPLES, batch=100, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval
        low, high = float(found.low), float(found.high)
    return Figure(metric.key, metric.what, float(values.mean()), n=len(values), data=data, low=low, high=high)
