"""Write a data set in another form: image folders, `train/<class>/00001.png`, or the parquet of a Hub repository."""

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from rectrio_models.datasets import DatasetRecord
from rectrio_models.errors import DataError
from rectrio_models.formats import folder_name, splits_at


def prepare(dataset: DatasetRecord, out: Path, *, data: Path | None = None, form: str = "folders") -> dict[str, int]:
    """Write every split of a data set into `out`; returns how many pictures each has.

    `form` is "folders" or "parquet". A split is written whole or not at all. Raises DataError when `out` has a split
    already, or the data cannot be read.
    """
    splits = splits_at(data) if data is not None and data.exists() else ["train", "test"]
    targets = {split: out / (split if form == "folders" else f"{split}-00000-of-00001.parquet") for split in splits}
    if there := [str(target) for target in targets.values() if target.exists()]:
        raise DataError(f"{there[0]} is there already. Delete it, or give another --out.")
    out.mkdir(parents=True, exist_ok=True)
    written = {}
    for split, target in targets.items():
        pictures = dataset.load(split, data=data)
        with tempfile.TemporaryDirectory(prefix=f".{split}-", dir=out) as folder:
            draft = Path(folder) / target.name
            write = write_folders if form == "folders" else write_parquet
            write(pictures, dataset.labels, draft, title=f"{dataset.title}, {split}")
            shutil.move(draft, target)
        written[split] = len(pictures)
    return written


def write_folders(pictures, labels: tuple[str, ...], folder: Path, *, title: str) -> None:
    """One PNG a picture, numbered within its class."""
    numbers = dict.fromkeys(range(len(labels)), 0)
    for label in labels:
        (folder / folder_name(label)).mkdir(parents=True)
    for row in tqdm(pictures, desc=title, unit=" pictures"):
        numbers[row["label"]] += 1
        path = folder / folder_name(labels[row["label"]]) / f"{numbers[row['label']]:05}.png"
        row["image"].save(path)


def write_parquet(pictures, labels: tuple[str, ...], path: Path, *, title: str) -> None:
    """Parquet with the features that `datasets` reads back, the PNGs as small as they get."""
    from rectrio_models.formats import from_columns

    cells = [
        {"bytes": small_png(picture), "path": None} for picture in tqdm(pictures["image"], desc=title, unit=" pictures")
    ]
    from_columns(cells, pictures["label"], labels).to_parquet(path)


def small_png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a well-compressed PNG."""
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()
