"""Encoder: what V1 and V2 have in common, and all that the rest of the program knows of them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from rectrio_models.errors import QueryError

Vectors = np.ndarray  # float32 (n, dim), each row of unit length

# Seven of the eighty prompts of CLIP's authors, which they found to do about as well as all of them on ImageNet:
# https://github.com/openai/CLIP/blob/main/notebooks/Prompt_Engineering_for_ImageNet.ipynb
PROMPTS = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


MOST_LABELS, LONGEST_LABEL = 1000, 200


class Encoder(Protocol):
    """Texts and pictures to unit vectors in one space. Safe to call from many threads at once."""

    name: str  # the release it was loaded as, or its folder
    dim: int
    fingerprint: str  # changes whenever the embeddings would
    max_tokens: int  # what a text has beyond them is not read
    precision: str  # what it multiplies in: f32, bf16 or int8
    logit_scale: float  # what a cosine is multiplied by before the softmax over labels

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: unit float32 (len(texts), dim)."""

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Embed pictures: unit float32 (len(images), dim)."""

    def count_tokens(self, text: str) -> int:
        """How many tokens the whole text has."""

    def zero_shot(
        self, images: Sequence[Image.Image], labels: Sequence[str], *, template: str | Sequence[str] = PROMPTS
    ) -> np.ndarray:
        """How likely each label is the one that a picture shows, float32 (len(images), len(labels)), rows of sum 1.

        template: one text or several with {} where the label goes; several are averaged into one embedding a label
        (prompt ensembling: Radford et al., arXiv 2103.00020, section 3.1.4).
        Raises QueryError when there are fewer than two labels, two are the same, or a template has no {}.
        """
        labels = check_labels(labels)
        logits = self.logit_scale * self.encode_images(images) @ self.label_vectors(labels, template=template).T
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))  # (images, labels)
        return likely / likely.sum(axis=1, keepdims=True)

    def label_vectors(self, labels: Sequence[str], *, template: str | Sequence[str] = PROMPTS) -> Vectors:
        """Each label as the mean embedding of its prompts, of unit length, (len(labels), dim)."""
        templates = [template] if isinstance(template, str) else list(template)
        if plain := [text for text in templates if "{}" not in text]:
            raise QueryError(f"The template “{plain[0]}” has no {{}} where the label goes, as “a photo of a {{}}” has.")
        texts = [text.replace("{}", label) for label in labels for text in templates]
        means = self.encode_text(texts).reshape(len(labels), len(templates), self.dim).mean(axis=1)
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def check_labels(labels: Sequence[str]) -> list[str]:
    """Labels without the spaces around them; raises QueryError unless there are two or more, all different."""
    stripped = [label.strip() for label in labels if label.strip()]
    if len(stripped) > MOST_LABELS or max(map(len, stripped), default=0) > LONGEST_LABEL:
        raise QueryError(
            f"{len(stripped):,} labels are given; at most {MOST_LABELS:,} are taken, of {LONGEST_LABEL} letters each."
        )
    if len(stripped) < 2:
        raise QueryError("To tell what a picture shows takes two labels or more, as “cat, dog, neither”.")
    if double := next((label for label in stripped if stripped.count(label) > 1), None):
        raise QueryError(f"The label “{double}” is given twice.")
    return stripped
