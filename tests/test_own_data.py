"""Pictures of the user's own: what a folder may hold, what is made of it, and a clear sentence for the rest."""

import dataclasses
import json
import random
import unicodedata

import numpy as np
import pytest
from PIL import Image

from index_builders.__main__ import main as indexes
from rectrio_models import RecTrioConfig
from rectrio_models.__main__ import main as models
from rectrio_models.datasets import DATASETS, OWN, dataset_record
from rectrio_models.descriptions import TextGenerator
from rectrio_models.descriptions.lexicon import lexicon_of, with_absent
from rectrio_models.descriptions.own import as_yaml, describe, nouns_of, read
from rectrio_models.dual_encoder import training
from rectrio_models.dual_encoder.own_plan import choose
from rectrio_models.dual_encoder.pictures import held_and_shown
from rectrio_models.dual_encoder.starting import starting_point
from rectrio_models.errors import DataError, QueryError, TrainingError
from rectrio_models.own_data import own_data
from rectrio_models.releases import dataset_of
from rectrio_models.wordnet import Synset, WordNet

CLASSES = {"golden retriever": (200, 120, 60), "Café crème": (60, 120, 200), "🐱": (60, 200, 60)}


def paint(folder, number, *, tint=(200, 120, 60), size=(40, 50), seed=0, name="{}.png"):
    """`number` pictures of noise around a colour; grey noise without a tint."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, *folder.name.encode()])
    for i in range(number):
        noise = rng.normal(tint or 128, 30, (*size, 3 if tint else 1)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise if tint else noise[..., 0]).save(folder / name.format(i))


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """Three classes of a dozen coloured pictures each. Treat it as read-only."""
    folder = tmp_path_factory.mktemp("own") / "my pets ♥"
    for label, tint in CLASSES.items():
        paint(folder / label, 12, tint=tint, name="{} é.png")
    return folder


@pytest.fixture(scope="module")
def small(tiny_config):
    """The arguments of a small model of colour pictures of 28 pixels."""
    return RecTrioConfig(**tiny_config, image_size=28, num_channels=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory, pets, small):
    """A model folder trained on the pets by the command, for one epoch. Treat it as read-only."""
    out = tmp_path_factory.mktemp("own-model") / "my model"
    whole = training.train
    with pytest.MonkeyPatch.context() as patch:
        few = {"text_epochs": 1, "text_steps": 4, "text_batch": 32}

        def train(plan, out, **given):
            return whole(dataclasses.replace(plan, **few), out, **given | {"config": small})

        patch.setattr(training, "train", train)
        patch.setattr("rectrio_models.dual_encoder.own_plan.TOKENIZER_TEXTS", 300)
        assert models(["train", "--data", str(pets), "--out", str(out), "--epochs", "1", "--image-size", "28"]) == 0
    return out


# --- folders ------------------------------------------------------------------------------------------------------


def nothing(folder):
    folder.mkdir()


def no_folder(folder):
    pass


def loose_pictures(folder):
    paint(folder, 3)


def other_files(folder):
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "notes.heic").write_bytes(b"x")


def further_in(folder):
    paint(folder / "images" / "cat", 1)
    paint(folder / "images" / "dog", 1)


def all_damaged(folder):
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "1.jpg").write_bytes(b"no picture")


def a_csv(folder):
    folder.mkdir()
    (folder / "fashion-mnist_train.csv").write_text("label,pixel1\n0,0\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_folder, "does not exist. Give a folder that has a folder of pictures for each class"),
        (nothing, "holds no pictures. Give a folder that has a folder of pictures for each class"),
        (loose_pictures, "holds 3 pictures but no class folders. Give a folder that has"),
        (other_files, "holds only files that end in .heic. Give a folder"),
        (further_in, "has pictures further in, as .*images.*. Give .*images, if its folders are the classes"),
        (all_damaged, "None of the 1 pictures in .* can be read: “1.jpg” is not a picture"),
        (a_csv, "holds CSV, .* name its data set, as --dataset fashion-mnist"),
    ],
)
def test_a_folder_without_a_data_set_is_one_sentence(make, message, tmp_path):
    make(tmp_path / "data")
    with pytest.raises(DataError, match=message):
        own_data(tmp_path / "data")


def test_one_class_is_refused_for_training_alone(tmp_path, capsys):
    paint(tmp_path / "pets" / "cat", 3)
    assert models(["train", "--data", str(tmp_path / "pets"), "--out", str(tmp_path / "out")]) == 1
    assert "pets has one class with pictures, “cat”; two at least are needed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert len(own_data(tmp_path / "pets").load_gallery()) == 3, "one class can be searched"


def test_unreadable_files_are_skipped_counted_and_named(tmp_path):
    paint(tmp_path / "cat", 30)
    paint(tmp_path / "dog", 30)
    for i in range(4):
        (tmp_path / "dog" / f"bad{i}.jpg").write_bytes(b"no picture")
    cut = (tmp_path / "cat" / "0.png").read_bytes()[:500]
    (tmp_path / "cat" / "cut.png").write_bytes(cut)
    data = own_data(tmp_path)
    assert data.skipped == 5
    assert (
        "5 of 65 pictures cannot be read and are skipped: cat/cut.png, dog/bad0.jpg, dog/bad1.jpg and 2 more"
        in " ".join(data.notes)
    )
    assert len(data.load("train")) + len(data.load("test")) == 60


def test_hidden_and_empty_folders_are_no_classes(tmp_path):
    for name in ("cat", "dog", ".thumbnails", "__MACOSX"):
        paint(tmp_path / name, 2)
    paint(tmp_path / "cat", 1, name="._{}.png")
    (tmp_path / "bird").mkdir()
    data = own_data(tmp_path)
    assert data.labels == ("cat", "dog")
    assert len(data.pictures) == 4
    assert any("bird in" in note and "no class is made of it" in note for note in data.notes)


def test_both_spellings_of_an_accent_are_one_class(tmp_path):
    paint(tmp_path / unicodedata.normalize("NFD", "café"), 2)
    paint(tmp_path / unicodedata.normalize("NFC", "café"), 2, seed=1)
    paint(tmp_path / "thé", 2)
    assert own_data(tmp_path).labels == ("café", "thé")


def test_train_and_test_are_taken_as_they_are_divided(tmp_path):
    for split, number in (("train", 3), ("test", 2)):
        for label in ("cat", "dog"):
            paint(tmp_path / split / label, number, seed=number)
    paint(tmp_path / "val" / "cat", 1)
    data = own_data(tmp_path)
    assert data.sizes() == {"train": 6, "test": 4}
    assert "val beside train is left out." in data.notes


def test_folders_called_train_and_test_may_be_classes(tmp_path):
    paint(tmp_path / "train", 2)
    paint(tmp_path / "bus", 2)
    assert own_data(tmp_path).labels == ("bus", "train")


def test_the_division_is_stable_and_leaves_no_class_out(tmp_path):
    paint(tmp_path / "cat", 40)
    paint(tmp_path / "dog", 2)
    paint(tmp_path / "lone", 1)
    before = own_data(tmp_path)
    splits = {(label, split) for label, split in ((before.labels[p.label], p.split) for p in before.pictures)}
    assert splits == {("cat", "train"), ("cat", "test"), ("dog", "train"), ("dog", "test"), ("lone", "train")}
    assert any(note.startswith("lone has too few pictures for a test") for note in before.notes)
    paint(tmp_path / "cat", 20, seed=1, name="a{}.png")
    after = {p.path: p.split for p in own_data(tmp_path).pictures}
    assert all(after[p.path] == p.split for p in before.pictures if before.labels[p.label] == "cat")


def test_the_version_changes_with_the_pictures(tmp_path):
    paint(tmp_path / "cat", 2)
    paint(tmp_path / "dog", 2)
    before = own_data(tmp_path).gallery_version()
    assert own_data(tmp_path).gallery_version() == before
    paint(tmp_path / "cat", 1, seed=5)
    changed = own_data(tmp_path).gallery_version()
    (tmp_path / "dog").rename(tmp_path / "wolf")
    assert len({before, changed, own_data(tmp_path).gallery_version()}) == 3


# --- descriptions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bird: [a bird]", "“bird” is no class folder; cat, dog are"),
        ("cat: nice", "“cat” is the text “nice”; expected a list of descriptions"),
        ("cat: []", "“cat”, descriptions: an empty list"),
        ("cat: {nouns: ['']}", "“cat”, nouns: an empty text"),
        ("cat: {nouns: tabby}", "“cat”, nouns: the text “tabby”; expected a list of texts"),
        ("cat: {colours: [red]}", "“cat” has “colours”; expected descriptions, nouns, looks, details, uses"),
        ("cat: [{a: b}]", "“cat”, descriptions: a list of other things than texts"),
        ("- cat", "holds a list .* expected class names"),
        ("", "holds .*; expected class names"),
        ("cat: [a", "line 1 is no YAML: |line 2 is no YAML: "),
    ],
)
def test_a_bad_description_names_the_file_and_the_class(text, message, tmp_path):
    (tmp_path / "descriptions.yaml").write_text(text)
    with pytest.raises(DataError, match=message) as refused:
        describe(("cat", "dog"), tmp_path / "descriptions.yaml")
    assert str(tmp_path / "descriptions.yaml") in str(refused.value)


def test_a_named_file_has_to_be_there(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        describe(("cat",), tmp_path / "none.yaml", asked=True)


def test_names_that_yaml_reads_as_something_else_are_names(tmp_path):
    (tmp_path / "d.yaml").write_text("no: [a flag of norway]\n2024: [a year, 1984]\n")
    assert read(tmp_path / "d.yaml", ("no", "2024"))["2024"].descriptions == ("a year", "1984")


def test_what_is_written_is_drawn_and_what_is_not_is_made_from_the_name(tmp_path):
    (tmp_path / "d.yaml").write_text("dog: {nouns: [hound], uses: [for hunting]}\n")
    descriptions, lost = describe(("blackCats", "dog"), tmp_path / "d.yaml")
    assert len(lost) == 1
    assert lost[0].startswith("blackCats is described by name alone, as “a photo of a black cat”")
    generator, rng = TextGenerator(descriptions), random.Random(0)
    drawn = {label: [generator.draw(label, rng) for _ in range(400)] for label in ("blackCats", "dog")}
    assert "black cat" in " ".join(drawn["blackCats"])
    assert "something for hunting" in drawn["dog"]
    assert not any("hunting" in text for text in drawn["blackCats"])
    assert not any("something" in text for text in drawn["blackCats"]), "which would say nothing of the class"
    assert not any("{" in text for texts in drawn.values() for text in texts)


def test_the_descriptions_come_back_from_what_is_written(tmp_path):
    (tmp_path / "d.yaml").write_text("cat: {nouns: [cat, tabby], looks: [furry]}\n")
    descriptions, _ = describe(("cat", "🐱"), tmp_path / "d.yaml")
    (tmp_path / "again.yaml").write_text(as_yaml(descriptions), encoding="utf-8")
    assert describe(("cat", "🐱"), tmp_path / "again.yaml")[0] == descriptions


def test_classes_that_read_alike_are_told(tmp_path):
    _, lost = describe(("Café", "cafe"), tmp_path / "none.yaml")
    assert "A text cannot tell Café from cafe: they read the same." in lost


@pytest.mark.parametrize(
    ("name", "nouns"),
    [
        ("GoldenRetriever", ("golden retriever", "golden retrievers")),
        ("T-shirts", ("t-shirt", "t-shirts", "t shirt", "t shirts")),
        ("berries", ("berry", "berries")),
        ("n02085620-Chihuahua", ("chihuahua", "chihuahuas")),
        ("great white, white shark", ("great white", "great whites", "white shark", "white sharks")),
        ("🐱", ("🐱", "cat face")),
        ("東京", ("東京", "東京s")),
    ],
)
def test_a_name_says_what_a_class_is_called(name, nouns):
    assert nouns_of(name) == nouns


def test_wordnet_knows_classes_by_name(tmp_path):
    synsets = {
        1: Synset(("entity",), "all", ()),
        2: Synset(("animal",), "a living thing", (1,)),
        3: Synset(("cat", "true cat"), "a feline", (2,)),
        4: Synset(("siamese",), "a slender cat", (3,)),
        5: Synset(("horse",), "a hoofed one", (2,)),
        6: Synset(("cat", "caterpillar tractor"), "a tractor", (1,)),
        7: Synset(("table",), "a piece of furniture", (1,)),
    }
    senses = {"entity": {1: 1}, "animal": {2: 1}, "cat": {3: 0.9, 6: 0.1}, "true cat": {3: 1}, "siamese": {4: 1}}
    senses |= {"horse": {5: 1}, "caterpillar tractor": {6: 1}, "table": {7: 1}}
    descriptions, _ = describe(("Cats", "Mug_of_mine"), tmp_path / "none.yaml")
    lexicon = lexicon_of(OWN, descriptions, WordNet(synsets, senses, {}))
    every = {name for names in (lexicon.present, lexicon.kept_present) for name, _ in names["Cats"]}
    assert every >= {"cat", "true cat", "siamese"}
    assert ("mug of mine", "") in lexicon.present["Mug_of_mine"], "which WordNet does not know"
    absent = {name for name, _ in (*lexicon.absent, *lexicon.kept_absent)}
    assert absent == {"entity", "table"} - {"entity"} | ({"entity"} & absent)
    assert "horse" not in absent, "an animal, as a cat is: who knows"
    assert "caterpillar tractor" not in absent, "a cat in another meaning"
    assert set(with_absent(descriptions, lexicon).absent) <= {"table"}
    strangers, _ = describe(("xqzt", "wvut"), tmp_path / "none.yaml")
    assert lexicon_of(OWN, strangers, WordNet(synsets, senses, {})) is None


# --- the plan -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tint", "size", "given", "form"),
    [
        (None, (28, 28), {}, (1, 28, False)),
        (None, (32, 40), {}, (1, 32, False)),
        (None, (70, 65), {}, (1, 64, True)),
        ((200, 120, 60), (28, 28), {}, (3, 28, True)),
        ((200, 120, 60), (200, 300), {}, (3, 144, True)),
        ((200, 120, 60), (10, 12), {}, (3, 28, True)),
        ((200, 120, 60), (50, 60), {"colour": "grey", "image_size": 32}, (1, 32, False)),
        (None, (50, 60), {"colour": "rgb", "image_size": 64}, (3, 64, True)),
    ],
)
def test_colour_and_size_follow_the_pictures(tint, size, given, form, tmp_path):
    paint(tmp_path / "cat", 3, tint=tint, size=size)
    paint(tmp_path / "dog", 3, tint=tint, size=size)
    chosen = choose(own_data(tmp_path), **given)
    assert (chosen.config.num_channels, chosen.config.image_size, chosen.plan.photos) == form
    assert f"{form[1]} × {form[1]}" in chosen.why
    assert chosen.plan.validation == 0
    assert chosen.plan.batch_size == 2, "of four to train on"


def test_bad_sizes_and_places_are_one_sentence(pets, tmp_path, capsys):
    with pytest.raises(TrainingError, match="The image size is 8; it must be 16 to 224 pixels"):
        choose(own_data(pets), image_size=8)
    for given, message in (
        (["--data", str(pets), "--out", str(pets / "model")], "lies among the pictures"),
        (["--out", str(tmp_path / "out")], "Say what to train on: --data DIR"),
        (["--dataset", "fashion-mnist", "--colour", "grey", "--out", str(tmp_path / "out")], "leave --dataset out"),
    ):
        assert models(["train", *given]) == 1
        assert message in capsys.readouterr().err


def test_no_class_is_held_out_whole():
    import torch

    labels = torch.tensor([0, 1, 0, 0, 2])
    held, shown = held_and_shown(torch.tensor([1, 0, 2, 3, 4]), labels, 2)
    assert (held.tolist(), shown.tolist()) == ([0], [2, 3, 4, 1])


# --- end to end ---------------------------------------------------------------------------------------------------


def test_the_model_folder_stands_alone(model, pets):
    log = json.loads((model / "training.json").read_text())
    assert log["plan"]["dataset"] == OWN
    assert log["data"]["labels"] == sorted(CLASSES)
    assert sorted(json.loads((model / "config.json").read_text())["id2label"].values()) == sorted(CLASSES)
    assert set(read(model / "descriptions.yaml")) == set(CLASSES)
    for file in model.iterdir():
        assert str(pets.parent).encode() not in file.read_bytes(), f"{file.name} names this machine's folders"
    assert "pets ♥" in (model / "README.md").read_text()


def test_it_is_measured_without_naming_a_data_set(model, pets, capsys, tmp_path):
    assert models(["evaluate", "--release", str(model), "--data", str(pets), "--json", str(tmp_path / "f.json")]) == 0
    assert "class accuracy" in capsys.readouterr().out
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["figures"][0]["data"] == "my pets ♥, test"
    assert str(pets.parent) not in (tmp_path / "f.json").read_text()
    assert models(["evaluate", "--release", str(model)]) == 1
    assert "was trained on pictures of your own: add --data DIR" in capsys.readouterr().err
    assert models(["card", "--release", str(model)]) == 0


def test_its_index_is_built_and_searched(model, pets, tmp_path, capsys):
    given = ["--release", str(model), "--data", str(pets)]
    assert indexes(["build", *given, "--out", str(tmp_path / "index")]) == 0
    assert indexes(["search", "--index", str(tmp_path / "index"), "café", "-k", "1", "--json"]) == 0
    (hit,) = json.loads(capsys.readouterr().out.splitlines()[-1])["hits"]
    assert hit["label"] in CLASSES
    assert indexes(["search", *given, "🐱", "-k", "36"]) == 0
    assert "36" in capsys.readouterr().out


def test_the_page_opens_on_it(model, pets):
    from app import build_page, text_examples
    from index_builders import Searchers

    searchers = Searchers(dataset_of(str(model), data=pets), data=pets)
    assert text_examples(searchers, str(model))[0] == "a photo of a café crème"
    build_page(searchers, release=str(model))


def test_which_data_set_a_folder_is(model, pets, tmp_path):
    assert dataset_of(str(model), data=pets) == dataset_of("v2-lite", data=pets) == OWN
    paint(tmp_path / "test" / "Bag", 1)
    assert dataset_of("v1-fashion", data=tmp_path) == "fashion-mnist", "whose classes these are"
    with pytest.raises(QueryError, match="was trained on pictures of your own"):
        dataset_of(str(model))
    with pytest.raises(DataError, match="have to be named: add --data DIR"):
        dataset_record(OWN)


# --- training on --------------------------------------------------------------------------------------------------


def test_a_run_starts_from_a_model(model, pets, tmp_path):
    from safetensors.torch import load_file

    paint(tmp_path / "cup", 6)
    paint(tmp_path / "🐱", 6, tint=(60, 200, 60))
    start = starting_point(model)
    record = own_data(tmp_path, model=model)
    with pytest.raises(TrainingError, match="takes colour pictures of 28 × 28: leave --image-size and --colour out"):
        choose(record, start=start, image_size=32)
    chosen = choose(
        record,
        start=start,
        init_from="my model",
        epochs=1,
        text_epochs=1,
        text_steps=2,
        learning_rate=1e-9,
        wordnet=False,
    )
    training.train(chosen.plan, tmp_path / "out", record=record, init_from=model)
    before, after = (load_file(folder / "model.safetensors") for folder in (model, tmp_path / "out"))
    name = "image_projection.weight"
    assert np.allclose(before[name], after[name], atol=1e-5), "a rate of nearly nothing leaves the weights in place"
    log = json.loads((tmp_path / "out" / "training.json").read_text())
    assert log["plan"]["init_from"] == "my model"
    assert log["data"]["labels"] == ["cup", "🐱"]
    assert (tmp_path / "out" / "tokenizer.json").read_text() == (model / "tokenizer.json").read_text()


def test_clip_is_nothing_to_start_from(clip_folder, pets, tmp_path, capsys):
    given = ["train", "--data", str(pets), "--out", str(tmp_path / "out"), "--init-from", str(clip_folder)]
    assert models(given) == 1
    assert "is a model of the type “clip”; training starts from a RecTrio model" in capsys.readouterr().err


def write_garments(folder, labels, *, train, test):
    """Class folders of Fashion-MNIST's own pictures: so many of each label for training, and for the test."""
    from rectrio_models.formats import cells_of, folder_name

    record = DATASETS["fashion-mnist"]
    for split, number in (("train", train), ("test", test)):
        pictures = record.load(split)
        numbers, cells = np.array(pictures["label"]), cells_of(pictures)
        for label in labels:
            place = folder / split / folder_name(label)
            place.mkdir(parents=True)
            for row in np.flatnonzero(numbers == record.labels.index(label))[:number]:
                (place / f"{row}.png").write_bytes(cells[row]["bytes"])


