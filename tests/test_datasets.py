"""Where a data set is taken from, in order, and how long a Hub out of reach may cost."""

import os
import socket
import subprocess
import sys
import time

import pytest

from rectrio_models import datasets, network
from rectrio_models.datasets import DATASETS
from rectrio_models.errors import DataError
from tests.conftest import absent

RECORD = DATASETS["fashion-mnist"]


def test_the_embedded_gallery_is_the_test_split():
    gallery = RECORD.load_gallery()
    assert len(gallery) == 10_000
    assert gallery.features["label"].names == list(RECORD.labels)
    assert gallery[0]["image"].size == (28, 28)
    labels = list(gallery["label"])
    assert [labels.count(label) for label in range(10)] == [1000] * 10


def test_the_embedded_gallery_equals_the_package():
    if not RECORD.package.exists():
        absent("the package dataset-fashion-mnist")
    ours, theirs = RECORD.load_gallery(), RECORD._package("test")
    assert ours["label"] == theirs["label"]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(ours["image"], theirs["image"], strict=True))


def test_the_package_has_the_60_000():
    if not RECORD.package.exists():
        absent("the package dataset-fashion-mnist")
    assert len(RECORD.load("train")) == 60_000


def test_a_path_comes_first(idx_folder):
    assert len(RECORD.load("train", data=idx_folder)) == 600


def test_nothing_anywhere_says_what_to_do(monkeypatch):
    monkeypatch.setattr(type(RECORD), "_package", lambda self, split: None)
    with pytest.raises(DataError, match="apt install dataset-fashion-mnist, or give a copy of yours with --data"):
        RECORD.load("train")
    assert len(RECORD.load("test")) == 10_000, "the embedded gallery stands in for the test split"


def test_unknown_names_list_the_known():
    with pytest.raises(DataError, match="“mnist” is no data set of RecTrio; fashion-mnist, animals are"):
        datasets.dataset_record("mnist")
    with pytest.raises(DataError, match="“valid” is no split"):
        RECORD.load("valid")


def test_a_name_that_never_resolves_costs_three_seconds(monkeypatch):
    def never(*given, **named):
        time.sleep(20)

    monkeypatch.setattr(socket, "getaddrinfo", never)
    started = time.monotonic()
    assert not network.reachable("https://hub.example", seconds=0.5)
    assert time.monotonic() - started < 3


def test_a_hub_that_never_answers_costs_three_seconds_once():
    code = (
        "import time; from rectrio_models.datasets import DATASETS; import datasets, huggingface_hub; "
        "record = DATASETS['fashion-mnist']; start = time.monotonic(); record._hub('train'); record._hub('test'); "
        "print(time.monotonic() - start)"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        given = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": endpoint, "HF_HOME": os.environ["RECTRIO_CACHE"]}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 6, "three seconds, and a little for a busy machine"
    assert done.stderr.count("cannot be reached") == 1
