"""A CLIP checkpoint to two OpenVINO models, once: optimum-intel converts it whole, and the graph is cut in two.

The whole graph computes both towers for either query, so that a text would pay for a picture. Each tower is the part
that its embedding depends on, with those inputs alone. What the towers need beside them (the tokenizer, the form of
the pixels, the logit scale) is written with them, so that queries need neither torch nor transformers.
"""

import contextlib
import dataclasses
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rectrio_models.cache import cache_root, content_hash, made_once, sha256_of
from rectrio_models.clip.pixels import PixelForm
from rectrio_models.errors import ModelError
from rectrio_models.hub import WEIGHTS, has_weights
from rectrio_models.towers import save_tower

IMAGE, TEXT, TOKENIZER, FACTS = "image.xml", "text.xml", "tokenizer.json", "facts.json"
# the small files that the embeddings depend on; a card or figures beside them change nothing
DECISIVE = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "processor_config.json",
    "preprocessor_config.json",
)
QUIET = threading.RLock()
EXPORT_VERSION = 2  # raise it when a change of the code changes what a text or a picture embeds as


def checkpoint_fingerprint(folder: Path) -> str:
    """A hash of everything in a checkpoint that its embeddings depend on, 64 hex digits."""
    small = [folder / name for name in DECISIVE if (folder / name).is_file()]
    large = sorted(path for form in WEIGHTS for pattern in form for path in folder.glob(pattern))
    salt = f"clip {EXPORT_VERSION} " + " ".join(f"{path.name} {content_hash(path)}" for path in large)
    return sha256_of(small, salt=salt)


def exported(folder: Path) -> Path:
    """The folder of the cache that holds a checkpoint's towers, exported first where they are not there yet.

    folder: a CLIP checkpoint of transformers, or one that optimum-intel has exported already.
    Raises ModelError when it is neither, or is damaged, or the disk is full.
    """
    if not has_weights(folder):
        raise ModelError(
            f"{folder} holds no weights (model.safetensors, or openvino_model.xml with its .bin). Fetch it again."
        )
    if not (folder / "tokenizer.json").is_file() and not (folder / "merges.txt").is_file():
        # transformers would make up an empty one
        raise ModelError(f"{folder} holds no tokenizer (tokenizer.json, or vocab.json and merges.txt). Fetch it again.")
    out = cache_root() / "clip" / checkpoint_fingerprint(folder)[:16]
    return made_once(out, lambda draft: export(folder, draft), proof=FACTS)


def export(folder: Path, out: Path) -> None:
    """Write the towers of a checkpoint, and what goes with them, into the folder `out`."""
    print(f"Exporting {folder.name} for OpenVINO, once …", file=sys.stderr, flush=True)
    with quiet():
        from optimum.intel import OVModelForZeroShotImageClassification
        from transformers import AutoImageProcessor, AutoTokenizer

        try:
            model = OVModelForZeroShotImageClassification.from_pretrained(
                folder,
                export=not (folder / "openvino_model.xml").is_file(),
                compile=False,
                load_in_8bit=False,
                local_files_only=True,
                trust_remote_code=False,
            ).model
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            form = PixelForm.of_processor(
                AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
            )
            image, text = cut(model, "image_embeds", folder), cut(model, "text_embeds", folder)
            scale = logit_scale(model, form, tokenizer)  # before the image tower, a part of the model, is changed
            image = from_pixels(image, form)
            facts = {
                "dim": text.output(0).get_partial_shape()[1].get_length(),
                "max_tokens": max_tokens(folder),
                "end": tokenizer.eos_token_id,
                "logit_scale": scale,
                "pixels": dataclasses.asdict(form),
            }
        except (MemoryError, ModelError):
            raise
        except Exception as error:  # whatever transformers, optimum or OpenVINO make of a damaged checkpoint
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(f"{folder} cannot be exported: {reason[:300]} Fetch it again.") from error
    save_tower(text, out / TEXT)
    save_tower(image, out / IMAGE)
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    backend.save(str(out / TOKENIZER))
    (out / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def cut(model, output: str, folder: Path):
    """The part of an `ov.Model` that `output` depends on, with no inputs but those that it needs."""
    import openvino as ov

    if output not in {name for port in model.outputs for name in port.names}:
        raise ModelError(f"{folder} has no output “{output}”, so it is no CLIP.")
    end = model.output(output)
    reached, waiting = set(), [end.get_node()]
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in reached:
            reached.add(node.get_friendly_name())
            waiting += [port.get_source_output().get_node() for port in node.inputs()]
    needed = [node for node in model.get_parameters() if node.get_friendly_name() in reached]
    return ov.Model([end], needed, output)


def from_pixels(tower, form: PixelForm):
    """An image tower that takes pixels as pictures have them, uint8 (n, height, width, 3), and standardises them by
    itself: a byte is a quarter of a float to move, and OpenVINO's loops are quicker than NumPy's."""
    import openvino as ov
    from openvino.preprocess import PrePostProcessor

    wrapped = PrePostProcessor(tower)
    pixels = wrapped.input("pixel_values")
    pixels.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    pixels.model().set_layout(ov.Layout("NCHW"))
    mean, std = ([255 * value for value in values] for values in (form.mean, form.std))
    pixels.preprocess().convert_element_type(ov.Type.f32).mean(mean).scale(std)
    return wrapped.build()


def max_tokens(folder: Path) -> int:
    """How many tokens the text tower has places for."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return (config.get("text_config") or {}).get("max_position_embeddings", 77)  # configs leave out what is the default


def logit_scale(model, form: PixelForm, tokenizer) -> float:
    """What the whole model multiplies the cosine of a picture and a text by, seen in what it returns."""
    import openvino as ov

    side = form.crop or form.size
    pixels = np.random.default_rng(0).standard_normal((1, 3, *side)).astype(np.float32)
    tokens = tokenizer(["a", "a photo of a cat"], padding=True, return_tensors="np")
    found = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(
        {"pixel_values": pixels, "input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
    )
    cosines = found["image_embeds"] @ found["text_embeds"].T  # (1, 2)
    at = np.abs(cosines).argmax()
    return float(found["logits_per_image"].flat[at] / cosines.flat[at])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what the libraries tell of their own doings, while they convert a model, off the user's screen."""
    # one at a time: two that overlap would each put back what the other had taken away
    with (
        QUIET,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
