"""What the tests share: an empty cache, no network, tiny models and small data sets made on the spot."""

import dataclasses
import os
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import numpy as np
import pytest
from PIL import Image

from rectrio_models.calibration import Calibration, Curve
from rectrio_models.datasets import DATASETS

IN_CI = bool(os.environ.get("CI"))

REFUSING = Calibration(  # every text, and no picture; the encoder's fingerprint is filled in
    dataset="fashion-mnist",
    fingerprint="",
    method="none: for the tests",
    origin={},
    text=Curve(cosine=4, mean=-1, spread=1, intercept=-2, refuse_below=2, present=0, absent=0),
    picture=Curve(cosine=4, mean=-1, spread=1, intercept=-2, refuse_below=0, present=0, absent=0),
)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def absent(what: str) -> None:
    """Skip a test for lack of something, but never in CI."""
    if IN_CI:
        pytest.fail(f"{what} must be here in CI")
    pytest.skip(f"{what} is not on this machine")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache folder of the tests' own, so that they neither find nor leave anything in the user's."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["RECTRIO_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def idx_folder(tmp_path_factory):
    """Fashion-MNIST's own files, cut to 600 training and 100 test pictures: the gallery's first, written as IDX."""
    from rectrio_models.dual_encoder.pixels_rectrio import square

    gallery = DATASETS["fashion-mnist"].load_gallery()
    folder = tmp_path_factory.mktemp("idx")
    for prefix, start, stop in (("train", 0, 600), ("t10k", 600, 700)):
        rows = gallery.select(range(start, stop))
        pixels = np.stack([square(picture, 28, 1, dark_ground=True)[..., 0] for picture in rows["image"]])
        labels = np.array(rows["label"], np.uint8)
        header = np.array([2051, len(pixels), 28, 28], ">i4").tobytes()
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        header = np.array([2049, len(labels)], ">i4").tobytes()
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return folder


@pytest.fixture(scope="session")
def tiny_config():
    """The arguments of the smallest model that has every part."""
    return {"stem_width": 4, "widths": [4, 8, 8, 16], "embedding_width": 8, "hidden_width": 8, "projection_dim": 32}


@pytest.fixture(scope="session")
def tiny_plan():
    """A plan that trains in a few seconds."""
    from rectrio_models.dual_encoder.plan import Plan

    return Plan(
        epochs=2,
        finish=1,
        text_epochs=2,
        text_steps=4,
        text_batch=32,
        batch_size=64,
        validation=100,
        tokenizer_texts=500,
        vocab_size=400,
        wordnet=False,
    )


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory, idx_folder, tiny_config, tiny_plan):
    """A model folder as training writes it: five epochs of 600 pictures. Treat it as read-only."""
    from rectrio_models import RecTrioConfig
    from rectrio_models.dual_encoder.training import train

    return train(tiny_plan, tmp_path_factory.mktemp("tiny"), config=RecTrioConfig(**tiny_config), data=idx_folder)


@pytest.fixture(scope="session")
def refusing_folder(tiny_folder, tmp_path_factory):
    """The tiny model with a calibration that refuses every text, and no picture. Treat it as read-only."""
    from rectrio_models import load_encoder

    folder = shutil.copytree(tiny_folder, tmp_path_factory.mktemp("refusing") / "refusing-model")
    fitting = dataclasses.replace(REFUSING, fingerprint=load_encoder(str(folder)).fingerprint)
    fitting.write(folder / "calibration-fashion-mnist.json")
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    """A tiny CLIP checkpoint with random weights. Treat it as read-only."""
    from tests.clips import write_clip

    return write_clip(tmp_path_factory.mktemp("clips") / "tiny-clip")


@pytest.fixture
def own_tiny_folder(tiny_folder, tmp_path):
    """A copy of the tiny model folder that a test may damage."""
    return shutil.copytree(tiny_folder, tmp_path / "model")


@pytest.fixture(scope="session")
def pictures():
    """A few real pictures of every class: the gallery's first 64."""
    return DATASETS["fashion-mnist"].load_gallery()[:64]["image"]


@pytest.fixture
def photo():
    """A picture unlike the gallery's: colour, oblong, a dark subject on a light ground."""
    pixels = np.full((240, 320, 3), 240, np.uint8)
    pixels[60:180, 100:220] = (30, 60, 90)
    return Image.fromarray(pixels)
