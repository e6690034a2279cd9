"""Ranking: which vectors of a gallery lie nearest to each of many queries."""

import numpy as np

from rectrio_models.encoder import Vectors

QUERIES_AT_ONCE = 500  # rows of a score matrix that lie in memory together


def top_rows(queries: Vectors, gallery: Vectors, *, k: int) -> np.ndarray:
    """The rows of the k gallery vectors nearest to each query by cosine, best first, (n, k)."""
    out = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        scores = queries[start : start + QUERIES_AT_ONCE] @ gallery.T
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        order = np.take_along_axis(-scores, best, axis=1).argsort(axis=1)
        out[start : start + len(scores)] = np.take_along_axis(best, order, axis=1)
    return out


def nearest_others(vectors: Vectors, rows: np.ndarray, *, k: int) -> np.ndarray:
    """The rows of the k vectors nearest to each of `rows`, which is not among its own, best first, (len(rows), k)."""
    near = top_rows(vectors[rows], vectors, k=k + 1)
    itself_last = np.argsort(near == rows[:, None], axis=1, kind="stable")
    return np.take_along_axis(near, itself_last, axis=1)[:, :k]
