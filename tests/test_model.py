"""The transformers classes: shapes, the loss, padding, the Auto classes, and the folder that carries its own code."""

import json
import math
import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassClassValidationError
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForZeroShotImageClassification,
    AutoProcessor,
    AutoTokenizer,
    pipeline,
)

import rectrio_models
from rectrio_models import RecTrioConfig, RecTrioImageProcessor, RecTrioModel, RecTrioProcessor, RecTrioTokenizer
from rectrio_models.dual_encoder.modeling_rectrio import sigmoid_loss

TEXTS = ["boots", "a red dress with long sleeves for the office party of my sister", "", "trousres 👖 ÉTÉ"]


@pytest.fixture(scope="module")
def model(tiny_folder):
    return RecTrioModel.from_pretrained(tiny_folder).eval()


@pytest.fixture(scope="module")
def processor(tiny_folder):
    return RecTrioProcessor.from_pretrained(tiny_folder)


@torch.inference_mode()
def test_forward_returns_what_clip_returns(model, processor, pictures):
    batch = processor(text=TEXTS, images=pictures[:3], padding=True, return_tensors="pt")
    output = model(**batch)
    assert batch["pixel_values"].shape == (3, 1, 28, 28)
    assert output.image_embeds.shape == (3, model.config.projection_dim)
    assert output.text_embeds.shape == (4, model.config.projection_dim)
    for embeds in (output.image_embeds, output.text_embeds):
        torch.testing.assert_close(embeds.norm(dim=1), torch.ones(len(embeds)))
    expected = model.logit_scale.exp() * output.image_embeds @ output.text_embeds.T + model.logit_bias
    torch.testing.assert_close(output.logits_per_image, expected)
    torch.testing.assert_close(output.logits_per_text, expected.T)
    assert output.loss is None


def test_one_side_alone_is_embedded_alone(model, processor, pictures):
    assert model(**processor(images=pictures[0], return_tensors="pt")).text_embeds is None
    assert model(**processor(text="boots", return_tensors="pt")).image_embeds is None
    with pytest.raises(ValueError, match="Give input_ids, pixel_values, or both"):
        model()


def test_the_loss_without_labels_is_siglips(model, processor, pictures):
    batch = processor(text=TEXTS, images=pictures[:4], padding=True, return_tensors="pt")
    output = model(**batch, return_loss=True)
    signs = 2 * torch.eye(4) - 1
    torch.testing.assert_close(output.loss, -F.logsigmoid(signs * output.logits_per_image).sum() / 4)
    with pytest.raises(ValueError, match="needs both"):
        model(input_ids=batch["input_ids"], return_loss=True)


def test_the_loss_counts_every_pair_of_a_class_as_positive():
    """Against the formula written out, pair by pair."""
    torch.manual_seed(0)
    logits, images, texts = torch.randn(4, 5), [0, 1, 1, 2], [1, 0, 1, 1, 3]
    losses = sigmoid_loss(logits, torch.tensor(images)[:, None] == torch.tensor(texts))
    for row, image in enumerate(images):
        likely = [1 / (1 + math.exp(-logit)) for logit in logits[row].tolist()]
        expected = sum(-math.log(p if text == image else 1 - p) for p, text in zip(likely, texts, strict=True))
        assert losses[row].item() == pytest.approx(expected, abs=1e-5)


