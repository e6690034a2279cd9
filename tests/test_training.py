"""The training loop on a tiny model: it learns, it resumes to the same bits, and it refuses what would lose work."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from rectrio_models import RecTrioConfig
from rectrio_models.__main__ import main
from rectrio_models.attributes import ATTRIBUTES
from rectrio_models.card import write_card
from rectrio_models.dual_encoder import training
from rectrio_models.dual_encoder.augmentation import augment, crop, mix, random_boxes, recolour
from rectrio_models.dual_encoder.concepts import Concepts
from rectrio_models.dual_encoder.muon import Muon
from rectrio_models.dual_encoder.optimizer import Optimizer
from rectrio_models.dual_encoder.pictures import channel_statistics, choose_pictures, draw_by_class
from rectrio_models.dual_encoder.plan import START_RATES, Plan
from rectrio_models.dual_encoder.run_folder import CHECKPOINT
from rectrio_models.dual_encoder.state import checkpoint_log
from rectrio_models.dual_encoder.teacher import CELLS, Pupil, Teacher, cell_shares
from rectrio_models.dual_encoder.training import train
from rectrio_models.errors import ModelError, TrainingError


def weights(folder):
    return load_file(folder / "model.safetensors")


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.fixture(scope="module")
def learned(tmp_path_factory, idx_folder, tiny_config, tiny_plan):
    """A small model that has learned nine classes; the one left out, Trouser, is the second of the ten."""
    plan = dataclasses.replace(
        tiny_plan,
        epochs=20,
        finish=2,
        batch_size=16,
        average=0.9,
        prune=0.0,
        erase=0,
        text_steps=150,
        hold_out=("Trouser/*",),
    )
    config = RecTrioConfig(**tiny_config | {"widths": [8, 16, 32, 32], "embedding_width": 32, "hidden_width": 32})
    return train(plan, tmp_path_factory.mktemp("learned"), config=config, data=idx_folder)


def accuracies(folder):
    """The validation accuracies of the epochs of pictures, and of those of texts."""
    log = json.loads((folder / "training.json").read_text())
    return tuple(
        [entry["validation_accuracy"] for entry in log["epochs"] if (entry["stage"] == "texts") == texts]
        for texts in (False, True)
    )


def test_pictures_and_then_texts_are_learned(learned):
    log = json.loads((learned / "training.json").read_text())
    losses = [entry["loss"] for entry in log["epochs"] if entry["stage"] != "texts"]  # whose loss is another
    assert losses[-1] < losses[0] / 1.5
    by_concept, by_text = accuracies(learned)
    assert max(by_concept) > 0.5, "chance is a ninth"
    assert by_text[-1] > max(by_concept) - 0.1


def test_a_run_begins_where_its_model_ended(learned, tmp_path, tiny_plan, idx_folder):
    plan = dataclasses.replace(
        tiny_plan,
        **START_RATES | {"learning_rate": 1e-9, "finish_rate": 1e-9, "text_rate": 1e-9},
        seed=1,  # another random start, should it take one
    )
    train(plan, tmp_path, data=idx_folder, init_from=learned)
    (*_, reached), (by_concept, by_text) = accuracies(learned)[1], accuracies(tmp_path)
    assert min(by_concept) > reached - 0.15, "the concepts begin at the classes' texts; Trouser is among them now"
    assert min(by_text) > reached - 0.15


@pytest.fixture
def first_loss(monkeypatch, tmp_path):
    """The loss of the first epoch where a share of each picture's area is of another of its batch: with 1, it is the
    same batch in another order."""

    def swapped(pictures, share):
        others = torch.arange(len(pictures)).flip(0)
        return pictures[others], others, torch.full((len(pictures), 1), 1 - share)

    def measured(plan, share, **given):
        folder = train(dataclasses.replace(plan, epochs=1, finish=0, mix=share), tmp_path / str(share), **given)
        return json.loads((folder / "training.json").read_text())["epochs"][0]["loss"]

    monkeypatch.setattr(training, "mix", swapped)
    monkeypatch.setattr(training, "choose_pictures", lambda shown, *_: (shown, torch.linspace(0, 2, len(shown))))
    return measured


def test_a_mixed_picture_fits_and_weighs_what_both_do(first_loss, tiny_plan, tiny_config, idx_folder):
    losses = [first_loss(tiny_plan, s, config=RecTrioConfig(**tiny_config), data=idx_folder) for s in (0.0, 1.0)]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


def test_the_teacher_sees_both_of_a_mixed_picture(first_loss, monkeypatch, photo_plan, photo_config, photo_folder):
    monkeypatch.setattr(training, "Teacher", StandIn)
    plan = dataclasses.replace(photo_plan, teach_features=100.0, teach_classes=1.0)
    losses = [first_loss(plan, share, config=photo_config, data=photo_folder) for share in (0.0, 1.0)]
    assert losses[0] == pytest.approx(losses[1], rel=0.001)


def test_the_losses_of_mixed_pictures_are_not_remembered(monkeypatch, tmp_path, tiny_plan, tiny_config, idx_folder):
    remembered = []

    def choosing(shown, losses, plan, epoch):
        remembered.append(float(losses[shown].isfinite().float().mean()))
        return choose_pictures(shown, losses, plan, epoch)

    monkeypatch.setattr(training, "choose_pictures", choosing)
    plan = dataclasses.replace(tiny_plan, finish=0, mix=0.5)
    train(plan, tmp_path, config=RecTrioConfig(**tiny_config), data=idx_folder)
    first, second = remembered
    assert first == 0
    assert 0.3 < second < 0.6, "half of those that were shown"


def test_the_folder_is_complete(tiny_folder, tiny_plan):
    log = json.loads((tiny_folder / "training.json").read_text())
    assert log["plan"] == tiny_plan.as_json()
    assert [entry["stage"] for entry in log["epochs"]] == ["pictures", "pictures", "plain", "texts", "texts"]
    assert log["best_epoch"] == max(log["epochs"], key=training.score)["epoch"] == 3, "the one plain epoch"
    assert (tiny_folder / "training.png").read_bytes().startswith(b"\x89PNG")
    assert not (tiny_folder / CHECKPOINT).exists()
    left = [file.name for file in tiny_folder.iterdir() if file.name.startswith(".")]
    assert left == []


class StopError(Exception):
    pass


def interrupted(epochs, monkeypatch, plan, out, **given):
    """Train, and die in the middle of an epoch, after `epochs` whole ones."""

    def dying(whole):
        def train_epoch(state, plan, epoch, *rest):
            if epoch == epochs:
                raise StopError
            return whole(state, plan, epoch, *rest)

        return train_epoch

    with monkeypatch.context() as context:
        for name in ("train_epoch", "train_text_epoch"):
            context.setattr(training, name, dying(getattr(training, name)))
        with pytest.raises(StopError):
            train(plan, out, **given)


def test_a_model_of_an_earlier_plan_has_no_card(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "old")
    log = json.loads((tiny_folder / "training.json").read_text())
    del log["plan"]["mix"]
    (tmp_path / "old" / "training.json").write_text(json.dumps(log))
    with pytest.raises(ModelError, match="trained by an earlier RecTrio, whose training no card describes: train it"):
        write_card(tmp_path / "old")


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_a_resumed_run_ends_with_the_same_weights(
    epochs, tmp_path, monkeypatch, tiny_folder, tiny_config, tiny_plan, idx_folder
):
    given = {"data": idx_folder, "config": RecTrioConfig(**tiny_config)}
    interrupted(epochs, monkeypatch, tiny_plan, tmp_path, **given)
    assert not (tmp_path / "model.safetensors").exists()
    train(tiny_plan, tmp_path, **given, resume=True)
    assert_same_weights(weights(tmp_path), weights(tiny_folder))


def test_another_seed_ends_elsewhere(tmp_path, tiny_folder, tiny_config, tiny_plan, idx_folder):
    train(dataclasses.replace(tiny_plan, seed=1), tmp_path, config=RecTrioConfig(**tiny_config), data=idx_folder)
    assert not torch.equal(
        weights(tmp_path)["image_projection.weight"], weights(tiny_folder)["image_projection.weight"]
    )


def test_an_unfinished_run_is_neither_overwritten_nor_mixed(tmp_path, monkeypatch, tiny_config, tiny_plan, idx_folder):
    given = {"data": idx_folder, "config": RecTrioConfig(**tiny_config)}
    interrupted(1, monkeypatch, tiny_plan, tmp_path, **given)
    with pytest.raises(TrainingError, match=r"unfinished run, 1 of 5 epochs done. Go on with --resume, or .* --fresh"):
        train(tiny_plan, tmp_path, **given)
    with pytest.raises(TrainingError, match=r"begun with batch size 64, seed 0: resume with the same"):
        train(dataclasses.replace(tiny_plan, batch_size=32, seed=5), tmp_path, **given, resume=True)
    train(dataclasses.replace(tiny_plan, epochs=1, finish=0), tmp_path, **given, fresh=True)
    assert not (tmp_path / CHECKPOINT).exists()
    with pytest.raises(TrainingError, match="holds a finished model"):
        train(tiny_plan, tmp_path, **given)
    with pytest.raises(TrainingError, match="holds no unfinished run to resume"):
        train(tiny_plan, tmp_path, **given, resume=True)


@pytest.mark.parametrize("name", ["thesis.doc", "config.json"])
def test_a_folder_with_something_else_is_left_alone(name, tmp_path, tiny_plan):
    (tmp_path / name).write_text('{"years": "of work"}')
    with pytest.raises(TrainingError, match="holds something else than a RecTrio model"):
        train(tiny_plan, tmp_path)


def test_what_a_killed_run_half_wrote_is_no_hindrance(tmp_path, tiny_config, tiny_plan, idx_folder):
    (tmp_path / f".{CHECKPOINT}").write_bytes(b"half")
    (tmp_path / ".draft-x").mkdir()
    plan = dataclasses.replace(tiny_plan, epochs=1, finish=0)
    train(plan, tmp_path, config=RecTrioConfig(**tiny_config), data=idx_folder)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_a_damaged_checkpoint_is_one_sentence(tmp_path, tiny_plan):
    (tmp_path / CHECKPOINT).write_bytes(b"half")
    with pytest.raises(TrainingError, match=r"is damaged .* Delete it and train anew"):
        train(tiny_plan, tmp_path, resume=True)


def test_too_few_pictures_are_refused(tmp_path, idx_folder):
    with pytest.raises(TrainingError, match="600 pictures, 500 of them held out, do not fill a batch of 256"):
        train(Plan(validation=500), tmp_path, data=idx_folder)


def command(idx_folder, out, *more):
    given = ["train", "--dataset", "fashion-mnist", "--data", str(idx_folder), "--out", str(out)]
    given += ["--epochs", "500", "--batch-size", "64"]
    return [
        sys.executable,
        "-c",
        f"""
