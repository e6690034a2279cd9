"""Align MiniLM's texts with EfficientNet's pictures: `python -m rectrio_models align --out DIR`.

The image tower is locked, as in LiT (arXiv 2111.07991); only the text side learns. A class's weights in the classifier
are the direction in which its pictures lie, so a text should land on the mean weights of the classes that it names.
WordNet says which: "bird" means the 59 classes below it, "cow" the class "ox" below cattle. Emoji teach what ImageNet
has no class for, as people, and what drawings look like to the image tower: their names should land where they do.

The head is a kernel ridge regression with landmarks (the Nyström method, Williams & Seeger 2000), solved in one step:
no learning rate, no epochs, and the same head for the same seed.
"""

import json
import random
import time
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch.nn import functional as F
from tqdm import tqdm

from rectrio_models.cache import write_whole
from rectrio_models.errors import TrainingError
from rectrio_models.figures import machine
from rectrio_models.lite.bases import EFFICIENTNET, MINILM
from rectrio_models.lite.emoji import emoji
from rectrio_models.lite.modeling import FeatureTower, SentenceTower, kernel, load_efficientnet, load_minilm
from rectrio_models.lite.pixels import SIDE, squares
from rectrio_models.lite.texts import NounText, Targets, class_synsets, noun_texts
from rectrio_models.wordnet import PLACE, read_wordnet

LOG = "training.json"
WIDTH = 384  # of MiniLM's sentence embeddings
TEXTS_AT_ONCE = 64


@dataclass(frozen=True)
class Plan:
    """Everything that decides what a run ends with, but for the data."""

    dim: int = 512
    landmarks: int = 4500  # common nouns and glosses that texts are measured against, beside the names of emoji
    sharpness: float = 3.0  # of the kernel exp(sharpness · (cosine - 1))
    ridge: float = 0.5
    texts: int = 36_000  # of WordNet's, those that count most
    spread: float = 0.3  # how far chance decides which those are: weights are multiplied by a share to this power
    held_out: float = 0.03  # share of the nouns kept out of training, to measure it
    emoji_weight: float = 1.0  # of an emoji's name, where a text of WordNet's has 1 on average
    max_tokens: int = 256  # what MiniLM was trained with
    seed: int = 0

    def __post_init__(self):
        for name in ("dim", "landmarks", "texts", "ridge", "sharpness"):
            if getattr(self, name) <= 0:
                raise TrainingError(f"{name} is {getattr(self, name)}; it must be over 0.")


def align(plan: Plan, out: Path, *, wordnet: Path = PLACE) -> Path:
    """Train the head by `plan` and write it, with its config and log, into `out`; returns `out`.

    Raises DataError when WordNet or the emoji are not installed, ModelError when the base models are not.
    """
    began = time.monotonic()
    nouns = read_wordnet(wordnet)
    sentences, tokenizer = load_sentences(plan)
    network = load_efficientnet(EFFICIENTNET)

    # where pictures lie
    image_mean = mean_features(network)  # (1280,)
    differences = network._fc.weight.detach() - network._fc.weight.detach().mean(dim=0)  # (1000, 1280)
    projection = torch.linalg.svd(differences, full_matrices=False).Vh[: plan.dim].T.contiguous()  # (1280, dim)
    class_weights = differences @ projection  # (1000, dim)

    # what texts should land on
    targets = Targets(nouns)
    rng = random.Random(plan.seed)
    shown, held_out = chosen_texts(noun_texts(targets, whole_words(tokenizer), rng), plan, rng)
    names, features = look_at(network, emoji())  # (emoji, 1280)
    drawn = F.normalize((features - image_mean) @ projection, dim=1)  # (emoji, dim)
    texts = [text.text for text in shown] + names
    wanted = torch.cat([named_classes(shown, targets, class_weights), drawn])  # (texts, dim)
    counts = torch.tensor([text.weight for text in shown], dtype=torch.float32)
    counts = torch.cat([counts / counts.mean(), torch.full((len(names),), plan.emoji_weight)])  # (texts,)

    # the regression
    embedded = embed(sentences, tokenizer, texts)  # (n, 384)
    text_mean = embedded[: len(shown)].mean(dim=0)
    embedded = F.normalize(embedded - text_mean, dim=1)
    bare = [row for row, text in enumerate(shown) if text.text == text.lemma or not text.lemma]
    bare.sort(key=lambda row: -shown[row].weight)
    landmarks = embedded[bare[: plan.landmarks] + list(range(len(shown), len(texts)))]  # (m, 384)
    weights = ridge_regression(kernel(embedded, landmarks, plan.sharpness), wanted, counts, plan.ridge)

    def text_vectors(texts: list[str]) -> torch.Tensor:
        vectors = F.normalize(embed(sentences, tokenizer, texts) - text_mean, dim=1)
        return F.normalize(kernel(vectors, landmarks, plan.sharpness) @ weights, dim=1)  # (n, dim)

    classes = [f"a photo of a {nouns.synsets[synset].lemmas[0]}" for synset in class_synsets()]
    scale = fitted_scale(drawn @ text_vectors(classes).T, network._fc(features).softmax(dim=1))
    found = text_vectors([text.text for text in held_out])  # (n, dim)
    log = {
        "command": "python -m rectrio_models align",
        "plan": asdict(plan),
        "environment": {"machine": machine(), "threads": torch.get_num_threads(), "torch": torch.__version__},
        "parameters": sum(tensor.numel() for tensor in (image_mean, projection, text_mean, landmarks, weights)),
        "texts": len(texts),
        "nouns": len({text.lemma for text in shown if text.lemma}),
        "emoji": len(names),
        "landmarks": len(landmarks),
        "held_out": held_out_figures(held_out, found, targets, class_weights),
        "logit_scale": scale,
        "sources": SOURCES,
        "seconds": round(time.monotonic() - began, 1),
    }
    head = {
        "image_mean": image_mean,
        "image_projection": projection,
        "text_mean": text_mean,
        "landmarks": landmarks,
        "text_weights": weights,
    }
    config = {
        "model_type": "rectrio-lite",
        "image_base": asdict(EFFICIENTNET),
        "text_base": asdict(MINILM),
        "dim": plan.dim,
        "max_tokens": plan.max_tokens,
        "sharpness": plan.sharpness,
        "logit_scale": scale,
    }
    write_folder(out, head, config, log)
    return out


