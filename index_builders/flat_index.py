"""The exact index: every vector is compared with every query. Right by construction, and fast enough for most
galleries: 10,000 vectors of 256 dimensions are 2.6 million multiplications."""

from pathlib import Path

import faiss
import numpy as np

from rectrio_models.encoder import Vectors


class FlatIndex:
    """FAISS's IndexFlatIP."""

    def __init__(self, dim: int):
        self.params: dict = {}
        self._faiss = faiss.IndexFlatIP(dim)

    def add(self, vectors: Vectors) -> None:
        """Append unit vectors, (n, dim)."""
        self._faiss.add(vectors)

    def search(self, vectors: Vectors, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows for each query: cosines (n, k), rows (n, k); k is cut to the number of vectors."""
        return self._faiss.search(vectors, min(k, len(self)))

    def vectors(self, rows: np.ndarray) -> Vectors:
        """The vectors of rows, (len(rows), dim)."""
        return self._faiss.reconstruct_batch(rows)

    def __len__(self) -> int:
        return self._faiss.ntotal

    def save(self, path: Path) -> None:
        """Write the vectors into a file."""
        faiss.write_index(self._faiss, str(path))

    @classmethod
    def load(cls, path: Path, params: dict) -> "FlatIndex":
        """Read a file that `save` wrote."""
        found = faiss.read_index(str(path))
        index = cls(found.d)
        index._faiss = found
        return index
