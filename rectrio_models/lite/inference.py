"""V2 lite at work: both towers compiled by OpenVINO, with a tokenizer and pixels that need neither torch nor
transformers.

The towers are exported once, into the cache, from the weights in the installed packages and the head in the folder.
After that the packages are not looked at.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from rectrio_models.cache import cache_root, made_once, sha256_of
from rectrio_models.encoder import Encoder, Vectors
from rectrio_models.errors import ModelError
from rectrio_models.lite.bases import Base
from rectrio_models.lite.pixels import SIDE, squares
from rectrio_models.releases import read_json
from rectrio_models.towers import Tower, compiled_tower, save_tower

FILES = ("config.json", "model.safetensors")
EMBEDDING_VERSION = 1  # raise it when a change of the code changes what a text or a picture embeds as
PICTURES_AT_ONCE, TEXTS_AT_ONCE = 16, 64


class LiteEncoder(Encoder):
    """A folder that training wrote, with the two models it stands on, as an Encoder. `backend` is "openvino" or,
    slower to load, "torch".

    Its towers run in float32 whatever `precision` is asked for, so nothing has to hold on a gallery.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        backend: str = "openvino",
        precision: str = "auto",
        device: str = "CPU",
        gallery: str | None = None,
        data: Path | None = None,
        checked: bool = True,
    ):
        if missing := [file for file in FILES if not (folder / file).is_file()]:
            raise ModelError(
                f"{folder} is no whole RecTrio model: {', '.join(missing)} is missing. Align or fetch it again."
            )
        if backend not in BACKENDS:
            raise ModelError(f"“{backend}” is no backend; {' and '.join(BACKENDS)} are.")
        self.name, self.precision = name or str(folder), "f32"
        # the config has the hashes of the weights in the packages
        self.fingerprint = sha256_of([folder / file for file in FILES], salt=f"lite {EMBEDDING_VERSION}")
        config = read_json(folder / "config.json")
        self.dim: int = config["dim"]
        self.max_tokens: int = config["max_tokens"]
        self.logit_scale: float = config["logit_scale"]
        self._image, self._text, tokenizer = BACKENDS[backend](folder, config, self.fingerprint, device)
        try:
            self._whole, self._cut = (Tokenizer.from_str(tokenizer) for _ in range(2))
        except Exception as error:  # the binding raises bare Exception
            damaged = cache_root() / "towers" / self.fingerprint[:16]
            raise ModelError(f"{damaged} is damaged: delete it and start again.") from error
        self._whole.no_padding()
        self._whole.no_truncation()
        self._cut.enable_truncation(self.max_tokens)
        self._cut.enable_padding()

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: unit float32 (len(texts), dim)."""
        out = np.empty((len(texts), self.dim), np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # texts of like length share a batch
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            rows = order[start : start + TEXTS_AT_ONCE]
            encoded = self._cut.encode_batch([texts[row] for row in rows])
            out[rows] = self._text(
                input_ids=np.array([text.ids for text in encoded], np.int64),  # (B, T)
                attention_mask=np.array([text.attention_mask for text in encoded], np.int64),
            )
        return out

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Embed pictures: unit float32 (len(images), dim)."""
        out = np.empty((len(images), self.dim), np.float32)
        for start in range(0, len(images), PICTURES_AT_ONCE):
            batch = squares(images[start : start + PICTURES_AT_ONCE])  # (B, 224, 224, 3) uint8
            out[start : start + len(batch)] = self._image(pixels=batch)
        return out

    def count_tokens(self, text: str) -> int:
        """How many tokens the whole text has."""
        return len(self._whole.encode(text).ids)


# --- the two backends ---------------------------------------------------------------------------------------------


def openvino_towers(folder: Path, config: dict, fingerprint: str, device: str) -> tuple[Tower, Tower, str]:
    """Both towers compiled for a device, exported first where the cache has none, and the tokenizer as JSON."""
    cached = made_once(cache_root() / "towers" / fingerprint[:16], lambda draft: export_towers(folder, config, draft))
    image, text = (compiled_tower(cached / f"{name}.xml", device=device) for name in ("image", "text"))
    return image, text, (cached / "tokenizer.json").read_text(encoding="utf-8")


def export_towers(folder: Path, config: dict, out: Path) -> None:
    """Convert the towers into `image.xml` and `text.xml`, each with its weights beside it, and add the tokenizer."""
    import torch

    image, text, tokenizer = load_torch(folder, config)
    convert(image, {"pixels": torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)}, out / "image.xml")
    ids = torch.ones(2, 3, dtype=torch.int64)
    convert(text, {"input_ids": ids, "attention_mask": ids}, out / "text.xml")
    (out / "tokenizer.json").write_text(tokenizer, encoding="utf-8")


def convert(module, inputs: dict, path: Path) -> None:
    """Convert a module, as it runs on example inputs, for OpenVINO."""
    import openvino as ov
    import torch

    with warnings.catch_warnings():
        for kind in (FutureWarning, torch.jit.TracerWarning):  # of the tracing that OpenVINO's converter does
            warnings.simplefilter("ignore", kind)
        save_tower(ov.convert_model(module, example_input=inputs), path)


def torch_towers(folder: Path, config: dict, fingerprint: str, device: str) -> tuple[Tower, Tower, str]:
    """Both towers as PyTorch runs them, on the CPU, and the tokenizer as JSON."""
    import torch

    image, text, tokenizer = load_torch(folder, config)

    def tower(module) -> Tower:
        @torch.inference_mode()
        def embed(**inputs: np.ndarray) -> np.ndarray:
            return module(**{name: torch.from_numpy(values) for name, values in inputs.items()}).numpy()

        return embed

    return tower(image), tower(text), tokenizer


BACKENDS = {"openvino": openvino_towers, "torch": torch_towers}


def load_torch(folder: Path, config: dict):
    """The ImageTower and the TextTower of a folder, ready for inference, and the tokenizer as JSON."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from rectrio_models.lite.modeling import (
        FeatureTower,
        ImageTower,
        SentenceTower,
        TextTower,
        load_efficientnet,
        load_minilm,
    )

    try:
        head = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    except SafetensorError as error:
        raise ModelError(f"{folder / 'model.safetensors'} is damaged: {error}. Align or fetch it again.") from error
    image_base, text_base = Base(**config["image_base"]), Base(**config["text_base"])
    image = ImageTower(
        FeatureTower(load_efficientnet(image_base)), mean=head["image_mean"], projection=head["image_projection"]
    )
    text = TextTower(
        SentenceTower(load_minilm(text_base)),
        mean=head["text_mean"],
        landmarks=head["landmarks"],
        weights=head["text_weights"],
        sharpness=config["sharpness"],
    )
    return image.eval(), text.eval(), text_base.read("tokenizer.json").decode()
