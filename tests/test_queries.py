"""Query files, attributes and further runs: what is measured with them, against cases whose answer is known."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from rectrio_models.attributes import ATTRIBUTES, MEASURES, brightness, height, pattern, ranks_in_class, sleeves, wanted
from rectrio_models.attributes import width as width_of
from rectrio_models.datasets import DATASETS
from rectrio_models.dual_encoder.texts import NOTHING, Texts, fitting
from rectrio_models.errors import DataError
from rectrio_models.evaluation import copied, sources
from rectrio_models.formats import from_arrays, from_columns
from rectrio_models.queries import answered, attributes_shown, read_queries
from rectrio_models.runs import over_seeds, precision_of_others

FASHION = DATASETS["fashion-mnist"]


class Reader:
    """An encoder of texts alone: each text lies where `places` says."""

    def __init__(self, places):
        self.places = places

    def encode_text(self, texts):
        return np.array([self.places[text] for text in texts], np.float32)


def lines(path, *queries):
    path.write_text("\n".join(json.dumps(query) for query in queries))
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no queries"),
        ('{"text": "a"}', "line 1: no JSON object with text and label"),
        ('{"text": "a", "label": null}\n[1]', "line 2: no JSON object"),
        ('{"text": "a", "label": "Hat"}', "line 1: label “Hat”; expected null or T-shirt/top"),
    ],
)
def test_a_bad_query_file_is_one_sentence(content, message, tmp_path):
    (tmp_path / "queries.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        read_queries(tmp_path / "queries.jsonl", FASHION.labels)


def test_queries_are_counted_right_by_their_ten_best_and_their_class(tmp_path):
    file = lines(
        tmp_path / "some_words.jsonl",
        {"text": "bag", "label": "Bag"},
        {"text": "bad", "label": "Bag"},
        {"text": "nothing", "label": None},
    )
    labels = np.array([8] * 12 + [1] * 12)
    vectors = np.repeat(np.eye(2, dtype=np.float32), 12, axis=0)
    found = answered(
        Reader({"bag": [1, 0], "bad": [0, 1]}), file, vectors=vectors, labels=labels, names=FASHION.labels, data="here"
    )
    assert [(figure.key, figure.value, figure.n) for figure in found] == [
        ("some_words_precision_at_10", 0.5, 2),
        ("some_words_class", 0.5, 2),
    ]


def test_a_query_for_dark_bags_ranks_as_the_pixels_do_or_against_them(tmp_path):
    shades = np.linspace(60, 250, 12).astype(np.uint8)
    pictures = from_arrays(np.broadcast_to(shades[:, None, None], (12, 28, 28)).copy(), np.full(12, 8), FASHION.labels)
    angles = np.linspace(0, 1, 12)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)  # the darkest nearest to (1, 0)
    file = lines(
        tmp_path / "attributes.jsonl",
        {"text": "black bag", "label": "Bag", "attribute": "dark"},
        {"text": "white bag", "label": "Bag", "attribute": "light"},
    )
    places = {"black bag": [1, 0], "white bag": [1, 0]}
    given = {"vectors": vectors, "labels": np.full(12, 8), "pictures": pictures, "data": "here"}
    dark, light = attributes_shown(Reader(places), file, FASHION, **given)
    assert (dark.key, round(dark.value, 6)) == ("attribute_dark", 1)
    assert (light.key, round(light.value, 6)) == ("attribute_light", -1)
    other = lines(tmp_path / "other.jsonl", {"text": "x", "label": "Bag", "attribute": "fragrant"})
    with pytest.raises(DataError, match="“fragrant” is no attribute of Fashion-MNIST; dark, light"):
        attributes_shown(Reader({}), other, FASHION, **given)


def garment(rows, columns, shade=200):
    out = np.zeros((1, 28, 28), np.uint8)
    out[:, rows, columns] = shade
    return out


def test_each_measure_measures_what_it_is_called_for():
    whole, low, slim = (
        garment(slice(2, 26), slice(4, 24)),
        garment(slice(14, 26), slice(4, 24)),
        garment(slice(2, 26), slice(12, 16)),
    )
    assert height(whole) > height(low)
    assert width_of(whole) > width_of(slim)
    assert brightness(garment(slice(2, 26), slice(4, 24), 250)) > brightness(whole)
    striped = whole.copy()
    striped[:, 3:25:4] //= 2
    assert pattern(striped) > pattern(whole)
    assert np.isclose(pattern(whole), 0)
    sleeved = slim.copy()
    sleeved[:, 6:24, 2:5] = 200
    assert sleeves(sleeved) > sleeves(slim) == 0


def test_ranks_are_within_the_class():
    pictures = np.concatenate([garment(slice(0, 28), slice(0, 28), shade) for shade in (50, 90, 130, 100, 60)])
    ranks = ranks_in_class(pictures, np.array([0, 0, 0, 1, 1]))
    assert ranks.shape == (5, len(MEASURES))
    assert ranks[:, 0].tolist() == [0, 0.5, 1, 1, 0]


@pytest.mark.parametrize(
    ("text", "label", "ends"),
    [
        ("a Black handbag", "Bag", {"brightness": False}),
        ("sleeveless dress in white", "Dress", {"brightness": True, "sleeves": False}),
        ("sleeveless sandal", "Sandal", {}),
        ("blackboard bag", "Bag", {}),
        ("ein schwarzes kleid", "Dress", {"brightness": False}),
    ],
)
def test_attributes_are_read_from_whole_words_of_fitting_classes(text, label, ends):
    assert wanted(text, label, ATTRIBUTES["fashion-mnist"]) == ends


def test_a_text_fits_the_pictures_of_its_class_that_show_what_it_asks_for():
    first = [name == "brightness" for name in MEASURES]
    asked = torch.tensor([[0.0] * len(MEASURES), first, [-1.0 * at for at in first], [0.0] * len(MEASURES)])
    texts = Texts(None, None, torch.tensor([0, 0, 0, NOTHING]), asked)
    ranks = torch.full((3, len(MEASURES)), 0.5)
    ranks[:, first.index(True)] = torch.tensor([1.0, 0.0, 1.0])  # bright, dark, and bright but of another class
    found = fitting(texts, torch.tensor([0, 0, 1]), ranks)
    assert torch.allclose(found, torch.tensor([[1.0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]))


def test_copies_are_found_by_their_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
    train = from_arrays(pixels[:3], np.zeros(3, int), FASHION.labels)
    test = from_arrays(pixels[[3, 1]], np.zeros(2, int), FASHION.labels)
    assert copied(test, train).tolist() == [1]


def test_pictures_are_held_out_by_class_and_name(tmp_path):
    animals = DATASETS["animals"]
    for name in ("cat/p_1.png", "cat/o_1.png", "cat/o_2.png", "cane/p_1.png", "dog/o_3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shade = sum(map(ord, name)) % 256
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(tmp_path / name)
    left = animals.load_without(["*/p_*"], data=tmp_path)
    held = animals.load_held_out(["*/p_*"], data=tmp_path)
    assert (len(left), len(held)) == (3, 2)
    assert {source: rows.tolist() for source, rows in sources(held, ["*/p_*"]).items()} == {"p": [0, 1]}
    assert len(animals.load_without(["dog/*"], data=tmp_path)) == 3, "a class by its own name, whatever its folder's"
    with pytest.raises(DataError, match=r"No picture of Animals-10 is called \*/z_\*"):
        animals.load_without(["*/z_*"], data=tmp_path)


def test_neighbours_are_counted_without_the_picture_itself():
    vectors = np.repeat(np.eye(2, dtype=np.float32), 11, axis=0)
    labels = np.array([0] * 11 + [1] * 5 + [2] * 6)
    assert precision_of_others(vectors, labels, np.arange(11)) == 1
    assert precision_of_others(vectors, labels, np.array([11])) == pytest.approx(0.4)


def test_seeds_have_a_mean_and_a_spread():
    mean, spread, worst, best = over_seeds([0.94, 0.95, 0.96], "here")
    assert (mean.value, mean.n) == (pytest.approx(0.95), 3)
    assert (spread.value, worst.value, best.value) == (pytest.approx(0.01), 0.94, 0.96)
    assert [figure.key for figure in over_seeds([0.9], "here")] == ["class_accuracy_mean"]


def test_a_picture_out_of_no_file_is_named_by_its_class():
    from rectrio_models.formats import names_of

    picture = from_columns([{"bytes": b"", "path": None}], [2], FASHION.labels)
    assert names_of(picture) == ["Pullover/"]
