"""Every format reads to the same data set, and what is damaged is named by file and line or byte."""

import gzip
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from rectrio_models.datasets import DATASETS
from rectrio_models.errors import DataError
from rectrio_models.formats import pictures_of, read_any, splits_at
from rectrio_models.prepare import prepare

RECORD = DATASETS["fashion-mnist"]


def pixels_of(dataset):
    return np.stack([np.asarray(picture.convert("L")) for picture in dataset["image"]])


def kaggle_csv(path, dataset):
    """Write a data set as Kaggle's CSV."""
    pixels = pixels_of(dataset).reshape(len(dataset), -1)
    header = ",".join(["label", *(f"pixel{i}" for i in range(1, pixels.shape[1] + 1))])
    rows = [",".join(map(str, [label, *row])) for label, row in zip(dataset["label"], pixels, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def csv(idx_folder, tmp_path):
    return kaggle_csv(tmp_path / "fashion-mnist_train.csv", RECORD.load("train", data=idx_folder).select(range(20)))


@pytest.mark.parametrize("form", ["csv", "folders", "parquet", "gzip"])
def test_every_format_reads_the_same_pictures(form, idx_folder, tmp_path):
    expected = RECORD.load("test", data=idx_folder)
    if form == "csv":
        kaggle_csv(tmp_path / "fashion-mnist_test.csv", expected)
    elif form == "gzip":
        for file in idx_folder.glob("t10k*"):
            (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    else:
        prepare(RECORD, tmp_path, data=idx_folder, form=form)
    found = RECORD.load("test", data=tmp_path)
    assert found.features == expected.features
    if form == "folders":  # class by class; the other formats keep the order
        expected = expected.sort("label")
        order = sorted(
            range(len(found)), key=lambda row: (found["label"][row], found.data["image"][row]["path"].as_py())
        )
        found = found.select(order)
        for label in range(10):
            rows = [
                {p.tobytes() for p in d.filter(lambda r, n=label: r["label"] == n)["image"]} for d in (found, expected)
            ]
            assert rows[0] == rows[1]
    else:
        assert found["label"] == expected["label"]
        np.testing.assert_array_equal(pixels_of(found), pixels_of(expected))


def test_prepare_names_the_files_by_class(csv, tmp_path):
    written = prepare(RECORD, tmp_path / "out", data=csv)
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert written == {"train": 20, "test": 10_000}, "the gallery stands in for the test split"
    files = [file for file in files if file.startswith("train/")]
    assert len(files) == 20
    assert all(re.fullmatch(r"train/[^/]+/0000\d\.png", file) for file in files)
    assert any(file.startswith("train/Ankle boot/") for file in files)
    assert Image.open(tmp_path / "out" / files[0]).mode == "L"
    with pytest.raises(DataError, match="has train and test already"):
        prepare(RECORD, tmp_path / "out", data=csv)
    shutil.rmtree(tmp_path / "out" / "train")
    assert prepare(RECORD, tmp_path / "out", data=csv) == {"train": 20}, "what is there is left as it is"


def test_the_other_split_is_taken_from_the_file_beside(csv, idx_folder, tmp_path):
    kaggle_csv(tmp_path / "fashion-mnist_test.csv", RECORD.load("test", data=idx_folder).select(range(7)))
    assert prepare(RECORD, tmp_path / "out", data=csv) == {"train": 20, "test": 7}


@pytest.mark.parametrize("name", ["latest.csv", "strained.csv", "mine.csv"])
def test_only_whole_words_name_a_split(name, csv):
    csv.rename(csv.with_name(name))
    assert splits_at(csv.with_name(name)) == []
    assert len(read_any(csv.with_name(name), "test", RECORD.labels)) == 20


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / "Bag").mkdir()
    (tmp_path / "Bag" / "holiday.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"Picture 0 of the data set: “holiday\.png” is not a picture"):
        list(pictures_of(RECORD.load("train", data=tmp_path)))


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def wrong_magic(path):
    path.write_bytes(b"\0\0\x08\x01" + path.read_bytes()[4:])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "ends at byte 470,415; its header promises 600 × 28 × 28 values, to byte 470,416"),
        (wrong_magic, "train-images-idx3-ubyte, byte 0: magic number 2049; expected 2051"),
        (lambda path: path.write_bytes(b"\0\0\x08\x03"), "ends at byte 4, inside the 16-byte header"),
        (lambda path: path.with_name("train-labels-idx1-ubyte").unlink(), "but not its labels"),
    ],
)
def test_damaged_idx_files_are_named(damage, message, idx_folder, tmp_path):
    for file in idx_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damage(tmp_path / "train-images-idx3-ubyte")
    with pytest.raises(DataError, match=message):
        RECORD.load("train", data=tmp_path)


def test_truncated_gzip_is_named(idx_folder, tmp_path):
    for file in idx_folder.glob("train*"):
        (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes())[:-100])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is damaged or cut short"):
        RECORD.load("train", data=tmp_path)


def test_a_label_out_of_range_is_named_by_its_byte(idx_folder, tmp_path):
    for file in idx_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    labels = bytearray((tmp_path / "train-labels-idx1-ubyte").read_bytes())
    labels[8 + 5] = 10
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(DataError, match="byte 13: label 10; expected 0 to 9"):
        RECORD.load("train", data=tmp_path)


@pytest.mark.parametrize(
    ("find", "put", "message"),
    [
        (r"pixel784\b", "pixel999", "line 1: the column “pixel784” is missing"),
        (r",pixel784\b", "", "Expected 784 columns|783 columns “pixel…”"),
        (r"^label", "digit", "line 1: no column “label”"),
        (r"(?m)^(\d+,\d+),\d+", r"\1,256", "line 2, column “pixel2”: 256; expected a whole number from 0 to 255"),
        (r"(?m)^(\d+,\d+),\d+", r"\1,-1", "line 2, column “pixel2”: -1"),
        (r"(?m)^(\d+,\d+),\d+", r"\1,grey", "line 2, column “pixel2”: grey"),
        (r"(?m)^(\d+,\d+),\d+", r"\1,", "line 2, column “pixel2”: nothing"),
        (r"(?m)^\d+(,\d+,\d+)", r"10\1", "line 2, column “label”: 10; expected a whole number from 0 to 9"),
    ],
)
def test_a_bad_csv_is_named_by_its_line(csv, find, put, message):
    csv.write_text(re.sub(find, put, csv.read_text(), count=1))
    with pytest.raises(DataError, match=message):
        read_any(csv, "train", RECORD.labels)


def test_the_wrong_split_is_refused(csv):
    with pytest.raises(DataError, match="holds the train split; the test split is needed"):
        RECORD.load("test", data=csv)


def sock(path):
    (path / "Sock").mkdir(parents=True)
    (path / "Sock" / "1.png").touch()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "no IDX files, no CSV, no parquet"),
        (lambda path: path.write_text("hello"), "a data set file ends in"),
        (sock, "Sock is no class"),
    ],
)
def test_what_is_no_data_set_is_refused(make, message, tmp_path):
    make(tmp_path / "data.txt")
    with pytest.raises(DataError, match=message):
        RECORD.load("train", data=tmp_path / "data.txt")


def test_damaged_parquet_is_named(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"train\.parquet is damaged"):
        RECORD.load("train", data=tmp_path)
