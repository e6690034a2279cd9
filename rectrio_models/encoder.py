"""Encoder: what V1 and V2 have in common, and all that the rest of the program knows of them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image

Vectors = np.ndarray  # float32 (n, dim), each row of unit length


class Encoder(Protocol):
    """Texts and pictures to unit vectors in one space. Safe to call from many threads at once."""

    name: str  # the release it was loaded as, or its folder
    dim: int
    fingerprint: str  # changes whenever the embeddings would
    max_tokens: int  # what a text has beyond them is not read

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: unit float32 (len(texts), dim)."""

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Embed pictures: unit float32 (len(images), dim)."""

    def count_tokens(self, text: str) -> int:
        """How many tokens the whole text has."""
