"""V2: CLIP checkpoints in every form, against transformers and open_clip; int8 and its gate; zero-shot labels."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from rectrio_models import load_encoder
from rectrio_models.cache import cache_root
from rectrio_models.clip import precision as precisions
from rectrio_models.clip.precision import Parity, Sample, parity
from rectrio_models.errors import ModelError, QueryError
from tests.clips import as_pickled, write_clip

TEXTS = [
    "a photo of a cat",
    "BOOTS",
    "something warm to wear in winter, when it snows",
    "",
    "👖",
    "it's the café's naïve",
]


@pytest.fixture(scope="module")
def folder(clip_folder):
    return clip_folder


@pytest.fixture(scope="module")
def encoder(folder):
    return load_encoder(str(folder), precision="f32")


@pytest.fixture(scope="module")
def photos():
    """Pictures of many shapes: oblong, upright, tiny, a strip, grey, and with transparency."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 90, 3), np.uint8)
    shapes = [(90, 60), (60, 90), (32, 32), (33, 31), (1, 1), (400, 3), (64, 200)]
    pictures = [Image.fromarray(pixels).resize(shapes[i % len(shapes)]) for i, pixels in enumerate(noise)]
    return [*pictures, pictures[0].convert("L"), pictures[1].convert("RGBA")]


def assert_same(ours, theirs, *, least=0.9999):
    assert (ours * theirs).sum(axis=1).min() >= least


def reference(folder, *, images=None, texts=None):
    """What transformers itself makes of the checkpoint, as unit vectors; texts padded to 77 as CLIP's authors did."""
    import torch
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        if images is not None:
            pixels = CLIPImageProcessorPil.from_pretrained(folder)(images=images, return_tensors="pt")
            features = model.get_image_features(**pixels)
        else:
            tokens = CLIPTokenizer.from_pretrained(folder)(
                texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
            )
            features = model.get_text_features(**tokens)
    features = getattr(features, "pooler_output", features)
    return torch.nn.functional.normalize(features, dim=-1).numpy()


def test_it_embeds_as_transformers_does(folder, encoder, photos):
    """Cosine ≥ 0.9999: both compute in float32, and differ by the order of their sums. The texts run at their own
    length here and padded to 77 there: CLIP's text tower looks to the left alone, so padding adds nothing."""
    ordinary = [picture for picture in photos if max(picture.size) <= 16 * min(picture.size)]
    rgb = [picture.convert("RGB") for picture in ordinary]
    assert_same(encoder.encode_images(rgb), reference(folder, images=rgb))
    assert_same(encoder.encode_text(TEXTS), reference(folder, texts=TEXTS))
    spread = encoder.encode_text(TEXTS)
    assert (spread @ spread.T).min() < 0.99, "the model tells texts apart, or the test would prove nothing"