@torch.inference_mode()
def test_padding_changes_nothing(model, processor):
    together = model.get_text_features(**processor.tokenizer(TEXTS, padding=True, return_tensors="pt"))
    for text, row in zip(TEXTS, together, strict=True):
        alone = model.get_text_features(**processor.tokenizer(text, return_tensors="pt"))[0]
        torch.testing.assert_close(alone, row, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_the_text_tower_reads_from_both_ends(model, processor):
    """A BiLSTM knows the order of words; and either end of the text reaches the embedding."""
    embed = lambda text: model.get_text_features(**processor.tokenizer(text, return_tensors="pt"))[0]  # noqa: E731
    assert (embed("dress shirt") - embed("shirt dress")).abs().max() > 1e-4
    assert (embed("red shirt dress") - embed("old shirt dress")).abs().max() > 1e-4


@torch.inference_mode()
def test_a_picture_and_its_mirror_image_embed_alike(model, processor, pictures):
    values = processor(images=pictures[:4], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(model.get_image_features(values), model.get_image_features(values.flip(-1)))


def test_no_word_is_unknown(processor):
    for text in ("zylophonic", "trousres", "👖", "ÉTÉ", "靴"):
        ids = processor.tokenizer(text)["input_ids"]
        assert len(ids) > 1
        assert processor.tokenizer.unk_token_id not in ids
    assert processor.tokenizer("ÉTÉ")["input_ids"] == processor.tokenizer("ete")["input_ids"]


def test_pictures_at_their_own_size_are_taken_as_they_are(processor, pictures):
    form = processor.image_processor
    values = form(pictures[:2], return_tensors="pt")["pixel_values"]
    pixels = (values * form.image_std[0] + form.image_mean[0]) * 255
    assert [round(v) for v in pixels[0, 0].flatten().tolist()] == list(pictures[0].convert("L").tobytes())


def test_other_pictures_are_prepared_as_the_training_pictures_were(processor, photo):
    """Margin trimmed, longest side fitted, light ground made black."""
    form = processor.image_processor
    values = form(photo, return_tensors="pt")["pixel_values"][0, 0]
    pixels = ((values * form.image_std[0] + form.image_mean[0]) * 255).round()
    assert pixels[:, 14].min() > 150, "the dark square fills the height, and shines"
    assert form(photo.convert("L"), return_tensors="np")["pixel_values"].shape == (1, 1, 28, 28)


def test_config_says_all_the_weights_depend_on(tiny_folder, tiny_config, tmp_path):
    config = RecTrioConfig.from_pretrained(tiny_folder)
    assert {name: getattr(config, name) for name in tiny_config} == tiny_config
    RecTrioModel(config).save_pretrained(tmp_path)
    assert RecTrioConfig.from_pretrained(tmp_path).to_dict() == config.to_dict() | {"dtype": "float32"} | {
        "architectures": ["RecTrioModel"]
    }
    for wrong in ({"widths": [1, 2]}, {"image_size": 4}):
        with pytest.raises(StrictDataclassClassValidationError, match=r"four blocks|leave nothing"):
            RecTrioConfig(**wrong)


def test_other_sizes_and_channels_work():
    config = RecTrioConfig(image_size=64, num_channels=3, widths=[4, 8, 8, 8], depths=[0, 1, 2, 0], hidden_width=8)
    assert RecTrioModel(config).eval().get_image_features(torch.zeros(2, 3, 64, 64)).shape == (2, 256)


def test_auto_classes_know_rectrio(tiny_folder):
    assert type(AutoConfig.from_pretrained(tiny_folder)) is RecTrioConfig
    assert type(AutoModel.from_pretrained(tiny_folder)) is RecTrioModel
    assert type(AutoModelForZeroShotImageClassification.from_pretrained(tiny_folder)) is RecTrioModel
    assert type(AutoProcessor.from_pretrained(tiny_folder)) is RecTrioProcessor
    assert type(AutoTokenizer.from_pretrained(tiny_folder)) is RecTrioTokenizer
    assert type(AutoImageProcessor.from_pretrained(tiny_folder)) is RecTrioImageProcessor


def test_the_pipeline_classifies(tiny_folder, pictures, model, processor):
    classify = pipeline("zero-shot-image-classification", model=str(tiny_folder))
    labels = ["boots", "a summer dress"]
    found = classify(pictures[0], candidate_labels=labels, hypothesis_template="{}")
    batch = processor(text=labels, images=pictures[0], padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**batch).logits_per_image[0].softmax(dim=0)
    assert {entry["label"]: entry["score"] for entry in found} == pytest.approx(
        dict(zip(labels, expected.tolist(), strict=True))
    )


@pytest.mark.parametrize("first", ["rectrio_models", "transformers"])
def test_the_order_of_imports_does_not_matter(first, tiny_folder):
    second = {"rectrio_models": "transformers", "transformers": "rectrio_models"}[first]
    code = (
        f"import {first}; import {second}; import transformers; "
        f"print(type(transformers.AutoTokenizer.from_pretrained({str(tiny_folder)!r})).__name__, "
        f"type(transformers.AutoModel.from_pretrained({str(tiny_folder)!r})).__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["RecTrioTokenizer", RecTrioModel.__module__]


def test_the_folder_carries_its_code(tiny_folder, tmp_path):
    """Where rectrio_models cannot be imported, trust_remote_code loads the same model from the folder alone."""
    code = f"""
import importlib.util, json
assert importlib.util.find_spec("rectrio_models") is None
from transformers import AutoModel, AutoProcessor, pipeline
folder = {str(tiny_folder)!r}
model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
embeds = model.get_text_features(**processor(text=["a pair of boots"], return_tensors="pt"))
classify = pipeline("zero-shot-image-classification", model=folder, trust_remote_code=True)
from PIL import Image
scores = classify(Image.new("L", (28, 28)), candidate_labels=["boots", "bag"])
print(json.dumps([type(model).__module__, embeds[0].tolist(), len(scores)]))
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_MODULES_CACHE": str(tmp_path / "modules")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    module, embeds, classes = json.loads(done.stdout.splitlines()[-1])
    assert module.startswith("transformers_modules.")
    assert classes == 2
    ours = rectrio_models.load_encoder(str(tiny_folder), backend="torch").encode_text(["a pair of boots"])[0]
    assert embeds == pytest.approx(ours.tolist(), abs=1e-6)


def test_weights_are_safetensors_and_nothing_is_pickled(tiny_folder):
    assert {file.suffix for file in tiny_folder.iterdir()} <= {".json", ".safetensors", ".py", ".png", ".md"}
    assert not list(tiny_folder.glob("*.bin"))


def test_importing_the_package_is_light():
    code = (
        "import sys, rectrio_models, index_builders; "
        "print({'torch', 'transformers', 'openvino', 'datasets', 'faiss'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
