"""DATASETS: one frozen record for each data set, and the loaders that find it.

A data set is taken from the first place that has it: the path the user names, the Hub (or its cache), a package of
the operating system, and for the gallery's split the folder of this repository. A Hub that cannot be reached is
noticed within seconds, once for each process.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rectrio_models import formats
from rectrio_models.cache import sha256_of
from rectrio_models.errors import DataError
from rectrio_models.network import SECONDS, hub_reachable

if TYPE_CHECKING:
    import datasets

    from rectrio_models.descriptions import Descriptions

log = logging.getLogger("rectrio")

HUB_CARDS = Path(__file__).parent.parent / "hub_cards"
OWN = "own"  # names the pictures of the user's own, wherever they lie (`own_data.py`)


@dataclass(frozen=True)
class DatasetRecord:
    """What the program knows of one data set. Adding a data set is adding one of these to DATASETS."""

    name: str
    title: str
    labels: tuple[str, ...]
    hub_id: str  # a data set repository of parquet files, one or more a split
    hub_files: str  # glob of its parquet files, {split} filled in
    package: Path | None = None  # where an operating system's package puts it
    hint: str = ""  # how to get it without the Hub
    gallery: str = ""  # the folder in hub_cards that holds the gallery's split
    gallery_split: str = "test"
    aliases: Mapping[str, str] = field(default_factory=dict)  # other names of the classes, each with its label
    one_split: bool = False  # it comes undivided: a fifth of it, told by the pictures' bytes, is the test split

    def load(self, split: str, *, data: str | Path | None = None) -> "datasets.Dataset":
        """The split "train" or "test" as a Dataset with the features `image` (Image) and `label` (ClassLabel); "all" of
        a data set that comes undivided.

        Raises DataError when the path is not what it claims to be, or when no place has the data set.
        """
        splits = ("train", "test", "all") if self.one_split else ("train", "test")
        if split not in splits:
            raise DataError(f"“{split}” is no split of {self.title}; {', '.join(splits)} are.")
        if data is not None:
            return self._read(Path(data).expanduser(), split)
        for place in (self._hub, self._package, self._embedded):
            if (found := place(split)) is not None:
                return found
        raise DataError(
            f"{self.title} ({split}) is nowhere to be found: the Hub's {self.hub_id} is out of reach. "
            f"{self.hint}, or give a copy of yours with --data."
        )

    def load_without(self, hold_out: Sequence[str], *, data: str | Path | None = None) -> "datasets.Dataset":
        """The pictures to train on: the training split, or where some are held out by their names, all others."""
        return self._parted(hold_out, data)[0] if hold_out else self.load("train", data=data)

    def load_held_out(self, hold_out: Sequence[str], *, data: str | Path | None = None) -> "datasets.Dataset":
        """The pictures that such training never saw: those held out of a data set that comes undivided, and otherwise
        the test split."""
        if hold_out and self.one_split:
            return self._parted(hold_out, data)[1]
        return self.load("test", data=data)

    def _parted(
        self, hold_out: Sequence[str], data: str | Path | None
    ) -> tuple["datasets.Dataset", "datasets.Dataset"]:
        """All pictures whose names fit none of the patterns, and those whose names fit one."""
        whole = self.load("all" if self.one_split else "train", data=data)
        held = [formats.matches(name, hold_out) for name in formats.names_of(whole)]
        if not any(held):
            raise DataError(f"No picture of {self.title} is called {', '.join(hold_out)}: name a class and a file.")
        rows = range(len(held))
        return whole.select([row for row in rows if not held[row]]), whole.select([row for row in rows if held[row]])

    def load_gallery(self, *, data: str | Path | None = None) -> "datasets.Dataset":
        """The pictures that are searched: the embedded ones where they are, so that no network is asked."""
        if data is None and (found := self._embedded(self.gallery_split)) is not None:
            return found
        return self.load(self.gallery_split, data=data)

    def _read(self, path: Path, split: str) -> "datasets.Dataset":
        if not self.one_split or formats.splits_at(path) == ["train", "test"]:
            return formats.read_any(path, split, self.labels, self.aliases)
        inner = path / "raw-img"  # as Kaggle's archive of Animals-10 has it
        named = (formats.splits_at(path) if path.exists() else []) or ["train"]
        whole = formats.read_any(inner if inner.is_dir() else path, named[0], self.labels, self.aliases)
        return self._divided(whole, split)

    def _divided(self, whole: "datasets.Dataset", split: str) -> "datasets.Dataset":
        return formats.fifth(whole, rest=split == "train") if split != "all" else whole

    def descriptions(self) -> "Descriptions":
        """How people describe the classes."""
        from rectrio_models.descriptions import descriptions_of

        return descriptions_of(self.name)

    def facts(self) -> dict:
        """What a training log keeps of the data set beside its name."""
        return {}

    def files(self) -> dict[str, str]:
        """What a model folder carries of the data set, each file's text by its name."""
        return {}

    def gallery_version(self, data: str | Path | None = None) -> str:
        """Eight hex digits that change with the embedded gallery, or with the files of a copy; "hub" where there is
        neither."""
        if data is not None:
            return formats.files_version(Path(data).expanduser())
        files = self._embedded_files(self.gallery_split)
        return sha256_of(files)[:8] if files else "hub"

    def _hub(self, split: str) -> "datasets.Dataset | None":
        import httpx
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        pattern = self.hub_files.format(split="train" if self.one_split else split)
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
        if not files:
            return None
        found = formats.read_parquet(files, self.labels, self.aliases)
        return self._divided(found, split) if self.one_split else found

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
            hint="On Debian and Ubuntu: apt install dataset-fashion-mnist",
            gallery="rectrio-fashion-mnist",
        ),
        DatasetRecord(
            name="animals",
            title="Animals-10",
            labels=(
                "butterfly",
                "cat",
                "chicken",
                "cow",
                "dog",
                "elephant",
                "horse",
                "sheep",
                "spider",
                "squirrel",
            ),
            hub_id="Rapidata/Animals-10",
            hub_files="data/{split}-*.parquet",
            hint="Kaggle has it as alessiocorrado99/animals10",
            aliases={
                "farfalla": "butterfly",
                "gatto": "cat",
                "gallina": "chicken",
                "mucca": "cow",
                "cane": "dog",
                "elefante": "elephant",
                "cavallo": "horse",
                "pecora": "sheep",
                "ragno": "spider",
                "scoiattolo": "squirrel",
            },
            one_split=True,
        ),
    ]
}


def dataset_record(name: str, *, data: Path | None = None, model: Path | None = None) -> DatasetRecord:
    """The record of that name, or DataError listing the names there are.

    data: the folder of the pictures where the name is OWN; model: a model folder that describes their classes.
    """
    if name == OWN:
        from rectrio_models.own_data import own_data

        if data is None:
            raise DataError("Pictures of your own have to be named: add --data DIR, the folder of the class folders.")
        return own_data(data, model=model)
    if name not in DATASETS:
        raise DataError(f"“{name}” is no data set of RecTrio; {', '.join(DATASETS)} are.")
    return DATASETS[name]