def test_the_pixels_are_those_of_transformers(folder, encoder, photos):
    """To half a level of 255: the products are rounded in another order."""
    from transformers import CLIPImageProcessorPil

    rgb = [p.convert("RGB") for p in photos if max(p.size) <= 16 * min(p.size)]
    theirs = CLIPImageProcessorPil.from_pretrained(folder)(images=rgb, return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(encoder.form.pixel_values(rgb), theirs, atol=0.5 / 255)


def test_the_token_ids_are_those_of_open_clip(encoder):
    import open_clip

    theirs = open_clip.SimpleTokenizer()
    for text in [*TEXTS, "1,000 butterflies & 3 dogs!", "don't we'll you're", "x" * 60]:
        ours = encoder.tokens([text])["input_ids"][0]
        expected = theirs([text])[0].numpy()
        np.testing.assert_array_equal(ours, expected[: len(ours)], err_msg=text)
        assert not expected[len(ours) :].any()


@pytest.mark.parametrize("form", ["pickled", "openvino", "legacy end"])
def test_every_form_of_checkpoint_embeds_alike(form, folder, encoder, photos, tmp_path):
    if form == "pickled":
        other = as_pickled(folder, tmp_path / "pickled")
    elif form == "openvino":
        from optimum.intel import OVModelForZeroShotImageClassification

        other = tmp_path / "openvino"
        OVModelForZeroShotImageClassification.from_pretrained(folder, export=True).save_pretrained(other)
        for name in ("tokenizer.json", "tokenizer_config.json", "processor_config.json"):
            shutil.copy(folder / name, other)
        assert not (other / "model.safetensors").exists()
    else:
        other = write_clip(tmp_path / "legacy", legacy_end=True)
    found = load_encoder(str(other), precision="f32")
    assert found.logit_scale == pytest.approx(encoder.logit_scale, rel=1e-3)
    assert_same(found.encode_text(TEXTS), encoder.encode_text(TEXTS))
    assert_same(found.encode_images(photos[:4]), encoder.encode_images(photos[:4]))


def test_the_logit_scale_is_the_checkpoints(folder, encoder):
    from safetensors.torch import load_file

    assert encoder.logit_scale == pytest.approx(load_file(folder / "model.safetensors")["logit_scale"].exp().item())


def test_batch_threads_and_streams_change_nothing(encoder, photos):
    """To 1e-5: sums are made in another order for another shape, and no more."""
    alone = np.concatenate([encoder.encode_images([picture]) for picture in photos])
    np.testing.assert_allclose(encoder.encode_images(photos), alone, atol=1e-5)  # in streams
    np.testing.assert_allclose(encoder.encode_images(photos[:5]), alone[:5], atol=1e-5)
    texts = TEXTS * 30
    one_by_one = np.concatenate([encoder.encode_text([text]) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_text(texts), np.tile(one_by_one, (30, 1)), atol=1e-5)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: encoder.encode_images([photos[i % len(photos)]])[0], range(200)))
        many = list(pool.map(lambda i: encoder.encode_images(photos[i:] + photos[:i]), range(8)))
    for i, vector in enumerate(found):
        np.testing.assert_allclose(vector, alone[i % len(photos)], atol=1e-5)
    for i, vectors in enumerate(many):
        np.testing.assert_allclose(vectors, np.roll(alone, -i, axis=0), atol=1e-5)
    assert encoder.encode_images([]).shape == encoder.encode_text([]).shape == (0, encoder.dim)


def test_long_texts_are_cut_and_the_end_kept(encoder):
    long = "boots and bags " * 200
    assert encoder.count_tokens(long) > encoder.max_tokens == 77
    ids = encoder.tokens([long])["input_ids"][0]
    assert len(ids) == 77
    assert ids[-1] == 49407
    np.testing.assert_array_equal(encoder.encode_text([long]), encoder.encode_text([long + "x"]))


