"""Write a data set in another form: image folders, `train/<class>/00001.png`, or the parquet of a Hub repository."""

import io
import tempfile
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from rectrio_models.datasets import DatasetRecord
from rectrio_models.errors import DataError
from rectrio_models.formats import folder_name, from_columns, pictures_of, splits_at


def prepare(
    dataset: DatasetRecord, out: Path, *, data: Path | None = None, form: str = "folders", split: str | None = None
) -> dict[str, int]:
    """Write the splits of a data set into `out`, or the one named; returns how many pictures each has.

    `form` is "folders" or "parquet". Where `data` is one file, the other split is taken from the file beside it, or
    from the gallery. A split is written whole or not at all, and one that is there already is left as it is: a run
    that was stopped goes on. Raises DataError when everything is there, or the data cannot be read.
    """
    named = (splits_at(data) or ["train"]) if data is not None and data.exists() else ["train", "test"]
    wanted = [split] if split else sorted({*named, dataset.gallery_split}, reverse=True)
    written = {}
    for name in wanted:
        target = out / (name if form == "folders" else f"{name}-00000-of-00001.parquet")
        if target.exists():
            continue
        pictures = load_split(dataset, name, data, named)
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=out) as folder:
            draft = Path(folder) / target.name
            write = write_folders if form == "folders" else write_parquet
            write(pictures, dataset.labels, draft, title=f"{dataset.title}, {name}")
            draft.rename(target)
        written[name] = len(pictures)
    if not written:
        raise DataError(f"{out} has {' and '.join(wanted)} already. Delete them, or give another --out.")
    return written


def load_split(dataset: DatasetRecord, split: str, data: Path | None, named: list[str]):
    """A split from the path that was given, from its sister beside it, or from the gallery."""
    if data is None or split in named:
        return dataset.load(split, data=data)
    sister = data.with_name(data.name.replace(named[0], split))
    return dataset.load(split, data=sister) if sister.exists() else dataset.load_gallery()


def write_folders(pictures, labels: tuple[str, ...], folder: Path, *, title: str) -> None:
    """One PNG a picture, numbered within its class."""
    numbers = dict.fromkeys(labels, 0)
    for label in labels:
        (folder / folder_name(label)).mkdir(parents=True)
    digits = pictures["label"][:]
    for digit, picture in tqdm(zip(digits, pictures_of(pictures), strict=True), total=len(digits), desc=title):
        label = labels[digit]
        numbers[label] += 1
        (folder / folder_name(label) / f"{numbers[label]:05}.png").write_bytes(png(picture))


def write_parquet(pictures, labels: tuple[str, ...], path: Path, *, title: str) -> None:
    """Parquet with the features that `datasets` reads back."""
    bar = tqdm(pictures_of(pictures), total=len(pictures), desc=title)
    from_columns([{"bytes": png(picture), "path": None} for picture in bar], pictures["label"][:], labels).to_parquet(
        path
    )


def png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a well-compressed PNG, in one channel where its three are the same."""
    red, green, blue = picture.split()
    grey = red.tobytes() == green.tobytes() == blue.tobytes()
    out = io.BytesIO()
    (red if grey else picture).save(out, "PNG", optimize=True)
    return out.getvalue()
