"""CLIP at work: two towers compiled by OpenVINO, one for each kind of query, in the fastest precision that holds."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from rectrio_models.clip.export import FACTS, IMAGE, TEXT, TOKENIZER, checkpoint_fingerprint, exported
from rectrio_models.clip.pixels import PixelForm
from rectrio_models.encoder import Encoder, Vectors
from rectrio_models.errors import ModelError
from rectrio_models.towers import AT_ONCE, Stream, compiled_tower, throughput_tower

MANY_PICTURES = 16  # from so many on, the towers for building are worth their loading
PICTURES_AT_ONCE, TEXTS_AT_ONCE = 64, 64


class ClipEncoder(Encoder):
    """The towers of a CLIP checkpoint as an Encoder.

    towers: a folder with the exported image and text towers. facts: the folder that says what goes with them.
    precision: what OpenVINO multiplies in; int8 towers say so by themselves, and do the rest in this.
    """

    def __init__(
        self, towers: Path, facts: Path, *, name: str, fingerprint: str, precision: str = "f32", device: str = "CPU"
    ):
        self._use_facts(facts, name, fingerprint)
        self.precision = precision if towers == facts else "int8"
        self._options = {"device": device, "precision": precision}
        self._image_file = towers / IMAGE
        self._image = compiled_tower(towers / IMAGE, **self._options)
        self._text = compiled_tower(towers / TEXT, **self._options)
        self._many: Stream | None = None
        self._loading = threading.Lock()

    def _use_facts(self, folder: Path, name: str, fingerprint: str) -> None:
        try:
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            self._whole, self._cut = (Tokenizer.from_file(str(folder / TOKENIZER)) for _ in range(2))
        except Exception as error:  # the tokenizer's binding raises bare Exception
            raise ModelError(f"{folder} is damaged: delete it and start again.") from error
        self.name, self.fingerprint = name, fingerprint
        self.dim: int = facts["dim"]
        self.max_tokens: int = facts["max_tokens"]
        self.logit_scale: float = facts["logit_scale"]
        pixels = facts["pixels"]
        self.form = PixelForm(**{key: tuple(v) if isinstance(v, list) else v for key, v in pixels.items()})
        self._cut.enable_truncation(self.max_tokens)
        # the text tower looks from left to right and embeds what it knows at the first end token, so what comes
        # after that changes nothing, and any token will do
        self._cut.enable_padding(pad_id=facts["end"])

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: unit float32 (len(texts), dim). Each runs at its own length, or at that of its like."""
        out = np.empty((len(texts), self.dim), np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            rows = order[start : start + TEXTS_AT_ONCE]
            out[rows] = self._text(**self.tokens([texts[row] for row in rows]))
        return out

    def tokens(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """`input_ids` and `attention_mask`, int64 (len(texts), longest), of texts cut to max_tokens."""
        encoded = self._cut.encode_batch(list(texts))
        return {
            "input_ids": np.array([text.ids for text in encoded], np.int64),
            "attention_mask": np.array([text.attention_mask for text in encoded], np.int64),
        }

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Embed pictures: unit float32 (len(images), dim)."""
        if len(images) >= MANY_PICTURES:
            starts = range(0, len(images), AT_ONCE)
            pixels = (self.form.pixels(images[start : start + AT_ONCE]) for start in starts)
            return self._tower_for_many()({"pixel_values": batch} for batch in pixels)
        out = np.empty((len(images), self.dim), np.float32)
        for row, picture in enumerate(images):
            out[row] = self._image(pixel_values=self.form.pixels([picture]))[0]
        return out

    def _tower_for_many(self) -> Stream:
        with self._loading:
            self._many = self._many or throughput_tower(self._image_file, **self._options)
        return self._many

    def count_tokens(self, text: str) -> int:
        """How many tokens the whole text has, its start and end among them."""
        return len(self._whole.encode(text).ids)


class TorchClipEncoder(ClipEncoder):
    """The same checkpoint as PyTorch runs it, with texts padded to the full length, as CLIP's own code does: slower,
    and what the others are measured against."""

    def __init__(self, folder: Path, facts: Path, *, name: str, fingerprint: str):
        import torch
        from transformers import CLIPModel

        self._use_facts(facts, name, fingerprint)
        self.precision = "f32"
        self._cut.enable_padding(pad_id=self._cut.padding["pad_id"], length=self.max_tokens)
        self._model = CLIPModel.from_pretrained(folder, local_files_only=True).eval()
        self._torch = torch
        self._text = self._embed_tokens

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Embed pictures: unit float32 (len(images), dim)."""
        out = np.empty((len(images), self.dim), np.float32)
        for start in range(0, len(images), PICTURES_AT_ONCE):
            pixels = self._torch.from_numpy(self.form.pixel_values(images[start : start + PICTURES_AT_ONCE]))
            with self._torch.inference_mode():
                out[start : start + len(pixels)] = unit(self._model.get_image_features(pixel_values=pixels))
        return out

    def _embed_tokens(self, **inputs: np.ndarray) -> np.ndarray:
        with self._torch.inference_mode():
            features = self._model.get_text_features(
                **{name: self._torch.from_numpy(values) for name, values in inputs.items()}
            )
        return unit(features)


def unit(features) -> np.ndarray:
    """CLIP's features, as a tensor or as the output that carries it, as unit vectors."""
    pooled = getattr(features, "pooler_output", features)  # (n, dim)
    return (pooled / pooled.norm(dim=-1, keepdim=True)).numpy()


def open_clip(
    folder: Path,
    *,
    name: str | None = None,
    backend: str = "openvino",
    precision: str = "auto",
    device: str = "CPU",
    gallery: str = "fashion-mnist",
    data: Path | None = None,
    checked: bool = True,
) -> ClipEncoder:
    """Open a CLIP checkpoint.

    precision: f32, bf16, int8, or auto for the fastest of them whose embeddings hold on pictures of `gallery`, a name
    in DATASETS, or of `data`, a copy of it; int8 is calibrated on them too. Without `checked`, a precision is opened
    though it may not hold.
    Raises ModelError when the folder is no whole CLIP, the device is not there, or the precision does not hold.
    """
    from rectrio_models.clip.precision import Candidates

    facts, checkpoint = exported(folder), checkpoint_fingerprint(folder)
    name = name or str(folder)
    if backend == "torch":
        return TorchClipEncoder(folder, facts, name=name, fingerprint=checkpoint)
    if backend != "openvino":
        raise ModelError(f"“{backend}” is no backend; openvino and torch are.")
    candidates = Candidates(facts, checkpoint, name=name, device=device, gallery=gallery, data=data)
    return candidates.fastest() if precision == "auto" else candidates.open(precision, checked=checked)