def test_the_cache_answers_without_torch_and_transformers(folder, encoder):
    code = (
        "import sys; from rectrio_models import load_encoder\n"
        f"load_encoder({str(folder)!r}, precision='f32').encode_text(['boots'])\n"
        "print([name for name in ('torch', 'transformers', 'optimum') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_openvino_and_torch_agree(folder, encoder, photos):
    """Cosine ≥ 0.9999: both compute in float32, and differ by the order of their sums."""
    torch = load_encoder(str(folder), backend="torch")
    assert_same(encoder.encode_images(photos), torch.encode_images(photos))
    assert_same(encoder.encode_text(TEXTS), torch.encode_text(TEXTS))


# --- precision ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_int8_is_calibrated_measured_and_kept(folder, encoder, monkeypatch):
    monkeypatch.setattr(precisions, "LIMITS", Parity(0.5, 0.5, 0.1, 0.5))
    int8 = load_encoder(str(folder), precision="int8")
    assert int8.precision == "int8"
    assert int8.fingerprint != encoder.fingerprint
    sample = Sample.of("fashion-mnist")
    found = parity(encoder, int8, sample)
    assert 0.9 < found.image_cosine < 1
    assert 0.9 < found.text_cosine < 1
    (kept,) = (cache_root() / "clip").glob("*/parity-int8-fashion-mnist-CPU.json")
    assert json.loads(kept.read_text())["image_cosine"] == pytest.approx(found.image_cosine, abs=1e-4)
    monkeypatch.setattr(precisions, "LIMITS", Parity(0.999999, 0.999999, 1.0, -1.0))
    with pytest.raises(
        ModelError, match=r"int8 does not find .* cosine of pictures 0\.\d+ \(limit 0\.999999\); .*--precision"
    ):
        load_encoder(str(folder), precision="int8")
    auto = load_encoder(str(folder), precision="auto")
    assert auto.precision == "f32", "nothing but f32 holds to these limits"


def test_a_precision_is_measured_on_pictures_it_was_not_calibrated_on():
    sample = Sample.of("fashion-mnist")
    calibrated = {picture.tobytes() for picture in sample.calibration}
    assert len(sample.calibration) == precisions.CALIBRATE
    assert not calibrated & {picture.tobytes() for picture in sample.kept_out}
    assert len(sample.kept_out) == len(sample.labels) == precisions.KEEP_OUT
    assert not set(sample.calibration_texts) & set(sample.kept_out_texts)


def test_the_limits_tell_what_falls_short():
    assert precisions.LIMITS.shortfalls() == []
    assert Parity(0.5, 1, 1, 0).shortfalls() == ["cosine of pictures 0.5000 (limit 0.97)"]
    assert len(Parity(0, 0, 0, 1).shortfalls()) == 4


def test_damaged_measurements_are_made_again(tmp_path):
    for content in ("", "{", "[]", '{"image_cosine": 1}'):
        (tmp_path / "parity.json").write_text(content)
        found = precisions.kept_json(tmp_path / "parity.json")
        assert found is None or set(found) == {"image_cosine"}
    assert precisions.kept_json(tmp_path / "none.json") is None


def test_without_its_gallery_auto_is_f32(folder, encoder, caplog):
    """Animals-10 is not on this machine, so nothing can be held against its pictures."""
    found = load_encoder(str(folder), gallery="animals")
    assert found.precision == "f32"
    assert found.fingerprint == encoder.fingerprint
    assert "no other precision can be checked" in caplog.text


def test_a_card_beside_a_checkpoint_changes_nothing(folder, encoder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "clip")
    for name in ("README.md", "bench.json", "notes.txt"):
        (other / name).write_text("{}")
    assert load_encoder(str(other), precision="f32").fingerprint == encoder.fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp4"}, "“fp4” is no precision; auto, f32, bf16, int8 are"),
        ({"precision": "f32", "device": "GPU.7"}, "no device “GPU.7” on this machine; CPU.* and AUTO are there"),
        ({"precision": "f32", "device": "toaster"}, "no device “toaster”"),
        ({"precision": "f32", "device": "AUTO:CPU,toaster"}, "no device “toaster”"),
        ({"backend": "onnx"}, "“onnx” is no backend"),
    ],
)
def test_wrong_options_are_one_sentence(options, message, folder, encoder):
    with pytest.raises(ModelError, match=message):
        load_encoder(str(folder), **options)


def test_auto_is_a_device(folder, encoder, photos):
    auto = load_encoder(str(folder), precision="f32", device="AUTO")
    assert_same(auto.encode_images(photos[:3]), encoder.encode_images(photos[:3]))


# --- what can be wrong with a checkpoint --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no weights", "holds no weights"),
        ("half weights", "cannot be exported"),
        ("no tokenizer", "holds no tokenizer"),
        ("another kind", "of the type “bert”; RecTrio opens"),
    ],
)
def test_a_broken_checkpoint_is_one_sentence(damage, message, folder, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "clip")
    weights = broken / "model.safetensors"
    if damage == "no weights":
        weights.unlink()
    elif damage == "half weights":
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    elif damage == "no tokenizer":
        (broken / "tokenizer.json").unlink()
    else:
        (broken / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match=message) as told:
        load_encoder(str(broken), precision="f32")
    assert "\n" not in str(told.value)


