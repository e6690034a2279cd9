"""V1 at work: both towers compiled by OpenVINO, with a tokenizer and pixels that need neither torch nor transformers.

The towers are exported once, into the cache, under the fingerprint of everything that the embeddings depend on.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from rectrio_models.cache import cache_root, made_once, sha256_of
from rectrio_models.dual_encoder.pixels_rectrio import pixel_values
from rectrio_models.encoder import Encoder, Vectors
from rectrio_models.errors import ModelError
from rectrio_models.releases import read_json
from rectrio_models.towers import Tower, compiled_tower, save_tower

FILES = ("config.json", "model.safetensors", "tokenizer.json", "processor_config.json")
EMBEDDING_VERSION = 1  # raise it when a change of the code changes what a text or a picture embeds as
PICTURES_AT_ONCE, TEXTS_AT_ONCE = 64, 64  # measured: more is no faster on a CPU


class DualEncoder(Encoder):
    """A trained RecTrio folder as an Encoder. `backend` is "openvino" or, slower to load, "torch".

    It is small enough to run in float32 whatever `precision` is asked for, so nothing has to hold on a gallery.
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
                f"{folder} is no whole RecTrio model: {', '.join(missing)} is missing. Train or fetch it again."
            )
        if backend not in BACKENDS:
            raise ModelError(f"“{backend}” is no backend; {' and '.join(BACKENDS)} are.")
        self.name, self.precision = name or str(folder), "f32"
        self.fingerprint = sha256_of([folder / file for file in FILES], salt=f"rectrio {EMBEDDING_VERSION}")
        config = read_json(folder / "config.json")
        self.dim: int = config["projection_dim"]
        self.max_tokens: int = config["max_tokens"]
        self._channels: int = config["num_channels"]
        form = read_json(folder / "processor_config.json")["image_processor"]
        self._pixels = {
            name: form[name] for name in ("image_size", "num_channels", "image_mean", "image_std", "dark_ground")
        }
        self._pixels["stretch"] = form.get("stretch", False)  # older models have no such field
        self._whole = read_tokenizer(folder / "tokenizer.json")
        self._cut = read_tokenizer(folder / "tokenizer.json")
        self._cut.enable_truncation(self.max_tokens)
        self._cut.enable_padding(pad_id=config["pad_token_id"])
        self.logit_scale = read_logit_scale(folder / "model.safetensors")
        self._image, self._text = BACKENDS[backend](folder, self.fingerprint, device)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: unit float32 (len(texts), dim)."""
        out = np.empty((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            encoded = self._cut.encode_batch(list(texts[start : start + TEXTS_AT_ONCE]))
            out[start : start + len(encoded)] = self._text(
                input_ids=np.array([text.ids for text in encoded], np.int64),  # (B, T)
                attention_mask=np.array([text.attention_mask for text in encoded], np.int64),
            )
        return out

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Embed pictures: unit float32 (len(images), dim)."""
        out = np.empty((len(images), self.dim), np.float32)
        for start in range(0, len(images), PICTURES_AT_ONCE):
            batch = pixel_values(images[start : start + PICTURES_AT_ONCE], **self._pixels)  # (B, C, h, w)
            out[start : start + len(batch)] = self._image(pixel_values=batch)
        return out

    def count_tokens(self, text: str) -> int:
        """How many tokens the whole text has."""
        return len(self._whole.encode(text).ids)


# --- the two backends ---------------------------------------------------------------------------------------------


def openvino_towers(folder: Path, fingerprint: str, device: str) -> tuple[Tower, Tower]:
    """Both towers compiled for a device, exported first where the cache has none."""
    cached = made_once(cache_root() / "towers" / fingerprint[:16], lambda draft: export_towers(folder, draft))
    return compiled_tower(cached / "image.xml", device=device), compiled_tower(cached / "text.xml", device=device)


def export_towers(folder: Path, out: Path) -> None:
    """Convert the towers of a model folder into `image.xml` and `text.xml`, each with its weights beside it."""
    import openvino as ov
    import torch

    model = load_torch(folder)
    image, text = torch.nn.Module(), torch.nn.Module()
    for module, embed in ((image, model.get_image_features), (text, model.get_text_features)):
        module.model, module.forward = model, embed
    side, channels = model.config.image_size, model.config.num_channels
    ids = torch.ones(2, 3, dtype=torch.int64)
    pictures = torch.zeros(2, channels, side, side)
    with warnings.catch_warnings():
        for kind in (FutureWarning, torch.jit.TracerWarning):  # of the tracing that OpenVINO's converter does
            warnings.simplefilter("ignore", kind)
        for name, module, inputs in (
            ("image", image, {"pixel_values": pictures}),
            ("text", text, {"input_ids": ids, "attention_mask": ids}),
        ):
            converted = ov.convert_model(module, example_input=inputs)
            save_tower(converted, out / f"{name}.xml")


def torch_towers(folder: Path, fingerprint: str, device: str) -> tuple[Tower, Tower]:
    """Both towers as PyTorch runs them, on the CPU."""
    import torch

    model = load_torch(folder)

    @torch.inference_mode()
    def image(pixel_values: np.ndarray) -> np.ndarray:
        return model.get_image_features(torch.from_numpy(pixel_values)).numpy()

    @torch.inference_mode()
    def text(input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        return model.get_text_features(torch.from_numpy(input_ids), torch.from_numpy(attention_mask)).numpy()

    return image, text


BACKENDS = {"openvino": openvino_towers, "torch": torch_towers}


# --- files --------------------------------------------------------------------------------------------------------


def load_torch(folder: Path):
    """The RecTrioModel in a folder, ready for inference."""
    from safetensors import SafetensorError

    from rectrio_models import RecTrioModel

    try:
        model, found = RecTrioModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except (SafetensorError, RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"{folder} cannot be loaded: {error} Train or fetch it again.") from error
    if found["missing_keys"]:
        raise ModelError(f"{folder} lacks weights, as {min(found['missing_keys'])}. Train or fetch it again.")
    return model.eval()


def read_logit_scale(path: Path) -> float:
    """What training learned to multiply cosines by, without the rest of the weights."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            return float(np.exp(file.get_tensor("logit_scale")))
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}. Train or fetch the model again.") from error


def read_tokenizer(path: Path) -> Tokenizer:
    """A fast tokenizer, or ModelError."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the binding raises bare Exception
        raise ModelError(f"{path} is damaged: {error}. Train or fetch the model again.") from error
