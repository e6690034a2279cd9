"""Train a RecTrio dual encoder from scratch: `python -m rectrio_models train --dataset fashion-mnist --out DIR`.

Pictures come first: an epoch shows every one that still teaches something, beside the concepts they are to lie near
(`concepts.py`). The weights that are kept are an exponential moving average, taken after the epoch whose held-out
training pictures found their class most often. A few finishing epochs then start from them and show every picture
plain, so that the training pictures too lie where their labels say, and a search by picture among them finds its like.
Then come the texts, drawn anew for every step, which learn to find the finished pictures. Each epoch starts
from its own seed and ends with a checkpoint, so a run that was killed goes on (`--resume`) to the same weights, bit
for bit, as one that was not. Checkpoints are safetensors and JSON.

Photos are few and of many kinds, so they are cropped and recoloured anew each time, shown small at first, drawn so
that no class is forgotten, and explained by a teacher (`teacher.py`) besides their labels.
"""

import copy
import ctypes
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from rectrio_models.attributes import ranks_in_class
from rectrio_models.datasets import DatasetRecord, dataset_record
from rectrio_models.descriptions import Descriptions
from rectrio_models.dual_encoder.augmentation import augment, black_out, crop, mix, random_boxes, recolour
from rectrio_models.dual_encoder.concepts import Concepts
from rectrio_models.dual_encoder.configuration_rectrio import RecTrioConfig
from rectrio_models.dual_encoder.image_processing_rectrio import RecTrioImageProcessor
from rectrio_models.dual_encoder.modeling_rectrio import RecTrioModel
from rectrio_models.dual_encoder.optimizer import Optimizer
from rectrio_models.dual_encoder.pixels_rectrio import square
from rectrio_models.dual_encoder.plan import SHAPES, Plan
from rectrio_models.dual_encoder.processing_rectrio import RecTrioProcessor
from rectrio_models.dual_encoder.starting import starting_point
from rectrio_models.dual_encoder.teacher import Pupil, Teacher
from rectrio_models.dual_encoder.texts import NOTHING, Texts, TextSource, fitting
from rectrio_models.dual_encoder.tokenization_rectrio import RecTrioTokenizer
from rectrio_models.errors import TrainingError
from rectrio_models.figures import MEASURED, machine
from rectrio_models.formats import pictures_of

LOG, CURVE, CHECKPOINT = "training.json", "training.png", "checkpoint.safetensors"
GALLERY = 10_000  # training pictures, at most, that the held-out ones are sought among while training
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
ROOM = 144  # side of the photos in memory, which crops are taken from