SOURCES = (
    "WordNet 3.0 (Debian's wordnet-base): nouns, glosses, hypernyms, counts of senses",
    "Noto Color Emoji (Debian's fonts-noto-color-emoji), by their names in Unicode's CLDR (unicode-cldr-core)",
)


# --- pictures -----------------------------------------------------------------------------------------------------


def mean_features(network) -> torch.Tensor:
    """The mean of the features over ImageNet, (1280,), without a picture of it: they are what ReLU6 leaves of a batch
    norm's output, which has its bias for mean and its weight for standard deviation, and is taken to be normal."""
    last = network._bn1
    mean, deviation = last.bias.detach(), last.weight.detach().abs().clamp_min(1e-6)
    normal = torch.distributions.Normal(0.0, 1.0)
    low, high = -mean / deviation, (6 - mean) / deviation
    between = normal.cdf(high) - normal.cdf(low)
    density = normal.log_prob(low).exp() - normal.log_prob(high).exp()
    return mean * between + deviation * density + 6 * (1 - normal.cdf(high))


def look_at(network, pictures: Iterable[tuple[Image.Image, str]]) -> tuple[list[str], torch.Tensor]:
    """The names of pictures, and their features, (n, 1280)."""
    tower = quick(FeatureTower(network).eval(), {"pixels": torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)})
    names, features = [], []
    for picture, name in tqdm(pictures, desc="looking at emoji", unit=" pictures", leave=False):
        names.append(name)
        features.append(torch.from_numpy(tower(squares([picture]))[0].copy()))  # (1, 1280)
    return names, torch.cat(features)


def quick(module: torch.nn.Module, inputs: dict[str, torch.Tensor]):
    """A module that OpenVINO runs, for as long as this process lives; `inputs` are an example."""
    import openvino as ov

    with warnings.catch_warnings():
        for kind in (FutureWarning, torch.jit.TracerWarning):  # of the tracing that OpenVINO's converter does
            warnings.simplefilter("ignore", kind)
        converted = ov.convert_model(module, example_input=inputs)
    return ov.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def fitted_scale(cosines: torch.Tensor, posteriors: torch.Tensor) -> float:
    """The logit scale by which pictures and the names of the classes, of cosines (n, 1000), agree best with what the
    classifier takes those pictures for."""
    scales = torch.arange(2.0, 100.0, 0.5)
    losses = [-(posteriors * (scale * cosines).log_softmax(dim=1)).sum(dim=1).mean() for scale in scales]
    return float(scales[torch.stack(losses).argmin()])


# --- texts --------------------------------------------------------------------------------------------------------