def nearest_class(folder, data, among):
    """Of the test pictures of the classes `among`, which is nearest by text, and which is right, (n,) each."""
    from rectrio_models import load_encoder
    from rectrio_models.evaluation import class_vectors, encode_pictures

    record = own_data(data, model=folder)
    encoder, pictures = load_encoder(str(folder), backend="torch"), record.load("test")
    labels, kept = np.array(pictures["label"]), np.array([record.labels.index(label) for label in among])
    rows = np.flatnonzero(np.isin(labels, kept))
    vectors = encode_pictures(encoder, pictures.select(rows), title="encoding")
    classes = class_vectors(encoder, record.descriptions())[kept]
    return kept[(vectors @ classes.T).argmax(axis=1)], labels[rows]


@pytest.mark.slow
def test_a_new_class_leaves_the_old_ones_as_good_as_they_were(tmp_path):
    """Nine classes of Fashion-MNIST, then with --init-from all ten: the old nine lose less than a point, both times
    told apart among the nine alone, on the same 2,250 test pictures; and the tenth is found."""
    labels = DATASETS["fashion-mnist"].labels
    nine, ten = tmp_path / "nine", tmp_path / "ten"
    old = [label for label in labels if label != "Bag"]
    write_garments(nine, old, train=150, test=250)
    write_garments(ten, labels, train=150, test=250)
    shape = {"stem_width": 8, "widths": [8, 16, 32, 64], "embedding_width": 32, "hidden_width": 32}
    small = RecTrioConfig(**shape, projection_dim=64)
    given = {"finish": 0, "tokenizer_texts": 3000, "wordnet": False, "validation": 0, "batch_size": 32}
    given["average"] = 0.98  # a short memory for a short run

    record = own_data(nine)
    plan = choose(record, epochs=16, **given).plan
    first = training.train(plan, tmp_path / "first", config=small, record=record)
    record = own_data(ten, model=first)
    plan = choose(record, start=starting_point(first), init_from="first", epochs=6, **given).plan
    second = training.train(plan, tmp_path / "second", record=record, init_from=first)

    among = [label.replace("/", "_") for label in old]
    before, after = (nearest_class(*case, among) for case in ((first, nine), (second, ten)))
    accuracy, again = (float(np.mean(found == right)) for found, right in (before, after))
    assert len(before[0]) == len(after[0]) == 9 * 250
    assert accuracy > 0.65, "a ninth is chance: there is something to forget"
    assert again > accuracy - 0.01
    found, right = nearest_class(second, ten, [label.replace("/", "_") for label in labels])
    bag = own_data(ten, model=second).labels.index("Bag")
    assert np.mean(found[right == bag] == bag) > 0.6, "the new class is found among all ten"