def test_a_half_written_export_is_made_again(folder, tmp_path, photos):
    other = write_clip(tmp_path / "other", seed=1)
    first = load_encoder(str(other), precision="f32")
    expected = first.encode_images(photos[:2])
    newest = max((p for p in (cache_root() / "clip").iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    (newest / "facts.json").unlink()
    (newest / "image.bin").write_bytes(b"half")
    assert_same(load_encoder(str(other), precision="f32").encode_images(photos[:2]), expected)


def test_a_damaged_export_is_one_sentence(tmp_path):
    load_encoder(str(write_clip(tmp_path / "third", seed=2)), precision="f32")
    newest = max((p for p in (cache_root() / "clip").iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for name, content in (("image.xml", "<net"), ("tokenizer.json", "{"), ("facts.json", "{")):
        whole = (newest / name).read_bytes()
        (newest / name).write_text(content)
        with pytest.raises(ModelError, match="is damaged: delete"):
            load_encoder(str(tmp_path / "third"), precision="f32")
        (newest / name).write_bytes(whole)


def test_the_fingerprint_follows_the_weights_and_the_precision(folder, encoder, tmp_path):
    other = load_encoder(str(write_clip(tmp_path / "fourth", seed=3)), precision="f32")
    assert other.fingerprint != encoder.fingerprint
    assert load_encoder(str(folder), precision="f32").fingerprint == encoder.fingerprint


def test_a_full_disk_is_one_sentence(tmp_path):
    """A file system of a few megabytes takes no exported towers; what was begun is swept away."""
    small = tmp_path / "small"
    small.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", small], check=False).returncode
    ):
        pytest.skip("a small file system takes root to mount")
    try:
        checkpoint = write_clip(tmp_path / "clip", seed=4)
        done = subprocess.run(
            [sys.executable, "-m", "rectrio_models", "export", "--release", checkpoint, "--precision", "f32"],
            env={**os.environ, "RECTRIO_CACHE": str(small)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "space" in done.stderr
        assert not list((small / "clip").glob(".*-*")), "nothing half written is left"
    finally:
        subprocess.run(["umount", small], check=True)


# --- zero-shot ----------------------------------------------------------------------------------------------------


def test_zero_shot_is_the_softmax_over_labels(folder, encoder, photos):
    labels = ["cat", "dog", "a plate of sushi"]
    likely = encoder.zero_shot(photos[:5], labels, template="a photo of a {}")
    assert likely.shape == (5, 3)
    np.testing.assert_allclose(likely.sum(axis=1), 1, atol=1e-5)
    texts = encoder.encode_text([f"a photo of a {label}" for label in labels])
    logits = encoder.logit_scale * encoder.encode_images(photos[:5]) @ texts.T
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(likely, expected, rtol=1e-4)


def test_prompts_are_averaged(encoder):
    vectors = encoder.label_vectors(["cat", "dog"], template=["{}", "a photo of a {}"])
    means = (encoder.encode_text(["cat", "dog"]) + encoder.encode_text(["a photo of a cat", "a photo of a dog"])) / 2
    np.testing.assert_allclose(vectors, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "template", "message"),
    [
        (["cat"], "{}", "two labels or more"),
        (["cat", " "], "{}", "two labels or more"),
        (["cat", "dog", "cat "], "{}", "“cat” is given twice"),
        (["cat", "dog"], "a photo", "has no {} where the label goes"),
    ],
)
def test_bad_labels_are_one_sentence(labels, template, message, encoder, photos):
    with pytest.raises(QueryError, match=message):
        encoder.zero_shot(photos[:1], labels, template=template)