def train(
    plan: Plan,
    out: Path,
    *,
    config: RecTrioConfig | None = None,
    record: DatasetRecord | None = None,
    init_from: Path | None = None,
    data: Path | None = None,
    device: str = "auto",
    resume: bool = False,
    fresh: bool = False,
    data_note: str = "",
) -> Path:
    """Train by `plan` and write a model folder, complete with code and log, into `out`; returns `out`.

    record: the data set, where it is none of DATASETS; init_from: a model folder to start from, whose config,
    tokenizer and pixel statistics are kept: with them the weights mean what they meant; data_note: what the pictures
    of `data` are and where they come from, for the card.
    An unfinished run in `out` is continued with `resume`, thrown away with `fresh`, and refused without either.
    Raises TrainingError for that, for a resumed plan that differs from the one begun, and for a folder that holds
    something else; DataError when the data set cannot be read.
    """
    began = time.monotonic()
    keep_memory()
    begun = unfinished_run(plan, out, resume=resume, fresh=fresh)
    device = usable_device(device)
    record = record or dataset_record(plan.dataset, data=data)
    descriptions = record.descriptions()
    pictures = record.load_without(plan.hold_out, data=data)
    source = TextSource(plan, descriptions, record.labels, present=sorted(set(pictures["label"][:])))
    start = starting_point(init_from) if init_from else None
    config = start.config if start else copy.deepcopy(config or RecTrioConfig(**SHAPES.get(plan.dataset, {})))
    tokenizer = (
        start.tokenizer
        if start
        else RecTrioTokenizer.trained_on(
            [text for text, _ in source.draw(random.Random(plan.seed), plan.tokenizer_texts)],
            vocab_size=plan.vocab_size,
            max_tokens=config.max_tokens,
        )
    )
    config.vocab_size = len(tokenizer)
    config.id2label = dict(enumerate(record.labels))
    config.label2id = {label: i for i, label in enumerate(record.labels)}

    side = ROOM if plan.photos else config.image_size
    values, labels = load_pixels(pictures, side, config.num_channels, photos=plan.photos)
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(plan.seed))
    held_out, shown = held_and_shown(order, labels, plan.validation)
    if len(shown) < plan.batch_size:
        raise TrainingError(
            f"{len(values):,} pictures, {plan.validation:,} of them held out, do not fill a batch of {plan.batch_size}."
        )
    mean, std = start.statistics() if start else channel_statistics(values[shown][..., : config.num_channels])
    ranks = torch.from_numpy(ranks_in_class(values[..., 0].numpy(), labels.numpy())) if source.attributes else None
    kind, held = (Photos, values) if plan.photos else (Pixels, values.to(device))
    pixels = kind(held, labels.to(device), ranks, mean.to(device), std.to(device), config.image_size)
    rounded = [[round(value, 4) for value in numbers.tolist()] for numbers in (mean, std)]
    image_processor = RecTrioImageProcessor(
        config.image_size, config.num_channels, *rounded, dark_ground=not plan.photos, stretch=plan.photos
    )
    processor = RecTrioProcessor(image_processor, tokenizer)

    torch.manual_seed(plan.seed)
    model = RecTrioModel(config).to(device, memory_format=torch.channels_last)
    if start:
        model.load_state_dict(start.weights)
    concepts = Concepts(record.labels, source.present, source.attributes, config.projection_dim).to(device)
    if start:
        concepts.start_from(class_embeddings(model, tokenizer, descriptions)[source.present])
    pupil = Pupil(config.projection_dim).to(device) if plan.taught else None
    state = State(model, concepts, pupil, pictures=len(values))
    log = {
        "plan": plan.as_json(),
        "environment": environment(device),
        "pictures_sha256": hashlib.sha256(values.numpy().tobytes() + labels.numpy().tobytes()).hexdigest(),
        "data_note": data_note,
        "parameters": model.num_parameters(),
        **record.facts(),
        "epochs": [],
    }
    if begun:
        log, here = state.load(plan, out / CHECKPOINT), log
        if log["pictures_sha256"] != here["pictures_sha256"]:
            raise TrainingError(
                f"The run in {out} was begun on other pictures: resume with the same --data, or --fresh."
            )
    else:
        state.begin(plan, 0)
    asked = plan.taught and len(log["epochs"]) < plan.total - plan.text_epochs
    teacher = Teacher(values, bfloat16=has_bfloat16(torch.device("cpu"))) if asked else None
    setup = time.monotonic() - began

    frozen = None  # what the text epochs learn to find: the embeddings of the finished pictures
    bar = tqdm(total=plan.total, initial=len(log["epochs"]), desc="training", unit=" epochs")
    for epoch in range(len(log["epochs"]), plan.total):
        started = time.monotonic()
        torch.manual_seed(plan.seed * 1_000_003 + epoch)
        stage = plan.stage(epoch)
        if epoch and stage != plan.stage(epoch - 1):
            state.learned.load_state_dict(state.best)
            state.begin(plan, epoch)
        if stage == "texts":
            frozen = embed_pictures(model, pixels, shown) if frozen is None else frozen
            texts = source.batches(tokenizer, epoch)
            loss, seen = train_text_epoch(state, plan, epoch, frozen, pixels.about(shown), texts)
        else:
            loss, seen = train_epoch(state, plan, epoch, pixels, shown, teacher)
        averaged, known = state.average.module.values()  # the model and the concepts
        accuracy = top_1 = None  # where no pictures are held out, the last weights are taken
        if len(held_out):
            queries, right = embed_pictures(averaged, pixels, held_out), pixels.about(held_out)[0]
            if stage == "texts":
                classes = class_embeddings(averaged, tokenizer, descriptions)[source.present]
            else:
                classes = known.classes()
            accuracy = nearest_accuracy(queries, right, classes, torch.tensor(source.present, device=device))
            if stage == "plain":
                among = shown[:GALLERY]
                gallery = embed_pictures(averaged, pixels, among)
                top_1 = nearest_accuracy(queries, right, gallery, pixels.about(among)[0])
        log["epochs"].append(
            {
                "epoch": epoch + 1,
                "stage": stage,
                "loss": round(loss, 4),
                "validation_accuracy": accuracy,
                "validation_top_1": top_1,
                "pictures": seen,
                "learning_rate": round(state.optimizer.rate, 6),
                "seconds": round(time.monotonic() - started, 1),
            }
        )
        if stage == "texts":  # the last are the best: nothing that is measured here says more of them
            state.keep_best()
        elif score(log["epochs"][-1]) >= max(map(score, log["epochs"])):
            log["best_epoch"] = epoch + 1
            state.keep_best()
        state.save(out / CHECKPOINT, log)
        reached = "none" if accuracy is None else f"{accuracy:.2%}"
        tqdm.write(f"epoch {epoch + 1:2}: loss {loss:.3f}, validation accuracy {reached}, {seen:,} pictures")
        bar.set_postfix(loss=f"{loss:.3f}", validation=reached, refresh=False)
        bar.update()
    bar.close()

    state.learned.load_state_dict(state.best)
    log["seconds"] = round(setup + sum(entry["seconds"] for entry in log["epochs"]), 1)
    save_model_folder(model.cpu(), processor, log, out, more=record.files())
    (out / CHECKPOINT).unlink()
    return out


