"""Train a RecTrio dual encoder from scratch: `python -m rectrio_models train --dataset fashion-mnist --out DIR`.

One epoch shows every picture that still teaches something, beside texts drawn anew. The weights that are kept are
an exponential moving average, taken after the epoch whose held-out training pictures found their class by text most
often. A few finishing epochs then start from them and show every picture plain, so that the training pictures too lie
where their labels say, and a search by picture among them finds its like. Each epoch starts
from its own seed and ends with a checkpoint, so a run that was killed goes on (`--resume`) to the same weights, bit
for bit, as one that was not. Checkpoints are safetensors and JSON.
"""

import copy
import hashlib
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from rectrio_models.datasets import dataset_record
from rectrio_models.descriptions import TextGenerator, descriptions_of
from rectrio_models.dual_encoder.configuration_rectrio import RecTrioConfig
from rectrio_models.dual_encoder.image_processing_rectrio import RecTrioImageProcessor
from rectrio_models.dual_encoder.modeling_rectrio import RecTrioModel
from rectrio_models.dual_encoder.pixels_rectrio import square
from rectrio_models.dual_encoder.processing_rectrio import RecTrioProcessor
from rectrio_models.dual_encoder.tokenization_rectrio import RecTrioTokenizer
from rectrio_models.errors import TrainingError
from rectrio_models.figures import MEASURED, machine
from rectrio_models.formats import pictures_of

LOG, CURVE, CHECKPOINT = "training.json", "training.png", "checkpoint.safetensors"


@dataclass(frozen=True)
class Plan:
    """Everything that decides what a run ends with, but for the data."""

    dataset: str = "fashion-mnist"
    epochs: int = 28
    batch_size: int = 256  # pictures a step
    texts: int = 128  # texts a step
    learning_rate: float = 5e-3  # at its highest
    weight_decay: float = 0.05
    warmup: float = 0.15  # share of the steps in which the learning rate rises; it falls to 0 in the rest
    average: float = 0.998  # decay of the weights' moving average, a step
    shift: int = 2  # pixels a picture is moved by, at most
    erase: int = 8  # side of the square that is blacked out in half of the pictures, at most
    finish: int = 4  # further epochs without augmentation, from the best weights on
    finish_rate: float = 1.5e-3  # their learning rate, at its highest
    finish_average: float = 0.99  # and the decay of their moving average, a step
    prune: float = 0.5  # share of the easy pictures that an epoch leaves out
    prune_until: float = 0.875  # share of the epochs after which every picture is shown again
    validation: int = 2000  # training pictures that are held out to choose the best epoch
    tokenizer_texts: int = 50_000  # texts that the tokenizer learns its subwords from
    vocab_size: int = 2048
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "batch_size", "texts", "learning_rate"):
            if getattr(self, name) <= 0:
                raise TrainingError(f"{name.replace('_', ' ')} is {getattr(self, name)}; it must be over 0.")


