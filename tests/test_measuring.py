"""What is measured of encoders: retrieval metrics against hand-worked answers, intervals, captions, speed, the page."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rectrio_models import comparison_card, load_encoder
from rectrio_models.__main__ import main as models
from rectrio_models.bench import bench, in_turns
from rectrio_models.captions import CAPTIONED, CaptionedSet
from rectrio_models.comparison import (
    METRICS,
    Metric,
    balanced,
    compare_encoders,
    compare_on_captions,
    figure,
    retrieval,
)
from rectrio_models.datasets import DATASETS, HUB_CARDS
from rectrio_models.errors import DataError
from rectrio_models.figures import Figure
from tests.conftest import absent


def on_a_circle(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_retrieval_by_hand():
    """A query at 0° that wants label 1, of pictures at 10° (1), 20° (0), 30° (1), 80° (0)."""
    found = retrieval(
        "text", on_a_circle(0), np.array([1]), on_a_circle(10, 20, 30, 80), np.array([1, 0, 1, 0]), same=False
    )
    assert found["text_top_1"] == [True]
    assert found["text_precision_at_10"] == [0.5]  # of the four there are
    assert found["text_recall_at_100"] == [1.0]
    assert found["text_map"] == [pytest.approx((1 / 1 + 2 / 3) / 2)]


def test_a_picture_never_finds_itself():
    vectors, labels = on_a_circle(0, 5, 90), np.array([0, 1, 0])
    found = retrieval("image", vectors, labels, vectors, labels, same=True)
    assert found["same_class_top_1"].tolist() == [False, False, False]
    assert found["image_map"].tolist() == [0.5, 0.0, 0.5]


def test_a_balanced_sample_has_as_many_of_each():
    labels = np.repeat([0, 1, 2], [500, 50, 5])
    rows = balanced(labels, 60)
    assert np.bincount(labels[rows]).tolist() == [28, 27, 5]
    assert (balanced(labels, 60) == rows).all()
    assert len(balanced(labels, None)) == 555


def test_the_interval_is_that_of_the_bootstrap():
    """Of a share p in n queries it is about p ± 1.96 √(p(1-p)/n)."""
    values = np.repeat([1.0, 0.0], [80, 320])
    found = figure(Metric("key", "what", "text"), values, "data")
    assert found.value == 0.2
    assert found.low == pytest.approx(0.2 - 0.0392, abs=0.006)
    assert found.high == pytest.approx(0.2 + 0.0392, abs=0.006)
    assert figure(Metric("key", "what", "text"), np.ones(9), "data").low == 1
    assert str(Figure("key", "what", 0.2, 400, low=0.16, high=0.24)) == "20.0% (16.0 to 24.0)"


@pytest.fixture(scope="module")
def compared(tiny_folder, clip_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("comparison") / "c.json"
    given = ["evaluate", "--release", str(tiny_folder), "--release", str(clip_folder), "--precision", "f32"]
    assert models([*given, "--limit", "200", "--json", str(out)]) == 0
    return json.loads(out.read_text())


def test_two_encoders_are_measured_on_the_same_pictures(compared, tiny_folder, clip_folder):
    assert list(compared) == [str(tiny_folder), str(clip_folder)]
    for figures in compared.values():
        assert [found["key"] for found in figures["figures"]] == [metric.key for metric in METRICS]
        for found in figures["figures"]:
            assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    ours, theirs = ([f["value"] for f in figures["figures"]] for figures in compared.values())
    assert ours != theirs


def test_too_few_pictures_are_refused(tiny_folder, capsys):
    assert models(["evaluate", "--release", str(tiny_folder), "--limit", "15"]) == 1
    assert "15 pictures are too few to compare on: 20 at least are." in capsys.readouterr().err


@pytest.fixture
def captioned(tmp_path):
    """Two pictures with captions, one without, and one that is left out."""
    for name, colour, caption in (("a", "red", "A red thing."), ("b", "blue", "A blue thing."), ("c", "green", None)):
        Image.new("RGBA", (30, 20), colour).save(tmp_path / f"{name}.png")
        if caption:
            (tmp_path / f"{name}.txt").write_text(f"{caption}\nfr.utf8=chose\n", encoding="utf-8")
    (tmp_path / "signs").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "signs" / "d.png")
    (tmp_path / "signs" / "d.txt").write_text("A sign.")
    return CaptionedSet("ours", "Ours", tmp_path, "signs", "Draw some")


def test_captions_find_their_pictures(captioned, tiny_folder):
    files, captions = captioned.load()
    assert [file.name for file in files] == ["a.png", "b.png"]
    assert captions == ["A red thing.", "A blue thing."]
    (figures,) = compare_on_captions([load_encoder(str(tiny_folder))], captioned).values()
    told = {found.key: found.value for found in figures.figures}
    assert told["text_recall_at_5"] == told["text_recall_at_10"] == told["picture_recall_at_10"] == 1
    assert told["text_recall_at_1"] in (0, 0.5, 1)


def test_no_captions_say_where_to_get_them(tmp_path):
    with pytest.raises(DataError, match=r"holds no captioned pictures\. On Debian and Ubuntu: apt install tuxpaint"):
        CAPTIONED["tuxpaint-stamps"].load(tmp_path)


def test_the_work_is_done_in_turns():
    done = []
    taken = in_turns({"a": 1, "b": 2}, lambda which, run: done.append(which), 0.05)
    assert done.index(2) < len(done) - 1 - done[::-1].index(1), "b has turns before a's last"
    assert set(taken) == {"a", "b"}
    assert min(map(len, taken.values())) >= 5


def test_another_checkpoint_keeps_its_own_card(clip_folder, capsys):
    before = {file.name for file in clip_folder.iterdir()}
    for command in ("bench", "evaluate"):
        assert models([command, "--release", str(clip_folder)]) == 1
        assert "keeps its own card: add --json FILE" in capsys.readouterr().err
    assert {file.name for file in clip_folder.iterdir()} == before


def test_one_precision_for_two_encoders_is_no_error(tiny_folder):
    """The page has one --precision; a small model runs in f32 whatever it says."""
    assert load_encoder(str(tiny_folder), precision="int8").precision == "f32"


@pytest.mark.slow
def test_bench_measures_every_precision_beside_pytorch(clip_folder):
    told = {found.key: found for found in bench(str(clip_folder), seconds=0.2).figures}
    for of in ("f32", "int8"):
        assert told[f"picture_ratio_{of}"].value == pytest.approx(
            told["picture_ms_pytorch"].value / told[f"picture_ms_{of}"].value
        )
        assert 50 < told[f"memory_{of}"].value < told["memory_pytorch"].value
        assert 0 < told[f"load_s_{of}"].value < told["load_cold"].value
    assert told["size"].value == pytest.approx((clip_folder / "model.safetensors").stat().st_size / 1e6)


def test_the_comparison_page_is_what_the_figures_make_it(tmp_path, monkeypatch):
    page = HUB_CARDS / "COMPARISON.md"
    monkeypatch.setattr(comparison_card, "PAGE", tmp_path / "COMPARISON.md")
    assert comparison_card.write_comparison().read_text() == page.read_text(), "python -m rectrio_models card"
    for release in ("v1-fashion", "v2-clip", "v2-lite"):
        assert f"**{release}**" in page.read_text()
    assert str(Path.home()) not in page.read_text()


@pytest.mark.slow
def test_v2_lite_meets_its_bars():
    """What COMPARISON.md says of the stamps, measured again; the animals are not in this repository."""
    stamps = CAPTIONED["tuxpaint-stamps"]
    if not stamps.place.exists():
        absent("the package tuxpaint-stamps-default")
    (figures,) = compare_on_captions([load_encoder("v2-lite")], stamps).values()
    told = {found.key: found for found in figures.figures}
    assert told["text_recall_at_10"].n == 538
    assert told["text_recall_at_10"].value >= 0.45
    (kept,) = json.loads((HUB_CARDS / "comparisons" / "tuxpaint-stamps.json").read_text()).values()
    for found in kept["figures"]:
        assert found["value"] == pytest.approx(told[found["key"]].value, abs=0.01), found["key"]
    (kept,) = json.loads((HUB_CARDS / "comparisons" / "animals.json").read_text()).values()
    assert {found["key"]: found["value"] for found in kept["figures"]}["zero_shot_accuracy"] >= 0.82


def test_an_undivided_data_set_is_divided_by_its_pictures(tmp_path):
    """Folders in Italian, as Kaggle has them; a picture stays where it is, whatever comes beside it."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "raw-img"
    for name in ("cane", "cavallo", "cat"):
        (folder / name).mkdir(parents=True)
        for i in range(40):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / name / f"{i}.png")
    animals = DATASETS["animals"]
    train, test, everything = (animals.load(split, data=tmp_path) for split in ("train", "test", "all"))
    assert len(train) + len(test) == len(everything) == 120
    assert 10 < len(test) < 40
    names = [everything.features["label"].names[label] for label in everything["label"]]
    assert {name: names.count(name) for name in names} == {"cat": 40, "dog": 40, "horse": 40}
    before = {cell.tobytes() for cell in test["image"]}
    for i in range(40, 60):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / "cane" / f"{i}.png")
    assert before <= {cell.tobytes() for cell in animals.load("test", data=tmp_path)["image"]}


def test_parquet_may_number_its_classes_in_its_own_order(tmp_path):
    import datasets

    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["Spider", "cane", "Cat"]))
    content = {"image": [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(30)], "label": [0, 1, 2] * 10}
    datasets.Dataset.from_dict(content, features=features).to_parquet(tmp_path / "train-0.parquet")
    found = DATASETS["animals"].load("all", data=tmp_path / "train-0.parquet")
    assert [found.features["label"].names[label] for label in found["label"][:3]] == ["spider", "dog", "cat"]
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["Spider", "cane", "giraffe"]))
    datasets.Dataset.from_dict(content, features=features).to_parquet(tmp_path / "train-0.parquet")
    with pytest.raises(DataError, match="“giraffe” is no class of this data set; expected butterfly"):
        DATASETS["animals"].load("all", data=tmp_path / "train-0.parquet")


def test_more_than_one_encoder_can_be_compared_in_python(tiny_folder, idx_folder):
    found = compare_encoders([load_encoder(str(tiny_folder))], DATASETS["fashion-mnist"], data=idx_folder)
    assert next(iter(found.values())).figures[0].n == 100
