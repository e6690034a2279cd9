"""DATASETS: one frozen record for each data set, and the loaders that find it.

A data set is taken from the first place that has it: the path the user names, the Hub (or its cache), a package of
the operating system, and for the gallery's split the folder of this repository. A Hub that cannot be reached is
noticed within seconds, once for each process.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rectrio_models import formats
from rectrio_models.cache import sha256_of
from rectrio_models.errors import DataError
from rectrio_models.network import SECONDS, hub_reachable

if TYPE_CHECKING:
    import datasets

log = logging.getLogger("rectrio")

HUB_CARDS = Path(__file__).parent.parent / "hub_cards"


@dataclass(frozen=True)
class DatasetRecord:
    """What the program knows of one data set. Adding a data set is adding one of these to DATASETS."""

    name: str
    title: str
    labels: tuple[str, ...]
    hub_id: str  # a data set repository of parquet files, one or more a split
    hub_files: str  # glob of its parquet files, {split} filled in
    package: Path | None  # where an operating system's package puts it
    package_hint: str  # how to get that package
    gallery: str  # the folder in hub_cards that holds the gallery's split
    gallery_split: str = "test"

    def load(self, split: str, *, data: str | Path | None = None) -> "datasets.Dataset":
        """The split "train" or "test" as a Dataset with the features `image` (Image) and `label` (ClassLabel).

        Raises DataError when the path is not what it claims to be, or when no place has the data set.
        """
        if split not in ("train", "test"):
            raise DataError(f"“{split}” is no split of {self.title}; “train” and “test” are.")
        if data is not None:
            return formats.read_any(Path(data).expanduser(), split, self.labels)
        for place in (self._hub, self._package, self._embedded):
            if (found := place(split)) is not None:
                return found
        raise DataError(
            f"{self.title} ({split}) is nowhere to be found: the Hub's {self.hub_id} is out of reach. "
            f"{self.package_hint}, or give a copy of yours with --data."
        )

    def load_gallery(self, *, data: str | Path | None = None) -> "datasets.Dataset":
        """The pictures that are searched: the embedded ones where they are, so that no network is asked."""
        if data is None and (found := self._embedded(self.gallery_split)) is not None:
            return found
        return self.load(self.gallery_split, data=data)

    def gallery_version(self) -> str:
        """Eight hex digits that change with the embedded gallery; "hub" where there is none."""
        files = self._embedded_files(self.gallery_split)
        return sha256_of(files)[:8] if files else "hub"

    def _hub(self, split: str) -> "datasets.Dataset | None":
        import httpx
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        pattern = self.hub_files.format(split=split)
        try:
            folder = snapshot_download(
                self.hub_id,
                repo_type="dataset",
                allow_patterns=pattern,
                local_files_only=not hub_reachable(),
                etag_timeout=SECONDS,
            )
        except (LocalEntryNotFoundError, HfHubHTTPError, httpx.HTTPError, OSError) as error:
            log.debug("%s is not on the Hub or in its cache: %s", self.hub_id, error)
            return None
        files = sorted(Path(folder).glob(pattern))
        return formats.read_parquet(files, self.labels) if files else None

    def _package(self, split: str) -> "datasets.Dataset | None":
        if self.package is None or formats.idx_file(self.package, split, "images") is None:
            return None
        return formats.read_idx(self.package, split, self.labels)

    def _embedded_files(self, split: str) -> list[Path]:
        return sorted((HUB_CARDS / self.gallery).glob(f"data/{split}-*.parquet"))

    def _embedded(self, split: str) -> "datasets.Dataset | None":
        files = self._embedded_files(split)
        return formats.read_parquet(files, self.labels) if files else None


DATASETS = {
    record.name: record
    for record in [
        DatasetRecord(
            name="fashion-mnist",
            title="Fashion-MNIST",
            labels=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            hub_id="zalando-datasets/fashion_mnist",
            hub_files="fashion_mnist/{split}-*.parquet",
            package=Path("/usr/share/datasets/fashion-mnist"),
            package_hint="On Debian and Ubuntu: apt install dataset-fashion-mnist",
            gallery="rectrio-fashion-mnist",
        ),
    ]
}


def dataset_record(name: str) -> DatasetRecord:
    """The record of that name, or DataError listing the names there are."""
    if name not in DATASETS:
        raise DataError(f"“{name}” is no data set of RecTrio; {', '.join(DATASETS)} is.")
    return DATASETS[name]
