"""Gallery: the pictures that an index finds, kept in one parquet file as they came."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from rectrio_models.errors import IndexFolderError
from rectrio_models.pictures import open_picture

ITEMS = "items.parquet"  # columns: label (string), image (binary: the file's own bytes)


@dataclass(frozen=True)
class Item:
    """One picture of a gallery."""

    row: int  # its place in the gallery, and the row of its vector in the index
    label: str
    content: bytes  # the picture's file

    @property
    def image(self) -> Image.Image:
        """The picture, upright RGB."""
        return open_picture(self.content)


class Gallery(Sequence[Item]):
    """The items of an index, in the order of its vectors."""

    def __init__(self, labels: Sequence[str], contents: Sequence[bytes]):
        self._labels, self._contents = labels, contents

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> Item:
        return Item(row, self._labels[row], self._contents[row])

    @property
    def labels(self) -> list[str]:
        """Every label that a picture has, in the order of their first pictures."""
        return list(dict.fromkeys(self._labels))

    def same_as(self, other: "Gallery") -> bool:
        """Whether both hold the same pictures in the same order."""
        return self is other or self.digest == other.digest

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over the labels and the pictures' bytes, computed once."""
        found = hashlib.sha256("\0".join(self._labels).encode())
        for content in self._contents:
            found.update(hashlib.sha256(content).digest())
        return found.digest()

    def save(self, folder: Path) -> None:
        """Write ITEMS into a folder."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({"label": pa.array(self._labels, pa.string()), "image": pa.array(self._contents, pa.binary())})
        pq.write_table(table, folder / ITEMS, compression="none")  # pictures are compressed already

    @classmethod
    def load(cls, folder: Path) -> "Gallery":
        """Read ITEMS of a folder; raises IndexFolderError when they are damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(folder / ITEMS)
            return cls(table.column("label").to_pylist(), table.column("image").to_pylist())
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise IndexFolderError(f"{folder / ITEMS} is damaged: {str(error).splitlines()[0]}") from error
