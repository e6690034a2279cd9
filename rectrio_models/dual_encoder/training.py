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
import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from rectrio_models.attributes import ranks_in_class
from rectrio_models.datasets import DatasetRecord, dataset_record
from rectrio_models.dual_encoder.augmentation import mix, random_boxes
from rectrio_models.dual_encoder.concepts import Concepts
from rectrio_models.dual_encoder.configuration_rectrio import RecTrioConfig
from rectrio_models.dual_encoder.device import environment, has_bfloat16, keep_memory, usable_device
from rectrio_models.dual_encoder.image_processing_rectrio import RecTrioImageProcessor
from rectrio_models.dual_encoder.modeling_rectrio import RecTrioModel
from rectrio_models.dual_encoder.pictures import (
    ROOM,
    Photos,
    Pixels,
    channel_statistics,
    choose_pictures,
    draw_by_class,
    held_and_shown,
    load_pixels,
)
from rectrio_models.dual_encoder.plan import SHAPES, Plan
from rectrio_models.dual_encoder.processing_rectrio import RecTrioProcessor
from rectrio_models.dual_encoder.run_folder import CHECKPOINT, save_model_folder, unfinished_run
from rectrio_models.dual_encoder.starting import starting_point
from rectrio_models.dual_encoder.state import State
from rectrio_models.dual_encoder.teacher import Pupil, Teacher
from rectrio_models.dual_encoder.texts import NOTHING, Texts, TextSource, fitting
from rectrio_models.dual_encoder.tokenization_rectrio import RecTrioTokenizer
from rectrio_models.dual_encoder.validation import class_embeddings, embed_pictures, validate
from rectrio_models.errors import TrainingError

GALLERY = 10_000  # training pictures, at most, that the held-out ones are sought among while training


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
        if stage == "texts":
            classes = class_embeddings(averaged, tokenizer, descriptions)[source.present]
        else:
            classes = known.classes()
        gallery = shown[:GALLERY] if stage == "plain" else shown[:0]
        accuracy, top_1 = validate(averaged, classes, source.present, pixels, held_out, gallery)
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
        state.learn(loss, plan.rate_at(epoch + step / steps))
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
        state.learn(loss, plan.rate_at(epoch + step / plan.text_steps))
        total += loss.detach()
    return total.item() / plan.text_steps, plan.text_steps * plan.text_batch


def score(entry: dict) -> tuple[bool, float]:
    """What the best epoch is best in: a plain one before any other, then class accuracy and, where it was measured,
    the search among the training pictures."""
    return entry["stage"] == "plain", (entry["validation_accuracy"] or 0) + (entry["validation_top_1"] or 0)
