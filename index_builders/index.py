"""Index: the protocol that every kind of index meets, its manifest, and `open_index`.

An index on disk is a folder: the vectors, the items, and a manifest that says what they are and carries checksums.
"""

import dataclasses
import importlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from index_builders.gallery import ITEMS, Gallery
from rectrio_models.cache import sha256_of
from rectrio_models.encoder import Encoder, Vectors
from rectrio_models.errors import IndexFolderError

MANIFEST, VECTORS = "manifest.json", "index.faiss"
METRIC = "cosine"  # the inner product of unit vectors

# a kind of index is one class in one file
KINDS = {"flat": ("index_builders.flat_index", "FlatIndex")}


class Index(Protocol):
    """Finds the nearest of many unit vectors, by cosine."""

    params: dict  # what it was built with, as the manifest keeps it

    def add(self, vectors: Vectors) -> None:
        """Append unit vectors, (n, dim); their rows go on counting."""

    def search(self, vectors: Vectors, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows for each query, (n, dim): cosines float32 (n, k) falling, rows int64 (n, k)."""

    def vectors(self, rows: np.ndarray) -> Vectors:
        """The vectors of rows, (len(rows), dim), as far as the index still knows them."""

    def __len__(self) -> int: ...

    def save(self, path: Path) -> None: ...

    @classmethod
    def load(cls, path: Path, params: dict) -> Self: ...


def index_class(kind: str) -> type[Index]:
    """The class of a kind of index."""
    if kind not in KINDS:
        raise IndexFolderError(f"“{kind}” is no kind of index; {', '.join(KINDS)} is.")
    module, name = KINDS[kind]
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True)
class Manifest:
    """What an index folder holds."""

    release: str  # what its encoder was loaded as
    fingerprint: str  # of that encoder
    dim: int
    metric: str
    dataset: str
    source: str  # a path the pictures were read from, or nothing for the data set's own gallery
    count: int
    kind: str
    params: dict
    checksums: dict[str, str]  # SHA-256 by file name
    precision: str = "auto"  # that the encoder ran in

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of an index folder; raises IndexFolderError when there is none, or it is damaged."""
        path = folder / MANIFEST
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise IndexFolderError(
                f"{folder} is no index: it has no {MANIFEST}. Build one: python -m index_builders build --out {folder}"
            ) from error
        except (ValueError, TypeError, OSError) as error:
            raise IndexFolderError(f"{path} is damaged ({error}). Delete {folder} and build it again.") from error

    def write(self, folder: Path) -> None:
        """Write the manifest into an index folder."""
        (folder / MANIFEST).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n", encoding="utf-8")

    def rebuild_command(self, folder: Path) -> str:
        """The command that builds this index again."""
        options = {"--release": self.release, "--dataset": self.dataset, "--kind": self.kind}
        options |= {"--precision": self.precision, "--out": str(folder)}
        if self.source:
            options["--data"] = self.source
        return "python -m index_builders build " + shlex.join(word for option in options.items() for word in option)


def open_index(folder: Path, encoder: Encoder) -> tuple[Index, Gallery]:
    """Open an index folder that was built with `encoder`.

    Raises IndexFolderError, with the command that rebuilds it, when another encoder built it or a file has changed.
    """
    manifest = Manifest.read(folder)
    rebuild = f"Build it again: {manifest.rebuild_command(folder)}"
    if (manifest.fingerprint, manifest.dim, manifest.metric) != (encoder.fingerprint, encoder.dim, METRIC):
        raise IndexFolderError(f"{folder} was built with another encoder than {encoder.name}. {rebuild}")
    for name in (VECTORS, ITEMS):
        path = folder / name
        if not path.is_file() or sha256_of([path]) != manifest.checksums.get(name):
            raise IndexFolderError(f"{path} is missing or has changed since it was built. {rebuild}")
    index = index_class(manifest.kind).load(folder / VECTORS, manifest.params)
    gallery = Gallery.load(folder)
    if not len(index) == len(gallery) == manifest.count:
        raise IndexFolderError(
            f"{folder} holds {len(index):,} vectors and {len(gallery):,} items; its manifest says {manifest.count:,}. "
            f"{rebuild}"
        )
    return index, gallery