# --- data ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pixels:
    """Small, clean training pictures as they lie in memory."""

    values: torch.Tensor  # (n, h, w, C) uint8
    labels: torch.Tensor  # (n,) int64
    ranks: torch.Tensor | None  # (n, measures) of `ranks_in_class`, where the data set has attributes
    mean: torch.Tensor  # (C,) of the shown pictures, 0 to 1
    std: torch.Tensor  # (C,)
    side: int  # of the pictures that the model is given

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        """Pictures as a search shows them, standardised float32 (len(rows), C, side, side), channels last."""
        return self.standardised(self.values[rows].permute(0, 3, 1, 2).float().div_(255))

    def views(self, rows: torch.Tensor, boxes: np.ndarray, plan: Plan, epoch: int) -> torch.Tensor:
        """Pictures as training shows them, changed by chance; of the same kind as a batch. `boxes` are of photos."""
        pictures = self.batch(rows)
        if plan.stage(epoch) == "plain":
            return augment(pictures, self.black, shift=0, erase=0)
        pictures = augment(pictures, self.black, shift=plan.shift, erase=plan.erase)
        side = side_at(plan, epoch, self.side)
        if side == self.side:
            return pictures
        smaller = F.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)
        return smaller.contiguous(memory_format=torch.channels_last)

    def standardised(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures of 0 to 1, (B, C, h, w), brought to mean 0 and standard deviation 1; may change them in place."""
        pictures = pictures[:, : len(self.mean)]  # grey photos are recoloured in three channels, and shown in one
        pictures = pictures.to(self.mean.device).sub_(self.mean[:, None, None]).div_(self.std[:, None, None])
        return pictures.contiguous(memory_format=torch.channels_last)

    def about(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The labels of pictures, (len(rows),), and their ranks, (len(rows), measures)."""
        device = self.labels.device
        ranks = None if self.ranks is None else self.ranks[rows.cpu()].to(device)
        return self.labels[rows.to(device)], ranks

    @property
    def black(self) -> torch.Tensor:
        """What a black pixel is after standardising, (C, 1, 1)."""
        return (-self.mean / self.std)[:, None, None]


class Photos(Pixels):
    """Photos, which lie in the CPU's memory larger than they are shown, grey ones too: (n, ROOM, ROOM, 3)."""

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        size, photos = (self.side, self.side), self.values[rows.cpu()].numpy()
        shown = [Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC) for photo in photos]
        return self.standardised(floats(shown))

    def views(self, rows: torch.Tensor, boxes: np.ndarray, plan: Plan, epoch: int) -> torch.Tensor:
        side = side_at(plan, epoch, self.side)
        rng = np.random.default_rng(int(torch.randint(2**31, ())))
        photos = zip(self.values[rows.cpu()].numpy(), boxes, strict=True)
        pictures = floats([crop(photo, box, side, plan.coarse, rng) for photo, box in photos])
        pictures = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, pictures.flip(3), pictures)
        pictures = recolour(pictures, strength=plan.colour, grey=plan.grey)
        pictures += torch.randn_like(pictures) * torch.rand(len(rows), 1, 1, 1) * plan.noise
        pictures = self.standardised(pictures)
        return black_out(pictures, self.black, plan.erase * side // self.side) if plan.erase else pictures


def floats(pictures: list) -> torch.Tensor:
    """Pictures of Pillow's or uint8 arrays, each (h, w, C), as float32 of 0 to 1, (n, C, h, w)."""
    stacked = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    return stacked.permute(0, 3, 1, 2).float().div_(255).contiguous()


def side_at(plan: Plan, epoch: int, full: int) -> int:
    """The side that pictures are shown at in an epoch, a multiple of 4 or, of photos, 8: a small one teaches the most a
    second in the beginning (Tan and Le, EfficientNetV2, arXiv 2104.00298, section 4). Crops make things look larger
    than whole photos do, so that photos are searched larger than they are learned from (Touvron et al., Fixing the
    train-test resolution discrepancy, arXiv 1906.06423)."""
    step = 8 if plan.photos else 4
    last = plan.last_side or full
    grown = epoch / (plan.grown * plan.epochs)
    if not 0 < plan.first_side < last or grown >= 1:
        return last
    return int(plan.first_side + (last - plan.first_side) * grown) // step * step


def load_pixels(dataset, side: int, channels: int, *, photos: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Every picture of a Dataset as uint8 (n, side, side, C), photos always with C = 3, and the labels (n,)."""
    pixels = np.empty((len(dataset), side, side, 3 if photos else channels), np.uint8)
    for row, picture in enumerate(
        tqdm(pictures_of(dataset), total=len(dataset), desc="reading pictures", unit=" pictures", leave=False)
    ):
        pixels[row] = square(picture, side, channels, dark_ground=not photos, stretch=photos)
    return torch.from_numpy(pixels), torch.tensor(dataset["label"][:])


def held_and_shown(order: torch.Tensor, labels: torch.Tensor, held: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first `held` rows of an order, and the others; but no class is held out whole."""
    held_out, shown = order[:held], order[held:]
    lost = set(labels[held_out].tolist()) - set(labels[shown].tolist())
    if not lost:
        return held_out, shown
    moved = torch.tensor([label in lost for label in labels[held_out].tolist()])
    return held_out[~moved], torch.cat([shown, held_out[moved]])


def channel_statistics(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel, (C,) of 0 to 1, over pictures (n, h, w, C) uint8."""
    counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in pixels.unbind(dim=3)])
    shades = torch.arange(256, dtype=torch.float64) / 255
    shares = counts.double() / counts.sum(dim=1, keepdim=True)  # (C, 256)
    mean = shares @ shades
    std = (shares * (shades - mean[:, None]).square()).sum(dim=1).sqrt()
    return mean.float().round(decimals=4), std.float().round(decimals=4).clamp(min=1e-3)  # flat pictures have none


# --- one epoch ----------------------------------------------------------------------------------------------------


def train_epoch(
    state: "State",
    plan: Plan,
    epoch: int,
    pixels: Pixels,
    shown: torch.Tensor,
    teacher: Teacher | None,
) -> tuple[float, int]:
    """Train the image tower for one epoch; returns the mean loss and how many pictures were shown."""
    model, concepts = state.model.train(), state.concepts
    device = pixels.labels.device
    rows, weights = choose_pictures(shown, state.losses, plan, epoch)
    if plan.photos:
        rows = draw_by_class(rows, pixels.labels.cpu(), plan.balance)
    boxes = random_boxes(len(rows), plan.crop, np.random.default_rng([plan.seed, epoch]))
    steps = len(rows) // plan.batch_size
    total = torch.zeros((), device=device)
    bar = tqdm(range(steps), desc=f"epoch {epoch + 1}/{plan.total}", unit=" steps", leave=False)
    for step in bar:
        here = slice(step * plan.batch_size, (step + 1) * plan.batch_size)
        at = rows[here].to(device)
        pictures = pixels.views(at, boxes[here], plan, epoch)
        known = [fitting(concepts, *pixels.about(at)).float(), weights[here, None].to(device)]  # (B, K), (B, 1)
        if teacher:
            known += (tensor.to(device) for tensor in teacher(rows[here], boxes[here]))
        unmixed = torch.ones_like(at, dtype=torch.bool)  # (B,)
        if plan.mix and plan.stage(epoch) == "pictures":
            pictures, others, share = mix(pictures, plan.mix)
            # what a loss is linear in, so that it is the mean of both pictures' losses
            known = [share * own + (1 - share) * own[others] for own in known]
            unmixed = share.squeeze(1) == 1
        positive, weight, *seen = known
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            image_embeds = model.get_image_features(pictures)
        image_embeds = image_embeds.float()
        logits = model.logit_scale.exp() * image_embeds @ concepts().T + model.logit_bias  # (B, K)
        # the model's own loss, but that the concepts weigh differently
        image_losses = F.binary_cross_entropy_with_logits(logits, positive, reduction="none") @ concepts.weights  # (B,)
        if teacher:
            features, classes = state.pupil.losses(image_embeds, *seen)
            image_losses = image_losses + plan.teach_features * features + plan.teach_classes * classes
        loss = (image_losses * weight.squeeze(1)).mean()
        state.learn(loss, learning_rate(plan, epoch + step / steps))
        state.losses[at[unmixed].cpu()] = image_losses.detach()[unmixed].cpu()  # a mixed picture says nothing of either
        total += loss.detach()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{total.item() / (step + 1):.3f}")
    return total.item() / steps, steps * plan.batch_size


def train_text_epoch(
    state: "State",
    plan: Plan,
    epoch: int,
    frozen: torch.Tensor,
    about: tuple[torch.Tensor, torch.Tensor | None],
    texts: Iterator[Texts],
) -> tuple[float, int]:
    """Train the text tower for one epoch against the embeddings of pictures, (n, D), and what is known `about` them;
    returns the mean loss and how many pictures were compared with.

    A text about nothing is as far from all pictures as it needs to be long before it lies apart from all other texts,
    which is what a calibration tells it by: so a linear judge of the embeddings alone learns to, and teaches them to.
    """
    model, (labels, ranks) = state.model.train(), about
    total = torch.zeros((), device=frozen.device)
    title = f"epoch {epoch + 1}/{plan.total}, texts"
    for step in tqdm(range(plan.text_steps), desc=title, unit=" steps", leave=False):
        rows = torch.randint(len(frozen), (plan.text_batch,)).to(frozen.device)
        batch = next(texts).to(frozen.device)
        with torch.autocast(frozen.device.type, torch.bfloat16, enabled=has_bfloat16(frozen.device)):
            text_embeds = batch.embed(model)
        text_embeds = text_embeds.float()
        logits = model.logit_scale.exp() * frozen[rows] @ text_embeds.T + model.logit_bias  # (B, T)
        positive = fitting(batch, labels[rows], None if ranks is None else ranks[rows])
        judged, present = state.judge(text_embeds).squeeze(1), (batch.labels != NOTHING).float()  # (T,) each
        loss = model.loss_function(logits, positive).mean()
        loss = loss + plan.judge * F.binary_cross_entropy_with_logits(judged, present, reduction="sum")
        state.learn(loss, learning_rate(plan, epoch + step / plan.text_steps))
        total += loss.detach()
    return total.item() / plan.text_steps, plan.text_steps * plan.text_batch


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


def draw_by_class(rows: torch.Tensor, labels: torch.Tensor, balance: float) -> torch.Tensor:
    """As many rows again, drawn with the size of their class to the minus `balance`: rare classes come oftener, each
    time in another view."""
    sizes = labels[rows].bincount()
    chances = sizes[labels[rows]].float() ** -balance
    return rows[torch.multinomial(chances, len(rows), replacement=True)]


def learning_rate(plan: Plan, epochs: float) -> float:
    """The learning rate after so many epochs: up in a straight line, down to 0 in another; then down from that of the
    plain epochs; then up and down once more for the texts."""
    stage = plan.stage(int(epochs))
    if stage == "plain":
        return plan.finish_rate * (1 - (epochs - plan.epochs) / plan.finish)
    start, length, highest, warmup = (0, plan.epochs, plan.learning_rate, plan.warmup)
    if stage == "texts":
        start, length, highest, warmup = (plan.epochs + plan.finish, plan.text_epochs, plan.text_rate, 0.05)
    done = (epochs - start) / length
    return highest * (done / warmup if done < warmup else (1 - done) / (1 - warmup))


def score(entry: dict) -> tuple[bool, float]:
    """What the best epoch is best in: a plain one before any other, then class accuracy and, where it was measured,
    the search among the training pictures."""
    return entry["stage"] == "plain", (entry["validation_accuracy"] or 0) + (entry["validation_top_1"] or 0)


def moving_average(module: torch.nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of the weights that is short at first, so as to forget the random start."""

    @torch.no_grad()
    def update(averaged: list[torch.Tensor], current: list[torch.Tensor], number: torch.Tensor) -> None:
        share = 1 - min(decay, (1 + int(number)) / (10 + int(number)))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share)
            else:  # batch norm's count of batches
                mean.copy_(value)

    return AveragedModel(module, multi_avg_fn=update, use_buffers=True)


def keep_memory() -> None:
    """Have glibc keep the memory that a step gives back, for the next step: else each large tensor is mapped and
    unmapped anew, and the system clears every page of it, for a tenth of the time. Other systems are left as they are.
    Source: mallopt(3)."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt"):
        for parameter, value in ((M_MMAP_THRESHOLD, 2**30), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**28)):
            libc.mallopt(parameter, value)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the machine multiplies bfloat16 in hardware; elsewhere it would be slower than float32."""
    if device.type == "cpu":
        return any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
    return torch.cuda.is_bf16_supported(including_emulation=False)


@torch.inference_mode()
def class_embeddings(model: RecTrioModel, tokenizer: RecTrioTokenizer, descriptions: Descriptions) -> torch.Tensor:
    """The mean embedding of each class's descriptions, (classes, D), of unit length."""
    model.eval()
    classes = []
    for words in descriptions.words.values():
        batch = tokenizer(list(words.descriptions), padding=True, return_tensors="pt").to(model.device)
        classes.append(model.get_text_features(**batch).mean(dim=0))
    return F.normalize(torch.stack(classes), dim=1)


@torch.inference_mode()
def nearest_accuracy(queries: torch.Tensor, labels: torch.Tensor, among: torch.Tensor, theirs: torch.Tensor) -> float:
    """The share of embeddings, (q, D), whose nearest of others, (n, D), has their label; labels are (q,) and (n,)."""
    nearest = torch.cat([(part @ among.T).argmax(dim=1) for part in queries.split(500)])
    return float((theirs[nearest] == labels).float().mean())


@torch.inference_mode()
def embed_pictures(model: RecTrioModel, pixels: Pixels, rows: torch.Tensor) -> torch.Tensor:
    """The embeddings of pictures as a search shows them, float32 (len(rows), D), to bfloat16's exactness where that is
    faster."""
    model.eval()
    device = pixels.labels.device
    with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
        parts = [model.get_image_features(pixels.batch(at)).float() for at in rows.to(device).split(1000)]
    return torch.cat(parts).clone()


# --- what a run leaves behind ------------------------------------------------------------------------------------


class State:
    """All that changes while training."""

    def __init__(self, model: RecTrioModel, concepts: Concepts, pupil: Pupil | None, *, pictures: int):
        self.model, self.concepts, self.pupil = model, concepts, pupil
        # what is averaged, and kept at its best: pictures and concepts that grew together are measured together
        self.learned = torch.nn.ModuleDict({"model": model, "concepts": concepts})
        # whether a text is about anything there is, by its embedding; only the text epochs need it
        self.judge = torch.nn.Linear(model.config.projection_dim, 1).to(model.device)
        self.losses = torch.full((pictures,), torch.inf)  # of each picture when it was last shown
        self.best: dict[str, torch.Tensor] = {}  # the averaged weights after the best epoch so far

    def begin(self, plan: Plan, epoch: int) -> None:
        """Begin the stage that an epoch belongs to: choose what is trained, and average and optimize it anew."""
        texts, plain = plan.stage(epoch) == "texts", plan.stage(epoch) == "plain"
        for part in (self.model.image_tower, self.model.image_projection):
            part.requires_grad_(not texts)
        for part in (self.model.text_tower, self.model.text_projection):
            part.requires_grad_(texts)
        self.average = moving_average(self.learned, plan.finish_average if plain else plan.average)
        self.optimizer = Optimizer(plan, self.model, *([self.judge] if texts else [self.concepts, self.pupil]))

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """What changes as a module, by its name in a checkpoint."""
        names = ("learned", "average", "judge", "pupil")
        return {name: module for name in names if (module := getattr(self, name)) is not None}

    def learn(self, loss: torch.Tensor, rate: float) -> None:
        """One step of the optimizer at a learning rate, and of the average."""
        self.optimizer.step(loss, rate)
        self.average.update_parameters(self.learned)

    def keep_best(self) -> None:
        """Keep the averaged weights as the best."""
        self.best = {name: value.clone() for name, value in self.average.module.state_dict().items()}

    def save(self, path: Path, log: dict) -> None:
        """Write the state after an epoch into one file, whole or not at all."""
        tensors = {"losses": self.losses}
        parts = {name: module.state_dict() for name, module in self.modules.items()}
        parts |= {"best": self.best, "optimizer": self.optimizer.tensors()}
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

    def load(self, plan: Plan, path: Path) -> dict:
        """Take the state up again; returns the log so far."""
        log = checkpoint_log(path)
        self.begin(plan, len(log["epochs"]) - 1)
        parts = defaultdict(dict)
        for name, value in load_file(path).items():
            if name == "losses":
                self.losses.copy_(value)
            else:
                part, rest = name.split(".", 1)
                parts[part][rest] = value
        for name, module in self.modules.items():
            module.load_state_dict(parts[name])
        self.best = parts["best"]
        self.optimizer.load(parts["optimizer"])
        return log


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
    total = sum(begun["plan"].get(kind, 0) for kind in ("epochs", "finish", "text_epochs"))
    done = f"{out} holds an unfinished run, {len(begun['epochs'])} of {total} epochs done."
    if fresh:
        return False  # the first new checkpoint takes the place of the old
    if not resume:
        raise TrainingError(f"{done} Go on with --resume, or begin anew with --fresh.")
    if changed := [name for name, value in plan.as_json().items() if begun["plan"].get(name) != value]:
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


def save_model_folder(
    model: RecTrioModel, processor: RecTrioProcessor, log: dict, out: Path, *, more: Mapping[str, str]
) -> None:
    """Write the model in Hub form, with its code (`trust_remote_code`), the log and its curve, and more texts by the
    names of their files.

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
        for name, text in more.items():
            (draft / name).write_text(text, encoding="utf-8")
        for old in ("model.safetensors", *(f"{name}.json" for name in MEASURED)):
            (out / old).unlink(missing_ok=True)
        for file in sorted(draft.iterdir(), key=lambda file: file.suffix == ".safetensors"):
            file.chmod(0o644)
            file.replace(out / file.name)


def plot_curve(log: dict, path: Path) -> None:
    """Loss and validation accuracy by epoch, as a PNG."""
    from matplotlib.figure import Figure

    entries = [entry for entry in log["epochs"] if entry["stage"] != "texts"]  # whose loss is another
    epochs = [entry["epoch"] for entry in entries]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    left.plot(epochs, [entry["loss"] for entry in entries], color="tab:gray", label="training loss")
    if validated := [entry for entry in entries if entry["validation_accuracy"] is not None]:
        accuracies = [100 * entry["validation_accuracy"] for entry in validated]
        right.plot([entry["epoch"] for entry in validated], accuracies, color="tab:blue", label="accuracy")
    if finishing := [entry for entry in entries if entry["validation_top_1"] is not None]:
        top_1 = [100 * entry["validation_top_1"] for entry in finishing]
        right.plot([entry["epoch"] for entry in finishing], top_1, color="tab:orange", label="same class at rank 1")
    right.axvline(log["best_epoch"], color="tab:blue", linestyle=":")
    left.set(xlabel="epoch", ylabel="training loss (grey)")
    right.set(ylabel="validation: class accuracy, % (blue), rank 1 (orange)")
    figure.savefig(path, dpi=120, metadata={"Software": None})
