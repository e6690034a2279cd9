"""RELEASES: what each name opens, and which V2 answers where."""

import subprocess
import sys

import pytest

from rectrio_models import RELEASES, load_encoder, releases
from rectrio_models.datasets import DATASETS, HUB_CARDS
from rectrio_models.errors import ModelError, QueryError
from rectrio_models.releases import dataset_of, resolve, title_of

STANDING_IN = "v2-lite, offline stand-in: CLIP's weights are not here"


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_every_release_has_its_card_and_its_data_set(release):
    card = (HUB_CARDS / release.folder / "README.md").read_text()
    assert f"# {release.folder}" in card
    assert release.dataset in DATASETS
    assert release.version in ("V1", "V2")
    assert release.suits[0].islower()


def test_without_clip_the_stand_in_answers_and_says_so():
    """The tests have no network, and a Hub cache without CLIP."""
    assert resolve("v2") == "v2-lite"
    assert load_encoder("v2").name == "v2-lite"
    assert title_of("v2-lite") == STANDING_IN


def test_with_clip_at_hand_clip_answers(monkeypatch):
    monkeypatch.setattr(releases, "cached", lambda hub_id: "a folder")
    monkeypatch.setattr(releases, "hub_folder", lambda hub_id: "a folder")
    assert resolve("v2") == "v2-clip"
    assert title_of("v2-clip") == "CLIP ViT-B/32"
    assert title_of("v2-lite") == "v2-lite: EfficientNet-Lite0 and MiniLM", "chosen, it stands in for nothing"


def test_a_hub_that_does_not_give_it_is_no_end(monkeypatch):
    def broken(hub_id):
        raise ModelError("Fetching broke off.")

    monkeypatch.setattr(releases, "hub_folder", broken)
    assert resolve("v2") == "v2-lite"


def test_other_names_are_themselves(tiny_folder):
    assert resolve("v1-fashion") == "v1-fashion"
    assert title_of(str(tiny_folder)) == tiny_folder.name
    assert dataset_of("v2") == "fashion-mnist"
    assert dataset_of(str(tiny_folder)) == "fashion-mnist", "which it was trained on"
    with pytest.raises(QueryError, match="has no gallery of its own"):
        dataset_of("someone/model")  # which is not fetched to find out


def test_the_command_line_says_which_answers(tmp_path):
    from PIL import Image

    (tmp_path / "test" / "Bag").mkdir(parents=True)
    Image.new("RGB", (40, 40), "red").save(tmp_path / "test" / "Bag" / "bag.png")
    built = ["-m", "index_builders", "build", "--release", "v2", "--data", str(tmp_path), "--out", str(tmp_path / "i")]
    asked = ["-m", "index_builders", "search", "--index", str(tmp_path / "i"), "a bag", "-k", "1"]
    for words in (built, asked):
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert f"{STANDING_IN}: encode " in done.stdout
