"""The file formats a labelled picture data set comes in: IDX, Kaggle's CSV, image folders, parquet.

Each reader returns a `datasets.Dataset` with the columns `image` (Image) and `label` (ClassLabel), and raises
DataError naming the file and the line or byte where it stops making sense.
"""

import fnmatch
import gzip
import hashlib
import io
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from rectrio_models.errors import DataError, PictureError
from rectrio_models.pictures import open_picture

if TYPE_CHECKING:
    import datasets

IDX_IMAGES, IDX_LABELS = 2051, 2049  # magic numbers: unsigned bytes in 3 dimensions, in 1
IDX_PREFIX = {"train": "train", "test": "t10k"}
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


def read_any(
    path: Path, split: str, labels: tuple[str, ...], aliases: Mapping[str, str] | None = None
) -> "datasets.Dataset":
    """Read the split "train" or "test" of `path` as whichever of the four formats it is.

    aliases: other names that the classes go by, as folders or in parquet, each with the label it stands for.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist. Give an IDX folder, a Kaggle CSV, an image folder or a parquet file.")
    if (found := splits_at(path)) and split not in found:
        raise DataError(f"{path} holds the {found[0]} split; the {split} split is needed.")
    if path.is_file():
        if path.suffix == ".csv":
            return read_kaggle_csv(path, labels)
        if path.suffix == ".parquet":
            return read_parquet([path], labels, aliases)
        raise DataError(f"{path} ends in “{path.suffix}”; a data set file ends in .csv or .parquet.")
    if idx_file(path, split, "images"):
        return read_idx(path, split, labels)
    if csv := csv_files(path, split):
        return read_kaggle_csv(csv[0], labels)
    if parquet := sorted(path.rglob(f"{split}*.parquet")):
        return read_parquet(parquet, labels, aliases)
    folder = path / split if (path / split).is_dir() else path
    return read_image_folder(folder, labels, aliases)


def splits_at(path: Path) -> list[str]:
    """Which of "train" and "test" a path holds, by its names; nothing where no name says."""
    if path.is_file():
        return [split for split in IDX_PREFIX if split in words(path)]
    return [
        split
        for split in IDX_PREFIX
        if idx_file(path, split, "images")
        or csv_files(path, split)
        or any(path.rglob(f"{split}*.parquet"))
        or (path / split).is_dir()
    ]


def csv_files(folder: Path, split: str) -> list[Path]:
    """The CSV files of a folder that name a split."""
    return sorted(file for file in folder.glob("*.csv") if split in words(file))


def words(path: Path) -> list[str]:
    """The words of a file's name: “fashion-mnist_train.csv” has “train”, “strained.csv” has not."""
    return re.split(r"[\W_]+", path.stem.lower())


# --- IDX, as yann.lecun.com/exdb/mnist describes it --------------------------------------------------------------