def chosen_texts(texts: list[NounText], plan: Plan, rng: random.Random) -> tuple[list[NounText], list[NounText]]:
    """The texts that are trained on, those that count most, and as many bare nouns as are held out."""
    lemmas = sorted({text.lemma for text in texts if text.lemma})
    kept_out = set(rng.sample(lemmas, int(plan.held_out * len(lemmas))))
    rated = sorted(texts, key=lambda text: -text.weight * rng.random() ** plan.spread)
    chosen = rated[: plan.texts]
    return (
        [text for text in chosen if text.lemma not in kept_out],
        [text for text in chosen if text.lemma in kept_out and text.text == text.lemma],
    )


def named_classes(texts: list[NounText], targets: Targets, class_weights: torch.Tensor) -> torch.Tensor:
    """The mean weights of the classes that texts name, of unit length, (len(texts), dim)."""
    classes = torch.from_numpy(np.stack([targets.classes(text.senses) for text in texts]))  # (n, 1000)
    return F.normalize(classes @ class_weights, dim=1)


def load_sentences(plan: Plan):
    """MiniLM as OpenVINO runs it, and its tokenizer."""
    tokenizer = Tokenizer.from_str(MINILM.read("tokenizer.json").decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(plan.max_tokens)
    ids = torch.ones(2, 3, dtype=torch.int64)
    return quick(SentenceTower(load_minilm(MINILM)).eval(), {"input_ids": ids, "attention_mask": ids}), tokenizer


def whole_words(tokenizer: Tokenizer) -> set[str]:
    """The words that the tokenizer knows whole: the common ones."""
    return {word for word in tokenizer.get_vocab() if word.isalpha()}


def embed(sentences, tokenizer: Tokenizer, texts: list[str]) -> torch.Tensor:
    """The sentence embeddings of texts, (len(texts), 384), those of one length together."""
    encoded = tokenizer.encode_batch(texts)
    by_length = sorted(range(len(texts)), key=lambda row: len(encoded[row]))
    out = torch.empty(len(texts), WIDTH)
    with tqdm(total=len(texts), desc="reading texts", unit=" texts", leave=False) as bar:
        for _, alike in groupby(by_length, key=lambda row: len(encoded[row])):
            rows = list(alike)
            for start in range(0, len(rows), TEXTS_AT_ONCE):
                here = rows[start : start + TEXTS_AT_ONCE]
                ids = np.array([encoded[row].ids for row in here], np.int64)  # (B, T)
                out[here] = torch.from_numpy(sentences({"input_ids": ids, "attention_mask": np.ones_like(ids)})[0])
                bar.update(len(here))
    return out


# --- the head -----------------------------------------------------------------------------------------------------


def ridge_regression(inputs: torch.Tensor, wanted: torch.Tensor, counts: torch.Tensor, ridge: float) -> torch.Tensor:
    """The weights (m, dim) that bring inputs (n, m) nearest to what is wanted (n, dim), each row as its count says."""
    counted = inputs.T * counts  # (m, n)
    products = counted @ inputs
    products.diagonal().add_(ridge)
    return torch.linalg.solve(products.double(), (counted @ wanted).double()).float()


def held_out_figures(
    texts: list[NounText], vectors: torch.Tensor, targets: Targets, class_weights: torch.Tensor
) -> dict[str, float]:
    """How near the nouns that were kept out of training land to where they should."""
    cosines = (vectors * named_classes(texts, targets, class_weights)).sum(dim=1)
    nearest = (vectors @ F.normalize(class_weights, dim=1).T).topk(10, dim=1).indices.tolist()  # (n, 10)
    meant = [set(np.flatnonzero(targets.classes(text.senses))) for text in texts]
    return {
        "n": len(texts),
        "cosine": round(float(cosines.mean()), 4),
        "class_at_1": round(float(np.mean([ten[0] in want for ten, want in zip(nearest, meant, strict=True)])), 4),
        "class_at_10": round(
            float(np.mean([not want.isdisjoint(ten) for ten, want in zip(nearest, meant, strict=True)])), 4
        ),
    }


def write_folder(out: Path, head: dict[str, torch.Tensor], config: dict, log: dict) -> None:
    """Write the head, the config and the log into `out`, and leave what else is there."""
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.half().contiguous() for name, tensor in head.items()}, out / "model.safetensors")
    write_whole(out / "config.json", json.dumps(config, indent=1) + "\n")
    write_whole(out / LOG, json.dumps(log, indent=1, ensure_ascii=False) + "\n")