def train(
    plan: Plan,
    out: Path,
    *,
    config: RecTrioConfig | None = None,
    data: Path | None = None,
    device: str = "auto",
    resume: bool = False,
    fresh: bool = False,
) -> Path:
    """Train by `plan` and write a model folder, complete with code and log, into `out`; returns `out`.

    An unfinished run in `out` is continued with `resume`, thrown away with `fresh`, and refused without either.
    Raises TrainingError for that, for a resumed plan that differs from the one begun, and for a folder that holds
    something else; DataError when the data set cannot be read.
    """
    began = time.monotonic()
    begun = unfinished_run(plan, out, resume=resume, fresh=fresh)
    device = usable_device(device)
    record = dataset_record(plan.dataset)
    descriptions = descriptions_of(plan.dataset)
    generator = TextGenerator(descriptions)
    config = copy.deepcopy(config) if config else RecTrioConfig()
    rng = random.Random(plan.seed)
    tokenizer = RecTrioTokenizer.trained_on(
        [generator.draw(rng.choice(record.labels), rng) for _ in range(plan.tokenizer_texts)],
        vocab_size=plan.vocab_size,
        max_tokens=config.max_tokens,
    )
    config.vocab_size = len(tokenizer)
    config.id2label = dict(enumerate(record.labels))
    config.label2id = {label: i for i, label in enumerate(record.labels)}

    pixels, labels = load_pixels(record.load("train", data=data), config)  # (n, C, h, w) uint8, (n,)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(plan.seed))
    held_out, shown = order[: plan.validation], order[plan.validation :]
    if len(shown) < plan.batch_size:
        raise TrainingError(
            f"{len(pixels):,} pictures, {plan.validation:,} of them held out, do not fill a batch of {plan.batch_size}."
        )
    floats = pixels[shown].float() / 255
    mean, std = floats.mean(dim=(0, 2, 3)).round(decimals=4), floats.std(dim=(0, 2, 3)).round(decimals=4)  # (C,)
    del floats
    ready = Pixels(pixels.to(device), labels.to(device), mean.to(device), std.to(device))
    rounded = [[round(value, 4) for value in values.tolist()] for values in (mean, std)]
    image_processor = RecTrioImageProcessor(config.image_size, config.num_channels, *rounded)
    processor = RecTrioProcessor(image_processor, tokenizer)

    torch.manual_seed(plan.seed)
    model = RecTrioModel(config).to(device, memory_format=torch.channels_last)
    losses = torch.full((len(pixels),), torch.inf)  # of each training picture when it was last shown
    state = State(model, moving_average(model, plan.average), adamw(model, plan), losses, best={})
    log = {
        "plan": asdict(plan),
        "environment": environment(device),
        "pictures_sha256": hashlib.sha256(pixels.numpy().tobytes() + labels.numpy().tobytes()).hexdigest(),
        "parameters": model.num_parameters(),
        "epochs": [],
    }
    if begun:
        if len(checkpoint_log(out / CHECKPOINT)["epochs"]) > plan.epochs:
            state.average = moving_average(model, plan.finish_average)
        log, pictures = state.load(out / CHECKPOINT), log["pictures_sha256"]
        if log["pictures_sha256"] != pictures:
            raise TrainingError(
                f"The run in {out} was begun on other pictures: resume with the same --data, or --fresh."
            )
    setup = time.monotonic() - began

    total = plan.epochs + plan.finish
    bar = tqdm(total=total, initial=len(log["epochs"]), desc="training", unit=" epochs")
    for epoch in range(len(log["epochs"]), total):
        if epoch == plan.epochs:
            model.load_state_dict(state.best)
            state.average, state.optimizer = moving_average(model, plan.finish_average), adamw(model, plan)
        started = time.monotonic()
        torch.manual_seed(plan.seed * 1_000_003 + epoch)
        texts = draw_texts(generator, tokenizer, record.labels, plan, epoch, count=len(shown))
        loss, seen = train_epoch(state, plan, epoch, ready, shown, texts)
        weights = state.average.module
        accuracy = nearest_class_accuracy(weights, tokenizer, descriptions, ready, held_out)
        top_1 = nearest_picture_accuracy(weights, ready, held_out, shown) if epoch >= plan.epochs else None
        log["epochs"].append(
            {
                "epoch": epoch + 1,
                "loss": round(loss, 4),
                "validation_accuracy": accuracy,
                "validation_top_1": top_1,
                "pictures": seen,
                "learning_rate": round(state.optimizer.param_groups[0]["lr"], 6),
                "seconds": round(time.monotonic() - started, 1),
            }
        )
        if score(log["epochs"][-1]) >= max(map(score, log["epochs"])):
            log["best_epoch"] = epoch + 1
            state.best.update({name: value.clone() for name, value in weights.state_dict().items()})
        state.save(out / CHECKPOINT, log)
        tqdm.write(f"epoch {epoch + 1:2}: loss {loss:.3f}, validation accuracy {accuracy:.2%}, {seen:,} pictures")
        bar.set_postfix(loss=f"{loss:.3f}", validation=f"{accuracy:.2%}", refresh=False)
        bar.update()
    bar.close()

    model.load_state_dict(state.best)
    log["seconds"] = round(setup + sum(entry["seconds"] for entry in log["epochs"]), 1)
    save_model_folder(model.cpu(), processor, log, out)
    (out / CHECKPOINT).unlink()
    return out


