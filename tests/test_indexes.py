"""The contract of every kind of index, and of the folder it lives in."""

import json

import numpy as np
import pytest

from index_builders import Gallery, build_index, open_index
from index_builders.gallery import ITEMS
from index_builders.index import KINDS, MANIFEST, VECTORS, Manifest, index_class
from rectrio_models import DATASETS, load_encoder
from rectrio_models.cache import sha256_of
from rectrio_models.errors import DataError, IndexFolderError

RECORD = DATASETS["fashion-mnist"]


def unit(number, dim, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((number, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(params=sorted(KINDS))
def kind(request):
    return request.param


def test_what_was_added_is_found_first(kind):
    vectors, index = unit(500, 32), index_class(kind)(32)
    index.add(vectors[:300])
    index.add(vectors[300:])
    assert len(index) == 500
    scores, rows = index.search(vectors[[7, 450]], 5)
    assert scores.shape == rows.shape == (2, 5)
    assert rows[:, 0].tolist() == [7, 450]
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_scores_are_cosines(kind):
    vectors, queries, index = unit(200, 16), unit(10, 16, seed=1), index_class(kind)(16)
    index.add(vectors)
    scores, rows = index.search(queries, 3)
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ vectors.T, rows, axis=1), atol=1e-5)


def test_k_over_the_size_gives_all(kind):
    index = index_class(kind)(8)
    index.add(unit(3, 8))
    assert sorted(index.search(unit(1, 8, seed=1), 10)[1][0].tolist()) == [0, 1, 2]


def test_a_saved_index_answers_as_before(kind, tmp_path):
    index, queries = index_class(kind)(24), unit(5, 24, seed=2)
    index.add(unit(100, 24))
    index.save(tmp_path / VECTORS)
    again = index_class(kind).load(tmp_path / VECTORS, index.params)
    for before, after in zip(index.search(queries, 7), again.search(queries, 7), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_flat_index_is_exact():
    vectors, queries, index = unit(1000, 32), unit(50, 32, seed=3), index_class("flat")(32)
    index.add(vectors)
    expected = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    np.testing.assert_array_equal(index.search(queries, 10)[1], expected)


# --- folders ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(tiny_folder):
    return load_encoder(str(tiny_folder))


@pytest.fixture
def folder(encoder, idx_folder, tmp_path):
    return build_index(encoder, RECORD, tmp_path / "index", data=idx_folder)


def test_a_built_index_opens_with_its_items(folder, encoder, idx_folder):
    index, gallery = open_index(folder, encoder)
    dataset = RECORD.load("test", data=idx_folder)
    assert len(index) == len(gallery) == len(dataset) == 100
    assert gallery[3].label == RECORD.labels[dataset["label"][3]]
    assert gallery[3].image.convert("L").tobytes() == dataset[3]["image"].tobytes()
    vectors = encoder.encode_images([gallery[row].image for row in range(100)])
    assert index.search(vectors, 1)[0].min() > 0.9999


def test_the_manifest_says_what_is_there(folder, encoder, idx_folder):
    manifest = Manifest.read(folder)
    assert (manifest.fingerprint, manifest.dim) == (encoder.fingerprint, encoder.dim)
    assert (manifest.dataset, manifest.source, manifest.count) == ("fashion-mnist", str(idx_folder), 100)
    assert manifest.checksums == {name: sha256_of([folder / name]) for name in (VECTORS, ITEMS)}
    assert f"--precision f32 --out {folder} --data {idx_folder}" in manifest.rebuild_command(folder)


def change(field, value):
    def damage(folder):
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps(manifest | {field: value}))

    return damage


def flip_a_byte(folder):
    content = bytearray((folder / VECTORS).read_bytes())
    content[-1] ^= 1
    (folder / VECTORS).write_bytes(content)


def other_items(folder):
    Gallery(["Bag"], [b"x"]).save(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change("fingerprint", "0" * 64), "built with another encoder .* python -m index_builders build --release"),
        (change("dim", 7), "built with another encoder"),
        (change("metric", "L2"), "built with another encoder"),
        (change("count", 99), "its manifest says 99"),
        (change("kind", "tree"), "“tree” is no kind of index; flat is"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "manifest.json is damaged"),
        (lambda folder: (folder / MANIFEST).write_text("{}"), "manifest.json is damaged"),
        (lambda folder: (folder / MANIFEST).unlink(), "is no index: it has no manifest.json"),
        (lambda folder: (folder / ITEMS).unlink(), "items.parquet is missing or has changed"),
        (flip_a_byte, "index.faiss is missing or has changed since it was built"),
        (other_items, "items.parquet is missing or has changed"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(damage, message, folder, encoder):
    damage(folder)
    with pytest.raises(IndexFolderError, match=message):
        open_index(folder, encoder)


def test_building_again_replaces_and_dying_leaves_the_old(folder, encoder, idx_folder, monkeypatch):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def dying(self, folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(Manifest, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        build_index(encoder, RECORD, folder, data=idx_folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["index"]
    monkeypatch.undo()
    build_index(encoder, RECORD, folder, data=idx_folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_folder_with_something_else_is_left_alone(encoder, idx_folder, tmp_path):
    for name in ("thesis.doc", MANIFEST):
        (tmp_path / name).write_text("years of work")
    with pytest.raises(IndexFolderError, match="holds something else than an index"):
        build_index(encoder, RECORD, tmp_path, data=idx_folder)


def test_an_unreadable_picture_is_named_by_its_row(encoder, tmp_path):
    (tmp_path / "Bag").mkdir()
    (tmp_path / "Bag" / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="Picture 0 of Fashion-MNIST: What was given is not a picture"):
        build_index(encoder, RECORD, tmp_path / "out", data=tmp_path)