import dataclasses, sys
from rectrio_models.dual_encoder import plan as plans
from rectrio_models.dual_encoder import training
from rectrio_models import RecTrioConfig
plan, run = plans.Plan, training.train
texts = dict(tokenizer_texts=500, text_epochs=1, text_steps=2, wordnet=False)
plans.Plan = lambda **given: plan(**given, validation=100, **texts)
small = RecTrioConfig(stem_width=4, widths=[4, 8, 8, 16], embedding_width=8, hidden_width=8)
training.train = lambda *args, **given: run(*args, **given, config=small)
from rectrio_models.__main__ import main
sys.exit(main({[*given, *more]!r}))
""",
    ]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_keeps_its_finished_epochs(sign, tmp_path, idx_folder):
    """Ctrl-C and kill -9, at whatever moment: the checkpoint is whole, and the run goes on from it."""
    process = subprocess.Popen(command(idx_folder, tmp_path), stderr=subprocess.PIPE, text=True)
    checkpoint = tmp_path / CHECKPOINT
    for _ in range(1200):
        if checkpoint.exists() and len(checkpoint_log(checkpoint)["epochs"]) >= 2:
            break
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(sign)
    errors = process.communicate(timeout=60)[1]
    done = len(checkpoint_log(checkpoint)["epochs"])
    assert 2 <= done < 500
    if sign == signal.SIGINT:
        assert process.returncode == 130
        assert "with --resume goes on" in errors
        assert "Traceback" not in errors
    again = subprocess.Popen(command(idx_folder, tmp_path, "--resume"), stderr=subprocess.DEVNULL)
    for _ in range(1200):
        if len(checkpoint_log(checkpoint)["epochs"]) > done:
            break
        time.sleep(0.05)
    again.kill()
    again.wait()
    assert len(checkpoint_log(checkpoint)["epochs"]) > done


def test_augmentation_keeps_the_shape_and_blacks_out_within_bounds():
    torch.manual_seed(0)
    black = torch.full((1, 1, 1), -0.8)
    bright = torch.ones(256, 1, 28, 28)
    out = augment(bright, black, shift=2, erase=8)
    assert out.shape == bright.shape
    assert sorted(out.unique().tolist()) == pytest.approx([-0.8, 1.0])
    blacked = (out < 0).flatten(1).sum(dim=1)
    assert blacked.max() <= 8 * 8 + 2 * 2 * 28
    torch.testing.assert_close(augment(bright, black, shift=0, erase=0), bright)


def test_a_piece_of_another_picture_counts_by_its_area():
    torch.manual_seed(0)
    flat = torch.arange(400.0)[:, None, None, None].expand(-1, 1, 28, 28)
    mixed, others, share = mix(flat, 0.5)
    assert mixed.shape == flat.shape
    own = (mixed == flat).float().mean(dim=(1, 2, 3))
    torch.testing.assert_close(own[others != torch.arange(400)], share.squeeze(1)[others != torch.arange(400)])
    foreign = mixed != flat
    assert (mixed[foreign] == flat[others][foreign]).all(), "what is not its own is of the one other picture"
    assert 0.4 < (share < 1).float().mean() < 0.6
    assert share.min() < 0.2
    assert (mix(flat, 0.0)[0] == flat).all()


def test_concepts_are_the_classes_that_have_pictures_and_their_attributes():
    labels, attributes = ("Sandal", "Bag", "Scarf"), ATTRIBUTES["fashion-mnist"]
    concepts = Concepts(labels, [0, 1], attributes, 8)
    assert set(concepts.labels.tolist()) == {0, 1}
    assert concepts.weights[concepts.labels == 0].sum() == pytest.approx(1)
    sandals = concepts.asked[(concepts.labels == 0) & ~concepts.is_class]
    assert len(sandals) == len(sandals.unique(dim=0)) == 6, "dark, light, plain, patterned, high and flat"
    assert (sandals.abs().sum(dim=1) == 1).all()
    assert (concepts.asked[concepts.is_class] == 0).all()
    concepts.start_from(torch.eye(8)[:2])
    torch.testing.assert_close(concepts.classes(), torch.eye(8)[:2])
    torch.testing.assert_close(concepts()[concepts.labels == 1], torch.eye(8)[1].expand(7, 8))
    plain = Concepts(labels, [2], (), 8)
    assert (plain.labels.tolist(), plain.weights.tolist()) == ([2], [1.0])


def test_easy_pictures_are_left_out_and_the_rest_count_for_them():
    torch.manual_seed(0)
    plan = Plan(epochs=10, prune=0.5, prune_until=0.8)
    shown = torch.arange(2000)
    losses = torch.cat([torch.full((1200,), 0.1), torch.full((780,), 2.0), torch.full((20,), torch.inf)])
    rows, weight = choose_pictures(shown, losses, plan, epoch=5)
    hard = rows >= 1200
    assert hard.sum() == 800
    assert 500 < (~hard).sum() < 700
    assert weight[hard].unique().tolist() == [1.0]
    assert weight[~hard].unique().tolist() == [2.0]
    unseen = torch.full((2000,), torch.inf)
    for last, epoch in ((unseen, 0), (losses, 8), (losses, 9)):
        rows, weight = choose_pictures(shown, last, plan, epoch)
        assert sorted(rows.tolist()) == shown.tolist()
        assert weight.unique().tolist() == [1.0]


def test_the_learning_rate_rises_and_falls():
    plan = Plan(epochs=8, learning_rate=1.0, warmup=0.25, finish=2, finish_rate=0.3, text_epochs=20, text_rate=0.4)
    rates = [plan.rate_at(epochs) for epochs in (0, 1, 2, 5, 7.999, 8, 9, 9.999, 10, 11, 20.5, 29.999)]
    assert rates == pytest.approx([0, 0.5, 1, 0.5, 0, 0.3, 0.15, 0, 0, 0.4, 0.2, 0], abs=1e-3)


@pytest.mark.parametrize("muon", [0.0, 4.0])
def test_filters_are_stepped_by_muon_and_all_else_by_adamw(muon):
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3), torch.nn.Flatten(), torch.nn.Linear(16 * 4, 2))
    layers = layers.to(memory_format=torch.channels_last)
    before = [parameter.detach().clone() for parameter in layers.parameters()]
    loss = sum((parameter * torch.randn_like(parameter)).sum() for parameter in layers.parameters())
    Optimizer(Plan(muon=muon, weight_decay=0.0), layers).step(loss, 0.01)
    steps = [(parameter - old).detach() for parameter, old in zip(layers.parameters(), before, strict=True)]
    for adamw in steps[1:]:
        assert float(adamw.abs().median()) == pytest.approx(0.01, rel=0.01)
    singular = torch.linalg.svdvals(steps[0].flatten(1)) / 0.01
    if muon:
        assert singular.min() > 0.5 * muon, "every direction moves about as far"
        assert singular.max() < 1.5 * muon
    else:
        assert float(steps[0].abs().median()) == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize("shape", [(16, 144), (24, 9), (12, 12)])
def test_muon_in_float32_steps_as_in_bfloat16(shape):
    """The same steps, decay and state as PyTorch's, to what bfloat16 tells apart."""
    torch.manual_seed(0)
    start, *gradients = (torch.randn(shape) for _ in range(4))
    gradients[1] *= torch.logspace(0, -4, shape[1])  # all but singular
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizers = [
        kind([matrix], lr=0.1, weight_decay=0.05) for kind, matrix in ((Muon, ours), (torch.optim.Muon, theirs))
    ]
    for gradient in gradients:
        for optimizer, matrix in zip(optimizers, (ours, theirs), strict=True):
            matrix.grad = gradient.clone()
            optimizer.step()
    moved = (theirs - start).detach().norm()
    assert float((ours - theirs).detach().norm() / moved) < 0.02
    state, other = (optimizer.state_dict()["state"][0] for optimizer in optimizers)
    assert state.keys() == other.keys()
    assert torch.equal(state["momentum_buffer"], other["momentum_buffer"])


