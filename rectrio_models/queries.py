"""Query files: what people type, each with the class it means; and how well an encoder answers them.

A file is JSON Lines, an object a line: `text`, `label` (null where the gallery holds nothing of the kind), and
`attribute` where it asks for one of `attributes.ATTRIBUTES` besides.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rectrio_models.attributes import ATTRIBUTES, MEASURES
from rectrio_models.datasets import DatasetRecord
from rectrio_models.encoder import Encoder, Vectors
from rectrio_models.errors import DataError
from rectrio_models.figures import Figure
from rectrio_models.formats import pictures_of
from rectrio_models.ranking import top_rows

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class Query:
    """One line of a query file."""

    text: str
    label: str | None
    attribute: str | None = None


def read_queries(path: Path, labels: Sequence[str]) -> list[Query]:
    """The queries of a file; raises DataError naming the line that makes no sense."""
    queries = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a query file: {error}.") from error
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
            query = Query(found["text"], found["label"], found.get("attribute"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}, line {number}: no JSON object with text and label.") from error
        if not isinstance(query.text, str) or not (query.label is None or query.label in labels):
            raise DataError(f"{path}, line {number}: label “{query.label}”; expected null or {', '.join(labels)}.")
        queries.append(query)
    if not queries:
        raise DataError(f"{path} holds no queries.")
    return queries


def answered(
    encoder: Encoder,
    path: Path,
    *,
    vectors: Vectors,
    labels: np.ndarray,
    names: Sequence[str],
    data: str,
) -> list[Figure]:
    """How well the queries of a file with labels are answered from pictures, (n, dim) with labels (n,): precision@10,
    and whether the class nearest to the query, by the mean embedding of its pictures, is the one meant."""
    queries = [query for query in read_queries(path, names) if query.label is not None]
    if not queries:
        return []
    texts = encoder.encode_text([query.text for query in queries])  # (q, dim)
    meant = np.array([names.index(query.label) for query in queries])  # (q,)
    present = np.unique(labels)
    means = np.stack([vectors[labels == label].mean(axis=0) for label in present])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    right = labels[top_rows(texts, vectors, k=10)] == meant[:, None]  # (q, 10)
    nearest = present[(texts @ means.T).argmax(axis=1)]
    kind = path.stem.replace("_", " ")
    return [
        Figure(
            f"{path.stem}_precision_at_10",
            f"text→image precision@10, queries “{kind}”",
            float(right.mean()),
            n=len(queries),
            data=data,
        ),
        Figure(
            f"{path.stem}_class",
            f"nearest class by its pictures' mean, queries “{kind}”",
            float((nearest == meant).mean()),
            n=len(queries),
            data=data,
        ),
    ]


def attributes_shown(
    encoder: Encoder,
    path: Path,
    dataset: DatasetRecord,
    *,
    vectors: Vectors,
    labels: np.ndarray,
    pictures: "datasets.Dataset",
    data: str,
) -> list[Figure]:
    """For each attribute that a query file asks for: the mean rank correlation, within the query's class, between a
    picture's score and what its pixels measure; 1 ranks as the pixels do, 0 by chance."""
    from scipy.stats import spearmanr

    names = dataset.labels
    known = {attribute.name: attribute for attribute in ATTRIBUTES.get(dataset.name, ())}
    queries = [query for query in read_queries(path, names) if query.attribute]
    if unknown := [query.attribute for query in queries if query.attribute not in known]:
        raise DataError(f"{path}: “{unknown[0]}” is no attribute of {dataset.title}; {', '.join(known)} are.")
    queries = [query for query in queries if query.label in known[query.attribute].labels]  # which show it
    if not queries:
        return []
    texts = encoder.encode_text([query.text for query in queries])
    pixels = np.stack([np.asarray(picture.convert("L")) for picture in pictures_of(pictures)])  # (n, h, w)
    measured = {name: measure(pixels) for name, measure in MEASURES.items()}
    found: dict[str, list[float]] = {}
    for query, text in zip(queries, texts, strict=True):
        attribute, rows = known[query.attribute], labels == names.index(query.label)
        sign = 1 if attribute.high else -1
        rank = spearmanr(vectors[rows] @ text, sign * measured[attribute.measure][rows]).statistic
        found.setdefault(attribute.name, []).append(float(rank))
    return [
        Figure(
            f"attribute_{name}",
            f"rank correlation with the pixels' {known[name].measure}, queries for “{name}”",
            float(np.mean(ranks)),
            n=len(ranks),
            data=data,
            unit="ρ",
        )
        for name, ranks in found.items()
    ]
