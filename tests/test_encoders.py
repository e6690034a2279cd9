"""The contract of every Encoder, over every implementation; and the parity of OpenVINO with PyTorch."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from rectrio_models import load_encoder
from rectrio_models.errors import ModelError

TEXTS = ["a pair of boots", "BAG", "something warm to wear in winter when it snows and the wind blows", "", "👖"]


@pytest.fixture(scope="module", params=["v1", "v1 on torch", "clip", "clip on torch", "v2-lite"])
def encoder(request, tiny_folder, clip_folder):
    which, _, backend = request.param.partition(" on ")
    release = {"v1": str(tiny_folder), "clip": str(clip_folder)}.get(which, which)
    return load_encoder(release, backend=backend or "openvino", precision="f32")


def assert_unit(vectors, number, encoder):
    assert vectors.shape == (number, encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_vectors_are_unit_float32_whatever_the_batch(encoder, pictures):
    for number in (1, 3, 64):
        assert_unit(encoder.encode_images(pictures[:number]), number, encoder)
        assert_unit(encoder.encode_text((TEXTS * 13)[:number]), number, encoder)
    assert encoder.encode_images([]).shape == encoder.encode_text([]).shape == (0, encoder.dim)


def test_the_batch_changes_nothing(encoder, pictures):
    """To 1e-5: sums are made in another order for another shape, and no more."""
    together = encoder.encode_images(pictures)
    alone = np.concatenate([encoder.encode_images([picture]) for picture in pictures[:8]])
    np.testing.assert_allclose(together[:8], alone, atol=1e-5)
    together = encoder.encode_text(TEXTS * 30)
    alone = np.concatenate([encoder.encode_text([text]) for text in TEXTS])
    np.testing.assert_allclose(together[: len(TEXTS)], alone, atol=1e-5)


def test_any_mode_and_size_of_picture_is_taken(encoder, photo):
    odd = [photo, photo.convert("L"), photo.convert("CMYK"), Image.new("RGB", (1, 1)), Image.new("L", (1, 900), 80)]
    assert_unit(encoder.encode_images(odd), len(odd), encoder)


def test_many_threads_get_their_own_answers(encoder, pictures):
    expected, wanted = encoder.encode_images(pictures), encoder.encode_text(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: encoder.encode_images([pictures[row % 64]])[0], range(200)))
        read = list(pool.map(lambda row: encoder.encode_text([TEXTS[row % len(TEXTS)]])[0], range(200)))
    for row in range(200):
        np.testing.assert_allclose(found[row], expected[row % 64], atol=1e-5)
        np.testing.assert_allclose(read[row], wanted[row % len(TEXTS)], atol=1e-5)


def test_long_texts_are_cut_where_max_tokens_says(encoder):
    long = "boots and bags " * 3000
    assert encoder.count_tokens(long) > encoder.max_tokens
    np.testing.assert_array_equal(encoder.encode_text([long]), encoder.encode_text([long[: len(long) // 2]]))
    assert encoder.count_tokens("boots") <= encoder.max_tokens


def test_openvino_and_torch_agree(tiny_folder, pictures):
    """Cosine ≥ 0.9999: both compute in float32, and differ by the order of their sums."""
    ours, theirs = (load_encoder(str(tiny_folder), backend=backend) for backend in ("openvino", "torch"))
    assert ours.fingerprint == theirs.fingerprint
    assert (ours.encode_images(pictures) * theirs.encode_images(pictures)).sum(axis=1).min() >= 0.9999
    assert (ours.encode_text(TEXTS) * theirs.encode_text(TEXTS)).sum(axis=1).min() >= 0.9999


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "processor_config.json"])
def test_the_fingerprint_follows_every_file_the_embeddings_depend_on(file, own_tiny_folder):
    before = load_encoder(str(own_tiny_folder), backend="torch").fingerprint
    path = own_tiny_folder / file
    if file == "model.safetensors":
        from safetensors.torch import load_file, save_file

        tensors = load_file(path)
        tensors["logit_scale"] += 1
        save_file(tensors, path, metadata={"format": "pt"})
    else:
        path.write_text(path.read_text() + "\n")
    assert load_encoder(str(own_tiny_folder), backend="torch").fingerprint != before


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "processor_config.json"])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_broken_model_is_refused_in_a_sentence(file, damage, own_tiny_folder):
    path = own_tiny_folder / file
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ModelError, match=r"no config\.json|is missing|is damaged|cannot be loaded"):
        load_encoder(str(own_tiny_folder))


@pytest.mark.parametrize(
    ("file", "key", "message"),
    [
        ("config.json", "max_tokens", "is damaged: it lacks 'max_tokens'"),
        ("processor_config.json", "image_processor", "is damaged: it lacks 'image_processor'"),
        ("model.safetensors", "image_projection.weight", "lacks weights, as image_projection.weight"),
    ],
)
def test_a_model_that_lacks_a_part_is_refused(file, key, message, own_tiny_folder):
    path = own_tiny_folder / file
    if file == "model.safetensors":
        from safetensors.torch import load_file, save_file

        save_file({name: value for name, value in load_file(path).items() if name != key}, path, {"format": "pt"})
    else:
        path.write_text(
            json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != key})
        )
    with pytest.raises(ModelError, match=message):
        load_encoder(str(own_tiny_folder))


def test_a_half_written_export_is_never_used(own_tiny_folder, cache, monkeypatch):
    """An export that dies leaves nothing behind, and the next one succeeds."""
    from rectrio_models.dual_encoder import inference

    path = own_tiny_folder / "config.json"
    path.write_text(path.read_text() + " ")  # a fingerprint of its own
    whole = inference.export_towers

    def dying(folder, out):
        (out / "image.xml").write_text("half")
        raise KeyboardInterrupt

    before = {path for path in (cache / "towers").iterdir() if path.is_dir()}
    monkeypatch.setattr(inference, "export_towers", dying)
    with pytest.raises(KeyboardInterrupt):
        load_encoder(str(own_tiny_folder))
    assert {path for path in (cache / "towers").iterdir() if path.is_dir()} == before
    monkeypatch.setattr(inference, "export_towers", whole)
    assert_unit(load_encoder(str(own_tiny_folder)).encode_text(["boots"]), 1, load_encoder(str(own_tiny_folder)))


@pytest.mark.parametrize(
    ("release", "message"),
    [
        ("v9-nothing", "neither a release"),
        ("nobody/no-such-model", "is not on this machine, and the Hub is out of reach"),
        (".", r"holds no config\.json"),
    ],
)
def test_unknown_models_are_refused_in_a_sentence(release, message):
    with pytest.raises(ModelError, match=message):
        load_encoder(release)


def test_a_model_of_another_kind_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="a model of the type “bert”; RecTrio opens rectrio"):
        load_encoder(str(tmp_path))


def test_an_unknown_backend_is_refused(tiny_folder):
    with pytest.raises(ModelError, match="“onnx” is no backend; openvino and torch are"):
        load_encoder(str(tiny_folder), backend="onnx")