@pytest.mark.parametrize("bfloat16", [True, False])
def test_muon_multiplies_in_bfloat16_only_where_the_machine_does(bfloat16, monkeypatch):
    monkeypatch.setattr("rectrio_models.dual_encoder.optimizer.has_bfloat16", lambda device: bfloat16)
    filters = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    assert type(Optimizer(Plan(muon=4.0), filters).parts[1]) is (torch.optim.Muon if bfloat16 else Muon)


def test_a_run_is_not_resumed_on_other_pictures(tmp_path, monkeypatch, tiny_config, tiny_plan, idx_folder):
    config = RecTrioConfig(**tiny_config)
    interrupted(1, monkeypatch, tiny_plan, tmp_path / "out", data=idx_folder, config=config)
    for file in idx_folder.iterdir():
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        (tmp_path / file.name).write_bytes(content)
    with pytest.raises(TrainingError, match="was begun on other pictures: resume with the same --data"):
        train(tiny_plan, tmp_path / "out", data=tmp_path, config=config, resume=True)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--epochs", "0"], "epochs is 0; it must be over 0"),
        (["--batch-size", "-1"], "batch size is -1; it must be over 0"),
        (["--device", "abacus"], "The device “abacus” cannot be used here"),
    ],
)
def test_bad_options_are_one_sentence(option, message, tmp_path, idx_folder, capsys):
    given = ["train", "--dataset", "fashion-mnist", "--data", str(idx_folder), "--out", str(tmp_path / "out")]
    assert main([*given, *option]) == 1
    assert message in capsys.readouterr().err


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main(["train", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- photos -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photo_folder(tmp_path_factory):
    """An image folder of 160 small photos of two classes: warm noise and cold noise, of several proportions."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("photos")
    for label, tint in (("Bag", (200, 120, 60)), ("Dress", (60, 120, 200))):
        (folder / label).mkdir()
        for number in range(80):
            height, width = rng.integers(40, 90, 2)
            pixels = np.clip(rng.normal(tint, 40, (height, width, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture
def photo_plan(tiny_plan):
    return dataclasses.replace(
        tiny_plan,
        photos=True,
        epochs=3,
        finish=0,
        prune=0.0,
        batch_size=16,
        validation=32,
        first_side=16,
        erase=8,
        mix=0.0,
    )


@pytest.fixture
def photo_config(tiny_config):
    return RecTrioConfig(**tiny_config, image_size=32, num_channels=3, stem_stride=2)


class StandIn(Teacher):
    """A teacher whose maps are drawn by chance, so that no test needs its weights."""

    def __init__(self, photos, *, bfloat16):
        generator = torch.Generator().manual_seed(0)
        self.maps = torch.rand(len(photos), CELLS * CELLS, 1280, generator=generator).half()
        self.mean = self.maps.mean(dim=(0, 1), dtype=torch.float32)
        self.classifier = torch.nn.Linear(1280, 1000)
        torch.nn.init.constant_(self.classifier.weight, 0.01)
        torch.nn.init.zeros_(self.classifier.bias)


def test_photos_train_with_a_teacher_and_resume_to_the_same_weights(
    tmp_path, monkeypatch, photo_folder, photo_plan, photo_config
):
    monkeypatch.setattr(training, "Teacher", StandIn)
    plan = dataclasses.replace(photo_plan, teach_features=1.0, teach_classes=1.0)
    given = {"config": photo_config, "data": photo_folder}
    train(plan, tmp_path / "whole", **given)
    interrupted(1, monkeypatch, plan, tmp_path / "parts", **given)
    train(plan, tmp_path / "parts", **given, resume=True)
    assert_same_weights(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    assert not any("pupil" in name for name in weights(tmp_path / "whole"))
    form = json.loads((tmp_path / "whole" / "processor_config.json").read_text())["image_processor"]
    assert (form["stretch"], form["dark_ground"]) == (True, False)


def test_a_teacher_that_is_not_installed_is_one_sentence(tmp_path, monkeypatch, photo_folder, photo_plan, photo_config):
    monkeypatch.setitem(sys.modules, "rectrio_models.lite.modeling", None)
    plan = dataclasses.replace(photo_plan, teach_features=1.0)
    with pytest.raises(TrainingError, match="The teacher is not installed: pip install"):
        train(plan, tmp_path, config=photo_config, data=photo_folder)


def test_cells_are_weighed_by_what_a_crop_covers():
    shares = cell_shares(np.array([0.0, 0.0, 2.5 / CELLS]), np.array([1.0, 2 / CELLS, 3 / CELLS]))
    wanted = [[1 / 7] * 7, [0.5, 0.5, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]]
    assert torch.allclose(shares, torch.tensor(wanted), atol=1e-6)


def test_a_pupil_that_knows_its_teacher_loses_nothing():
    pupil = Pupil(4)
    embeds = torch.nn.functional.normalize(torch.randn(3, 4), dim=1)
    features = torch.nn.functional.normalize(pupil.features(embeds), dim=1)
    classes = (pupil.classes(embeds) * pupil.scale.exp()).softmax(dim=1)
    found, cross_entropy = pupil.losses(embeds, features, classes)
    assert torch.allclose(found, torch.zeros(3), atol=1e-6)
    assert torch.allclose(cross_entropy, -(classes * classes.log()).sum(dim=1), atol=1e-4)


def test_boxes_lie_within_the_picture():
    boxes = random_boxes(1000, 0.3, np.random.default_rng(0))
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    assert boxes.min() >= 0
    assert boxes.max() <= 1 + 1e-9
    assert area.min() > 0.25, "a stretched box of nearly everything loses what does not fit"


def test_a_crop_of_everything_is_the_picture():
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert np.array_equal(crop(photo, (0, 0, 1, 1), 32, 0.0, np.random.default_rng(0)), photo)


def test_recolouring_by_nothing_changes_nothing_and_grey_is_grey():
    photos = torch.rand(4, 3, 8, 8)
    assert torch.allclose(recolour(photos, strength=0.0, grey=0.0), photos, atol=1e-5)
    grey = recolour(photos, strength=0.0, grey=1.0)
    assert torch.allclose(grey[:, 0], grey[:, 2], atol=1e-5)


def test_rare_classes_are_drawn_oftener():
    labels = torch.tensor([0] * 900 + [1] * 100)
    drawn = labels[draw_by_class(torch.arange(1000), labels, 1.0)]
    assert 400 < int(drawn.sum()) < 600
    assert 50 < int(labels[draw_by_class(torch.arange(1000), labels, 0.0)].sum()) < 150


def test_photos_grow_to_the_models_side():
    plan = Plan(epochs=10, photos=True, first_side=40, grown=0.5)
    assert [plan.side_at(epoch, 80) for epoch in range(7)] == [40, 48, 56, 64, 72, 80, 80]
    growing = Plan(epochs=20, first_side=20, grown=0.6)
    assert [growing.side_at(epoch, 28) for epoch in (0, 6, 12)] == [20, 24, 28]
    assert Plan(first_side=0).side_at(0, 28) == 28
    smaller = Plan(epochs=10, photos=True, first_side=64, last_side=96, grown=0.5)
    assert [smaller.side_at(epoch, 144) for epoch in (0, 2, 5, 9)] == [64, 72, 96, 96], "searched larger than learned"


def test_statistics_are_those_of_the_pixels():
    pixels = torch.randint(0, 256, (5, 8, 8, 3), dtype=torch.uint8)
    mean, std = channel_statistics(pixels)
    assert torch.allclose(mean, (pixels.float() / 255).mean(dim=(0, 1, 2)), atol=1e-4)
    assert torch.allclose(std, (pixels.float() / 255).std(dim=(0, 1, 2), unbiased=False), atol=1e-4)
