"""The command lines: what they print, and that whatever goes wrong is one sentence and a status of 1."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from index_builders.__main__ import main as indexes
from rectrio_models.__main__ import main as models
from tests.hostile import encoded


@pytest.fixture(scope="module")
def index(tmp_path_factory, tiny_folder, idx_folder):
    out = tmp_path_factory.mktemp("index") / "index"
    given = ["--release", str(tiny_folder), "--data", str(idx_folder), "--out", str(out)]
    assert indexes(["build", *given]) == 0
    return out


def test_search_prints_a_line_a_hit(index, capsys):
    assert indexes(["search", "--index", str(index), "a pair of boots", "-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].split()[0] == "1"
    assert ": encode " in lines[-1]


def test_search_by_picture_as_json(index, capsys, photo, tmp_path):
    (tmp_path / "p.jpg").write_bytes(encoded(photo, "JPEG"))
    assert indexes(["search", "--index", str(index), "--image", str(tmp_path / "p.jpg"), "--json", "-k", "2"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [sorted(hit) for hit in answer["hits"]] == [["label", "probability", "row", "score"]] * 2
    assert answer["milliseconds"]["encode"] > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "Give a text or --image FILE"),
        (["boots", "--image", "x.png"], "Give a text or --image FILE"),
        (["--image", "x.png"], "“x.png” cannot be opened: No such file or directory."),
        ([""], "The query is empty"),
        (["boots", "-k", "0"], "it must be a whole number, 1 or more"),
    ],
)
def test_bad_searches_are_one_sentence(given, message, index, capsys):
    assert indexes(["search", "--index", str(index), *given]) == 1
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors


def test_searching_nothing_says_how_to_build(tmp_path, capsys):
    assert indexes(["search", "--index", str(tmp_path), "boots"]) == 1
    assert "python -m index_builders build --out" in capsys.readouterr().err


def test_a_copy_of_the_data_set_is_indexed_into_the_cache(capsys, idx_folder):
    assert indexes(["build", "--data", str(idx_folder)]) == 0
    assert "100 pictures are indexed by V1 Fashion" in capsys.readouterr().out


def test_evaluate_writes_its_figures_and_the_card(own_tiny_folder, idx_folder, capsys):
    given = ["evaluate", "--release", str(own_tiny_folder), "--data", str(idx_folder)]
    assert models(given) == 1
    assert "do not go into the card: add --json FILE" in capsys.readouterr().err
    assert models([*given, "--json", str(own_tiny_folder / "evaluation.json")]) == 0
    assert models(["card", "--release", str(own_tiny_folder)]) == 0
    figures = json.loads((own_tiny_folder / "evaluation.json").read_text())
    by_key = {figure["key"]: figure for figure in figures["figures"]}
    assert by_key["class_accuracy"]["n"] == 100
    assert by_key["held_out_precision_at_10"]["n"] >= 100
    assert all(0 <= figure["value"] <= 1 for figure in by_key.values())
    card = (own_tiny_folder / "README.md").read_text()
    assert f"{by_key['class_accuracy']['value']:.2%}" in card
    assert "Not measured yet: `python -m rectrio_models bench`" in card
    assert str(idx_folder) not in card


def test_evaluation_is_right_on_an_encoder_that_knows(idx_folder):
    """An encoder that embeds every text and picture at its class scores 100 % by every metric."""
    import numpy as np

    from rectrio_models.datasets import DATASETS
    from rectrio_models.descriptions import descriptions_of
    from rectrio_models.evaluation import evaluate
    from rectrio_models.formats import pictures_of

    record, descriptions = DATASETS["fashion-mnist"], descriptions_of("fashion-mnist")
    classes = {label: number for number, label in enumerate(record.labels)}
    texts = {text: classes[label] for label, words in descriptions.words.items() for text in words.descriptions}
    texts |= {text: classes[label] for label, queries in descriptions.held_out.items() for text in queries}
    pictures = {}
    for split in ("train", "test"):
        rows = record.load(split, data=idx_folder)
        pictures |= {p.tobytes(): label for p, label in zip(pictures_of(rows), rows["label"], strict=True)}

    class Oracle:
        name, dim, fingerprint, max_tokens, precision = "oracle", 10, "0" * 64, 64, "f32"
        wrong = 0

        def encode_text(self, given):
            return np.eye(10, dtype=np.float32)[[texts[text] for text in given]]

        def encode_images(self, given):
            return np.eye(10, dtype=np.float32)[[(pictures[p.tobytes()] + self.wrong) % 10 for p in given]]

    def values(encoder):
        return {figure.key: figure.value for figure in evaluate(encoder, record, data=idx_folder).figures}

    assert values(Oracle())["class_accuracy"] == values(Oracle())["image_image_top_1"] == 1
    wrong = Oracle()
    wrong.wrong = 1
    assert values(wrong)["class_accuracy"] == 0
    assert values(wrong)["text_image_precision_at_10"] < 0.1, "classes of under ten pictures are filled up with others"
    assert values(wrong)["image_image_top_1"] == 1, "pictures still agree among themselves"


def test_figures_of_a_hub_model_need_a_place(monkeypatch, capsys, tiny_folder):
    from rectrio_models import releases

    monkeypatch.setattr(releases, "hub_folder", lambda hub_id: tiny_folder)
    assert models(["evaluate", "--release", "somebody/model"]) == 1
    assert "is not yours to write in: add --json FILE" in capsys.readouterr().err


def test_a_card_needs_a_training_log(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert models(["card", "--release", str(tmp_path)]) == 1
    assert "has no training.json" in capsys.readouterr().err


def test_prepare_says_what_it_wrote(idx_folder, tmp_path, capsys):
    given = ["--dataset", "fashion-mnist", "--data", str(idx_folder), "--out", str(tmp_path / "out")]
    assert models(["prepare", *given]) == 0
    assert "600 pictures (train), 100 pictures (test)" in capsys.readouterr().out


@pytest.mark.parametrize("program", ["rectrio_models", "index_builders"])
def test_programs_run_as_modules(program):
    command = [sys.executable, "-m", program, "--help"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: python -m {program}")


def test_nothing_in_the_project_unpickles():
    """Weights in PyTorch's own form are read as tensors alone (weights_only); a test writes some, to be read so."""
    root = Path(__file__).parent.parent
    files = [file for file in root.rglob("*.py") if ".venv" not in file.parts and file != Path(__file__)]
    assert len(files) > 20
    words = ("import " + "pickle", "from " + "pickle", "allow_pickle" + "=True")
    assert [file for file in files for word in words if word in file.read_text(encoding="utf-8")] == []
    loads = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if "torch.load(" in line]
    assert [line for line in loads if "weights_only=True" not in line] == []
    assert [file.name for file in files if "torch.save(" in file.read_text(encoding="utf-8")] == ["clips.py"]