def idx_file(folder: Path, split: str, what: str) -> Path | None:
    """The IDX file of a split (`what` is images or labels), gzipped or not, or None."""
    rank = {"images": 3, "labels": 1}[what]
    names = [f"{IDX_PREFIX[split]}-{what}{dash}idx{rank}-ubyte{gz}" for dash in "-." for gz in (".gz", "")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_idx(folder: Path, split: str, labels: tuple[str, ...]) -> "datasets.Dataset":
    """Read `train-images-idx3-ubyte[.gz]` and its labels (`t10k-…` for the test split)."""
    images_path, labels_path = idx_file(folder, split, "images"), idx_file(folder, split, "labels")
    if labels_path is None:
        raise DataError(f"{folder} holds the images of the {split} split but not its labels.")
    images, digits = read_idx_array(images_path, IDX_IMAGES), read_idx_array(labels_path, IDX_LABELS)
    if len(images) != len(digits):
        raise DataError(f"{images_path} holds {len(images):,} images but {labels_path.name} {len(digits):,} labels.")
    if len(digits) and digits.max() >= len(labels):
        at = int((digits >= len(labels)).argmax())
        raise DataError(f"{labels_path}, byte {8 + at}: label {digits[at]}; expected 0 to {len(labels) - 1}.")
    return from_arrays(images, digits, labels)


def read_idx_array(path: Path, magic: int) -> np.ndarray:
    """One IDX file of unsigned bytes as an array, (n, h, w) or (n,)."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged or cut short: {error}. Fetch it again.") from error
    rank = magic & 0xFF
    header = 4 + 4 * rank
    if len(content) < header:
        raise DataError(f"{path} ends at byte {len(content)}, inside the {header}-byte header of an IDX file.")
    found, *shape = struct.unpack_from(f">{1 + rank}I", content)
    if found != magic:
        raise DataError(f"{path}, byte 0: magic number {found}; expected {magic}.")
    if len(content) != header + int(np.prod(shape, dtype=np.int64)):
        raise DataError(
            f"{path} ends at byte {len(content):,}; its header promises "
            f"{' × '.join(map(str, shape))} values, to byte {header + int(np.prod(shape, dtype=np.int64)):,}."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


# --- Kaggle's fashion-mnist_train.csv ----------------------------------------------------------------------------


def read_kaggle_csv(path: Path, labels: tuple[str, ...]) -> "datasets.Dataset":
    """Read a CSV of one picture a line: `label`, then `pixel1` … `pixelN` of a square grey picture, row by row."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    try:
        table = pacsv.read_csv(path)
    except pa.ArrowInvalid as error:  # "CSV parse error: Row #3: Expected 785 columns, got 12: …"
        raise DataError(f"{path}: {str(error).splitlines()[0][:200]}") from error
    pixels = [name for name in table.column_names if name.startswith("pixel")]
    side = int(len(pixels) ** 0.5)
    if "label" not in table.column_names or not pixels or side * side != len(pixels):
        raise DataError(
            f"{path}, line 1: {'no' if 'label' not in table.column_names else 'a'} column “label” and {len(pixels)} "
            "columns “pixel…”; expected “label” and a square number of pixels, as 784."
        )
    ordered = [f"pixel{i}" for i in range(1, len(pixels) + 1)]
    if missing := [name for name in ordered if name not in table.column_names]:
        raise DataError(f"{path}, line 1: the column “{missing[0]}” is missing.")
    digits = csv_columns(table, path, ["label"], len(labels) - 1)[:, 0]
    images = csv_columns(table, path, ordered, 255)
    return from_arrays(images.reshape(-1, side, side), digits, labels)


def csv_columns(table, path: Path, names: list[str], largest: int) -> np.ndarray:
    """Columns of whole numbers from 0 to `largest` as uint8, (rows, columns)."""
    out = np.empty((table.num_rows, len(names)), np.uint8)
    for i, name in enumerate(names):
        column = table.column(name)
        if str(column.type) == "int64" and not column.null_count:
            values = column.to_numpy()
            bad = (values < 0) | (values > largest)
        else:  # an empty cell or a word somewhere in this column
            values = column.to_pylist()
            bad = np.array([not (isinstance(value, int) and 0 <= value <= largest) for value in values], bool)
        if bad.any():
            at = int(bad.argmax())
            came = "nothing" if values[at] in (None, "") else values[at]
            raise DataError(
                f"{path}, line {at + 2}, column “{name}”: {came}; expected a whole number from 0 to {largest}."
            )
        out[:, i] = values
    return out


# --- image folders and parquet -----------------------------------------------------------------------------------


def read_image_folder(
    folder: Path, labels: tuple[str, ...], aliases: Mapping[str, str] | None = None
) -> "datasets.Dataset":
    """Read `class/picture.png` files; the folders' names are the class names, spelt as the data set spells them
    or as a file system must (“T-shirt_top” for “T-shirt/top”), or aliases of them."""
    known = {folder_name(label): i for i, label in enumerate(labels)}
    known |= {alias: labels.index(label) for alias, label in (aliases or {}).items()}
    files = sorted(p for p in folder.glob("*/*") if p.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise DataError(
            f"{folder} is no data set: no IDX files, no CSV, no parquet, and no pictures as class/picture.png."
        )
    if unknown := sorted({p.parent.name for p in files} - set(known)):
        raise DataError(f"{folder / unknown[0]} is no class of this data set; expected {', '.join(known)}.")
    return from_columns([{"bytes": None, "path": str(p)} for p in files], [known[p.parent.name] for p in files], labels)


def folder_name(label: str) -> str:
    """A class name as a folder name: `/` may not stand in one."""
    return label.replace("/", "_")


def read_parquet(
    files: list[Path], labels: tuple[str, ...], aliases: Mapping[str, str] | None = None
) -> "datasets.Dataset":
    """Read parquet with `image` (bytes, or the struct that `datasets` writes) and `label` (class numbers; where the
    file says what they are called, it may number the classes in an order of its own, and call them by aliases)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pa.concat_tables([pq.read_table(file) for file in files], promote_options="permissive")
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{files[0]} is damaged or no parquet file: {str(error).splitlines()[0]}") from error
    if not {"image", "label"} <= set(table.column_names):
        raise DataError(f"{files[0]} has the columns {', '.join(table.column_names)}; expected image and label.")
    digits = table.column("label").to_pylist()
    numbers = own_numbers(table.schema.metadata or {}, files[0], labels, aliases or {})
    for row, digit in enumerate(digits):
        if not isinstance(digit, int) or not 0 <= digit < len(numbers):
            raise DataError(f"{files[0]}, row {row}: label {digit}; expected 0 to {len(numbers) - 1}.")
    digits = [numbers[digit] for digit in digits]
    cells = table.column("image").to_pylist()
    images = [cell if isinstance(cell, dict) else {"bytes": cell, "path": None} for cell in cells]
    return from_columns(images, digits, labels)


def own_numbers(
    metadata: Mapping[bytes, bytes], file: Path, labels: tuple[str, ...], aliases: Mapping[str, str]
) -> list[int]:
    """Our number of each class that a parquet file numbers; its own where it does not say what they are called.

    metadata: of the file's schema, where `datasets` keeps the names of a ClassLabel.
    """
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, ValueError, TypeError):
        return list(range(len(labels)))
    known = {name.lower(): i for i, name in enumerate(labels)}
    known |= {alias.lower(): labels.index(label) for alias, label in aliases.items()}
    if unknown := [name for name in names if name.lower() not in known]:
        raise DataError(f"{file}: “{unknown[0]}” is no class of this data set; expected {', '.join(labels)}.")
    return [known[name.lower()] for name in names]


# --- out of a Dataset ---------------------------------------------------------------------------------------------


def cells_of(dataset: "datasets.Dataset") -> list[dict]:
    """The `image` column as `{"bytes", "path"}` records, not decoded."""
    import datasets

    return dataset.cast_column("image", datasets.Image(decode=False))["image"][:]


def names_of(dataset: "datasets.Dataset") -> list[str]:
    """Each picture's class and file name, “cat/p_01.jpg”; “cat/” of one that comes out of no file."""
    names = dataset.features["label"].names
    files = [Path(cell["path"] or "").name for cell in cells_of(dataset)]
    return [f"{names[number]}/{file}" for number, file in zip(dataset["label"][:], files, strict=True)]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a picture's name fits one of the patterns, as “*/p_*.jpg” or “Bag/*”."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def pictures_of(dataset: "datasets.Dataset") -> Iterator[Image.Image]:
    """Each picture of a Dataset, decoded safely to upright RGB; raises DataError naming the file or the row."""
    for row, cell in enumerate(cells_of(dataset)):
        try:
            yield open_picture(cell["bytes"] if cell["bytes"] is not None else cell["path"])
        except PictureError as error:
            raise DataError(f"Picture {row} of the data set: {error}") from error


def files_version(path: Path) -> str:
    """Eight hex digits that change whenever a file at a path is added, removed or written again."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    states = [(str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((str(path.resolve()), states)).encode()).hexdigest()[:8]


def fifth(dataset: "datasets.Dataset", *, rest: bool) -> "datasets.Dataset":
    """A fifth of a Dataset, or the rest of it: told by the pictures' bytes, so that neither the order of the files nor
    what is added later moves a picture from one to the other, and copies of a picture stay together."""
    rows = []
    for row, cell in enumerate(cells_of(dataset)):
        content = cell["bytes"] if cell["bytes"] is not None else Path(cell["path"]).read_bytes()
        if (hashlib.sha256(content).digest()[0] % 5 == 0) != rest:
            rows.append(row)
    return dataset.select(rows)


# --- into a Dataset ----------------------------------------------------------------------------------------------


def from_arrays(images: np.ndarray, digits: np.ndarray, labels: tuple[str, ...]) -> "datasets.Dataset":
    """Grey pictures (n, h, w) uint8 and class numbers (n,) as a Dataset of PNGs."""
    return from_columns([{"bytes": png(image), "path": None} for image in images], digits.tolist(), labels)


def png(image: np.ndarray) -> bytes:
    """One grey picture (h, w) uint8 as the bytes of a PNG."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def from_columns(images: list[dict], digits: list[int], labels: tuple[str, ...]) -> "datasets.Dataset":
    """`{"bytes", "path"}` records and class numbers as a Dataset."""
    import datasets
    import pyarrow as pa

    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list(labels)))
    table = pa.table(
        {
            "image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            "label": pa.array(digits, pa.int64()),
        }
    )
    return datasets.Dataset(table.cast(features.arrow_schema))