# --- data ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pixels:
    """The training pictures as they lie in memory."""

    values: torch.Tensor  # (n, C, h, w) uint8
    labels: torch.Tensor  # (n,) int64
    mean: torch.Tensor  # (C,) of the shown pictures, 0 to 1
    std: torch.Tensor  # (C,)

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        """Standardised pictures, float32 (len(rows), C, h, w), channels last."""
        values = self.values[rows].float().div_(255).sub_(self.mean[:, None, None]).div_(self.std[:, None, None])
        return values.contiguous(memory_format=torch.channels_last)

    @property
    def black(self) -> torch.Tensor:
        """What a black pixel is after standardising, (C, 1, 1)."""
        return (-self.mean / self.std)[:, None, None]


def load_pixels(dataset, config: RecTrioConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """Every picture of a Dataset as uint8 (n, C, h, w), and the labels (n,)."""
    side, channels = config.image_size, config.num_channels
    pixels = np.empty((len(dataset), side, side, channels), np.uint8)
    for row, picture in enumerate(
        tqdm(pictures_of(dataset), total=len(dataset), desc="reading pictures", unit=" pictures", leave=False)
    ):
        pixels[row] = square(picture, side, channels, dark_ground=True)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.tensor(dataset["label"][:])


def augment(pictures: torch.Tensor, black: torch.Tensor, *, shift: int, erase: int) -> torch.Tensor:
    """Move each picture by up to `shift` pixels, mirror half of them, and black out a square of up to `erase` pixels
    in half of them (Zhong et al., arXiv 1708.04896); (B, C, h, w) → the same."""
    number, _, height, width = pictures.shape
    device = pictures.device
    padded = F.pad(pictures - black, (shift,) * 4) + black  # black all around
    rows = torch.randint(0, 2 * shift + 1, (number, 1), device=device) + torch.arange(height, device=device)  # (B, h)
    columns = torch.randint(0, 2 * shift + 1, (number, 1), device=device) + torch.arange(width, device=device)  # (B, w)
    mirrored = torch.rand(number, 1, device=device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    every = torch.arange(number, device=device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[every, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if not erase:
        return moved
    side = torch.randint(erase // 2, erase + 1, (number, 1), device=device)
    side *= torch.rand(number, 1, device=device) < 0.5
    top = torch.randint(0, height, (number, 1), device=device) - side // 2
    left = torch.randint(0, width, (number, 1), device=device) - side // 2
    y, x = torch.arange(height, device=device), torch.arange(width, device=device)
    hit = ((y >= top) & (y < top + side))[:, :, None] & ((x >= left) & (x < left + side))[:, None, :]  # (B, h, w)
    return torch.where(hit[:, None], black, moved)


def draw_texts(
    generator: TextGenerator,
    tokenizer: RecTrioTokenizer,
    labels: tuple[str, ...],
    plan: Plan,
    epoch: int,
    *,
    count: int,
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Batches of an epoch's texts: input ids (T, tokens), attention mask (T, tokens), labels (T,)."""
    rng = random.Random(f"{plan.seed} {epoch}")
    for _ in range(count // plan.batch_size):
        drawn = [rng.randrange(len(labels)) for _ in range(plan.texts)]
        texts = [generator.draw(labels[label], rng) for label in drawn]
        batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        yield batch["input_ids"], batch["attention_mask"], torch.tensor(drawn)


# --- one epoch ----------------------------------------------------------------------------------------------------


def train_epoch(
    state: "State", plan: Plan, epoch: int, pixels: Pixels, shown: torch.Tensor, texts: Iterator
) -> tuple[float, int]:
    """Train one epoch; returns the mean loss and how many pictures were shown."""
    model, optimizer = state.model.train(), state.optimizer
    device = pixels.values.device
    rows, weights = choose_pictures(shown, state.losses, plan, epoch)
    steps = len(rows) // plan.batch_size
    total = torch.zeros((), device=device)
    bar = tqdm(range(steps), desc=f"epoch {epoch + 1}/{plan.epochs + plan.finish}", unit=" steps", leave=False)
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(plan, epoch + step / steps)
        here = slice(step * plan.batch_size, (step + 1) * plan.batch_size)
        at = rows[here].to(device)
        shift, erase = (plan.shift, plan.erase) if epoch < plan.epochs else (0, 0)
        pictures = augment(pixels.batch(at), pixels.black, shift=shift, erase=erase)
        input_ids, attention_mask, text_labels = (tensor.to(device) for tensor in next(texts))
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            image_embeds = model.get_image_features(pictures)
        text_embeds = model.get_text_features(input_ids, attention_mask)  # tiny matrices: float32 is as fast
        image_embeds, labels, weight = image_embeds.float(), pixels.labels[at], weights[here].to(device)
        logits = model.logit_scale.exp() * image_embeds @ text_embeds.T + model.logit_bias  # (B, T)
        image_losses = model.loss_function(logits, labels, text_labels)
        loss = (image_losses * weight).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        state.average.update_parameters(model)
        state.losses[rows[here]] = image_losses.detach().cpu()
        total += loss.detach()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{total.item() / (step + 1):.3f}")
    return total.item() / steps, steps * plan.batch_size


def choose_pictures(
    shown: torch.Tensor, losses: torch.Tensor, plan: Plan, epoch: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of this epoch in random order, and the weight of each in the loss.

    Of the pictures whose last loss was below the mean, a share is left out and the others count the more for it,
    so that the gradient stays unbiased. Source: Qin et al., InfoBatch, arXiv 2303.04947, section 3.
    """
    last = losses[shown]
    easy = last < last[last.isfinite()].mean()  # a picture that was never shown is infinitely hard
    if epoch >= plan.prune_until * plan.epochs or len(shown) < 4 * plan.batch_size:
        easy[:] = False  # at the end, and of a small data set, every picture is shown
    keep = ~easy | (torch.rand(len(shown)) >= plan.prune)
    weights = torch.where(easy, 1 / (1 - plan.prune), 1.0)[keep]
    order = torch.randperm(int(keep.sum()))
    return shown[keep][order], weights[order]


def learning_rate(plan: Plan, epochs: float) -> float:
    """The learning rate after so many epochs: up in a straight line, down to 0 in another; then once more down, from
    that of the finishing epochs."""
    if epochs >= plan.epochs:
        return plan.finish_rate * (1 - (epochs - plan.epochs) / plan.finish)
    done = epochs / plan.epochs
    if done < plan.warmup:
        return plan.learning_rate * done / plan.warmup
    return plan.learning_rate * (1 - done) / (1 - plan.warmup)


def score(entry: dict) -> tuple[bool, float]:
    """What the best epoch is best in: a finishing one before any other, then class accuracy and, where it was
    measured, the search among the training pictures."""
    return entry["validation_top_1"] is not None, entry["validation_accuracy"] + (entry["validation_top_1"] or 0)


def adamw(model: RecTrioModel, plan: Plan) -> torch.optim.AdamW:
    """A new optimizer; biases, batch norms and the logit's scale and bias are not decayed."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=plan.learning_rate)


def moving_average(model: RecTrioModel, decay: float) -> AveragedModel:
    """An exponential moving average of the weights that is short at first, so as to forget the random start."""

    @torch.no_grad()
    def update(averaged: list[torch.Tensor], current: list[torch.Tensor], number: torch.Tensor) -> None:
        share = 1 - min(decay, (1 + int(number)) / (10 + int(number)))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share)
            else:  # batch norm's count of batches
                mean.copy_(value)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the machine multiplies bfloat16 in hardware; elsewhere it would be slower than float32."""
    if device.type == "cpu":
        return any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
    return torch.cuda.is_bf16_supported(including_emulation=False)


@torch.inference_mode()
def nearest_class_accuracy(
    model: RecTrioModel, tokenizer: RecTrioTokenizer, descriptions, pixels: Pixels, rows: torch.Tensor
) -> float:
    """The share of pictures whose nearest class, by the mean embedding of its descriptions, is theirs."""
    model.eval()
    device = pixels.values.device
    classes = []
    for words in descriptions.words.values():
        batch = tokenizer(list(words.descriptions), padding=True, return_tensors="pt").to(device)
        classes.append(model.get_text_features(**batch).mean(dim=0))
    classes = F.normalize(torch.stack(classes), dim=1)  # (classes, D)
    right = 0
    for at in rows.to(device).split(1000):
        right += int(((model.get_image_features(pixels.batch(at)) @ classes.T).argmax(1) == pixels.labels[at]).sum())
    return right / len(rows)


@torch.inference_mode()
def nearest_picture_accuracy(model: RecTrioModel, pixels: Pixels, rows: torch.Tensor, among: torch.Tensor) -> float:
    """The share of pictures, `rows`, whose nearest picture in `among` is of their class."""
    model.eval()
    device = pixels.values.device

    def embed(rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([model.get_image_features(pixels.batch(at)) for at in rows.to(device).split(1000)])

    gallery = embed(among)  # (n, D)
    nearest = torch.cat([(queries @ gallery.T).argmax(dim=1) for queries in embed(rows).split(500)])
    return float((pixels.labels[among.to(device)[nearest]] == pixels.labels[rows.to(device)]).float().mean())


# --- what a run leaves behind ------------------------------------------------------------------------------------


@dataclass
class State:
    """All that changes while training."""

    model: RecTrioModel
    average: AveragedModel
    optimizer: torch.optim.AdamW
    losses: torch.Tensor

    best: dict[str, torch.Tensor]  # the averaged weights after the best epoch so far

    def save(self, path: Path, log: dict) -> None:
        """Write the state after an epoch into one file, whole or not at all."""
        tensors = {"losses": self.losses}
        parts = {"model": self.model.state_dict(), "average": self.average.state_dict(), "best": self.best}
        for number, moments in self.optimizer.state_dict()["state"].items():
            parts[f"optimizer.{number}"] = moments
        for part, values in parts.items():
            # clones, as a file may hold each tensor once and the best weights can be the averaged ones
            tensors |= {
                f"{part}.{name}": value.clone(memory_format=torch.contiguous_format) for name, value in values.items()
            }
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}")
        try:
            save_file(tensors, draft, metadata={"log": json.dumps(log)})
        except SafetensorError as error:
            raise TrainingError(
                f"{path} cannot be written ({error}). Free some space, then go on with --resume."
            ) from error
        draft.replace(path)

    def load(self, path: Path) -> dict:
        """Take the state up again; returns the log so far."""
        parts = {"model": {}, "average": {}, "best": {}, "optimizer": {}}
        for name, value in load_file(path).items():
            if name == "losses":
                self.losses.copy_(value)
            else:
                part, rest = name.split(".", 1)
                parts[part][rest] = value
        self.model.load_state_dict(parts["model"])
        self.average.load_state_dict(parts["average"])
        self.best.update(parts["best"])
        moments: dict[int, dict] = {}
        for name, value in parts["optimizer"].items():
            number, moment = name.split(".")
            moments.setdefault(int(number), {})[moment] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        return checkpoint_log(path)


def checkpoint_log(path: Path) -> dict:
    """The log inside a checkpoint; raises TrainingError when that is damaged."""
    try:
        with safe_open(path, "pt") as file:
            return json.loads(file.metadata()["log"])
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise TrainingError(f"{path} is damaged ({error}). Delete it and train anew.") from error


def usable_device(name: str) -> torch.device:
    """The device of that name, "auto" for the best there is; raises TrainingError when it cannot be used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise TrainingError(f"The device “{name}” cannot be used here. Train with --device cpu, or auto.") from error
    if device.type not in ("cpu", "cuda"):
        raise TrainingError(f"RecTrio trains on cpu or cuda; “{name}” is neither.")
    return device


def unfinished_run(plan: Plan, out: Path, *, resume: bool, fresh: bool) -> bool:
    """Whether there is a checkpoint in `out` to go on from; raises TrainingError where that is not what was asked."""
    checkpoint = out / CHECKPOINT
    if not checkpoint.exists():
        check_folder(out)
        if resume:
            raise TrainingError(f"{out} holds no unfinished run to resume. Leave --resume out.")
        if (out / "model.safetensors").exists() and not fresh:
            raise TrainingError(f"{out} holds a finished model. Train over it with --fresh, or give another --out.")
        return False
    begun = checkpoint_log(checkpoint)
    total = begun["plan"]["epochs"] + begun["plan"]["finish"]
    done = f"{out} holds an unfinished run, {len(begun['epochs'])} of {total} epochs done."
    if fresh:
        return False  # the first new checkpoint takes the place of the old
    if not resume:
        raise TrainingError(f"{done} Go on with --resume, or begin anew with --fresh.")
    if changed := [name for name, value in asdict(plan).items() if begun["plan"].get(name) != value]:
        was = ", ".join(f"{name.replace('_', ' ')} {begun['plan'].get(name)}" for name in changed)
        raise TrainingError(f"{done} It was begun with {was}: resume with the same, or begin anew with --fresh.")
    return True


def check_folder(out: Path) -> None:
    """Raise TrainingError when `out` holds files of anything else than a RecTrio model."""
    if out.is_dir():
        for left in out.glob(".draft-*"):  # of a run that was killed while it wrote its model
            shutil.rmtree(left)
        (out / f".{CHECKPOINT}").unlink(missing_ok=True)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        kind = json.loads((out / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        kind = None
    if kind != RecTrioConfig.model_type:
        raise TrainingError(f"{out} holds something else than a RecTrio model. Give a new or an empty folder.")


def environment(device: torch.device) -> dict:
    """What a training time depends on."""
    return {
        "machine": machine() if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": has_bfloat16(device),
        "torch": torch.__version__,
    }


def save_model_folder(model: RecTrioModel, processor: RecTrioProcessor, log: dict, out: Path) -> None:
    """Write the model in Hub form, with its code (`trust_remote_code`), the log and its curve.

    The old weights and what was measured with them go first, the new weights come last: a folder that was left in
    between is refused for want of weights, and never answers with a mixture.
    """
    model.config.auto_map = {
        "AutoConfig": "configuration_rectrio.RecTrioConfig",
        "AutoModel": "modeling_rectrio.RecTrioModel",
        "AutoModelForZeroShotImageClassification": "modeling_rectrio.RecTrioModel",
    }
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=out) as folder:
        draft = Path(folder)
        processor.save_pretrained(draft)
        model.save_pretrained(draft)
        (draft / LOG).write_text(json.dumps(log, indent=1) + "\n")
        plot_curve(log, draft / CURVE)
        for old in ("model.safetensors", *(f"{name}.json" for name in MEASURED)):
            (out / old).unlink(missing_ok=True)
        for file in sorted(draft.iterdir(), key=lambda file: file.suffix == ".safetensors"):
            file.chmod(0o644)
            file.replace(out / file.name)


def plot_curve(log: dict, path: Path) -> None:
    """Loss and validation accuracy by epoch, as a PNG."""
    from matplotlib.figure import Figure

    epochs = [entry["epoch"] for entry in log["epochs"]]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    left.plot(epochs, [entry["loss"] for entry in log["epochs"]], color="tab:gray", label="training loss")
    right.plot(epochs, [100 * e["validation_accuracy"] for e in log["epochs"]], color="tab:blue", label="accuracy")
    if finishing := [entry for entry in log["epochs"] if entry["validation_top_1"] is not None]:
        top_1 = [100 * entry["validation_top_1"] for entry in finishing]
        right.plot([entry["epoch"] for entry in finishing], top_1, color="tab:orange", label="same class at rank 1")
    right.axvline(log["best_epoch"], color="tab:blue", linestyle=":")
    left.set(xlabel="epoch", ylabel="training loss (grey)")
    right.set(ylabel="validation: class accuracy, % (blue), rank 1 (orange)")
    figure.savefig(path, dpi=120, metadata={"Software": None})
