"""Which precision CLIP's towers run in: f32, bf16 or int8, and whether the faster ones still find the same pictures.

int8 towers are made by NNCF's post-training quantisation (https://github.com/openvinotoolkit/nncf) with pictures and
texts of the gallery. Each precision is then held against f32 on pictures that were kept out, and refused with the
figures where it falls short of LIMITS. What was measured is kept beside the towers, so it is measured once.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import re
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from rectrio_models.cache import content_hash, made_once, write_whole
from rectrio_models.clip.export import IMAGE, TEXT, quiet
from rectrio_models.clip.inference import ClipEncoder
from rectrio_models.datasets import OWN, dataset_record
from rectrio_models.encoder import Encoder
from rectrio_models.errors import DataError, ModelError
from rectrio_models.formats import pictures_of
from rectrio_models.towers import PRECISIONS, has_bfloat16, save_tower

log = logging.getLogger("rectrio")

CALIBRATE, KEEP_OUT = 128, 256  # pictures of the gallery that int8 is calibrated on, and that it is measured on
LEAST = 50  # pictures of a user's own that a precision is held against
TIMED = 12  # pictures, one after the other, that tell which precision is fastest


@dataclass(frozen=True)
class Parity:
    """How near a precision comes to f32 on the pictures and texts that were kept out."""

    image_cosine: float  # mean cosine of a picture's embedding with its embedding in f32
    text_cosine: float
    overlap_at_10: float  # share of f32's ten best pictures for a text that are among the ten best here
    class_drop: float  # how much fewer pictures find their class by text, as a share

    def shortfalls(self) -> list[str]:
        """What falls short of LIMITS, each with its figure; empty where the precision holds."""
        told = {
            "image_cosine": ("cosine of pictures", self.image_cosine >= LIMITS.image_cosine),
            "text_cosine": ("cosine of texts", self.text_cosine >= LIMITS.text_cosine),
            "overlap_at_10": ("overlap of the ten best", self.overlap_at_10 >= LIMITS.overlap_at_10),
            "class_drop": ("loss of class accuracy", self.class_drop <= LIMITS.class_drop),
        }
        return [
            f"{what} {getattr(self, key):.4f} (limit {getattr(LIMITS, key):g})"
            for key, (what, holds) in told.items()
            if not holds
        ]


LIMITS = Parity(image_cosine=0.97, text_cosine=0.97, overlap_at_10=0.7, class_drop=0.02)


@dataclass(frozen=True)
class Sample:
    """Pictures and texts of a gallery, some to calibrate on and others to measure on."""

    calibration: list[Image.Image]
    calibration_texts: list[str]
    kept_out: list[Image.Image]
    labels: np.ndarray  # (KEEP_OUT,) class numbers of the pictures that are kept out
    names: tuple[str, ...]  # of the classes
    kept_out_texts: list[str]

    @classmethod
    def of(cls, gallery: str, data: Path | None = None) -> "Sample":
        """A sample of the gallery of a data set, or of a copy of it, the same each time."""
        record = dataset_record(gallery, data=data)
        pictures = record.load_gallery(data=data).shuffle(seed=0).select_columns(["image", "label"])
        if gallery == OWN and len(pictures) < LEAST:
            raise DataError(f"{record.title} has {len(pictures)} pictures; {LEAST} at least tell whether one holds")
        pictures = pictures.select(range(min(len(pictures), CALIBRATE + KEEP_OUT)))
        texts = np.random.default_rng(0).permutation(record.descriptions().texts()).tolist()
        middle, half = len(pictures) * CALIBRATE // (CALIBRATE + KEEP_OUT), len(texts) // 2
        shown = list(pictures_of(pictures))
        labels = np.array(pictures["label"][middle:])
        return cls(shown[:middle], texts[:half], shown[middle:], labels, record.labels, texts[half:])


@dataclass(frozen=True)
class Candidates:
    """The precisions of one exported checkpoint, for one gallery on one device."""

    towers: Path  # the exported f32 towers; what is derived from them goes beside them
    checkpoint: str  # its fingerprint
    name: str
    device: str
    gallery: str
    data: Path | None = None  # a copy of the gallery's data set to take instead

    def open(self, precision: str, *, checked: bool = True) -> ClipEncoder:
        """The encoder in a precision; raises ModelError when the device has it not, and with the figures when it does
        not hold, unless it is not to be `checked`."""
        if precision == "f32":
            return self.encoder("f32")
        if precision == "bf16" and not has_bfloat16(self.device):
            raise ModelError(f"{self.device} does not multiply bfloat16 here. Use --precision f32 or int8.")
        if checked and (short := self.parity(precision).shortfalls()):
            raise ModelError(
                f"{self.name} in {precision} does not find what it finds in f32 on {self.gallery}: {'; '.join(short)}. "
                "Use --precision f32, or auto for the fastest that holds."
            )
        return self.encoder(precision)

    def fastest(self) -> ClipEncoder:
        """The encoder in the fastest of the precisions that hold; how fast each is, is measured once for each device.

        Where the gallery's pictures are not to be had, nothing can be held against them, so it is f32.
        """
        kept = self.towers / f"seconds-{self.place}.json"
        seconds = kept_json(kept)
        if seconds is None:
            try:
                pictures = self.sample.kept_out[:TIMED]
            except DataError as error:
                log.warning("%s runs in f32: no other precision can be checked (%s)", self.name, error)
                return self.encoder("f32")
            seconds = {}
            for precision in PRECISIONS:
                with contextlib.suppress(ModelError):  # it does not hold, or the device has it not
                    seconds[precision] = median_seconds(self.open(precision), pictures)
            write_whole(kept, json.dumps(seconds, indent=1) + "\n")
        for precision in sorted(seconds, key=seconds.get):
            with contextlib.suppress(ModelError):  # the limits or the device may have changed since
                return self.open(precision)
        return self.encoder("f32")

    def encoder(self, precision: str) -> ClipEncoder:
        """The encoder in a precision, whether it holds or not."""
        towers, rest, salt = self.towers, precision, precision
        if precision == "int8":  # what is not multiplied in int8 is done in bfloat16 where the device can
            towers, rest = self.quantised(), "bf16" if has_bfloat16(self.device) else "f32"
            hashes = [content_hash((towers / file).with_suffix(".bin")) for file in (IMAGE, TEXT)]
            salt = f"int8 {rest} {' '.join(hashes)}"
        fingerprint = hashlib.sha256(f"{self.checkpoint} {salt}".encode()).hexdigest()
        return ClipEncoder(
            towers, self.towers, name=self.name, fingerprint=fingerprint, precision=rest, device=self.device
        )

    def parity(self, precision: str) -> Parity:
        """How near a precision comes to f32, measured once."""
        kept = self.towers / f"parity-{precision}-{self.place}.json"
        if (found := kept_json(kept)) and set(found) == {field.name for field in dataclasses.fields(Parity)}:
            return Parity(**found)
        measured = parity(self.encoder("f32"), self.encoder(precision), self.sample)
        write_whole(kept, json.dumps(dataclasses.asdict(measured), indent=1) + "\n")
        return measured

    def quantised(self) -> Path:
        """The folder of the int8 towers, made first where they are not there yet."""
        return made_once(
            self.towers / f"int8-{self.source}",
            lambda draft: quantise(self.towers, draft, self.encoder("f32"), self.sample),
        )

    @property
    def source(self) -> str:
        """The gallery's name, and which copy of it, as a part of a file name."""
        if self.data is None:
            return self.gallery
        return f"{self.gallery}-{hashlib.sha256(str(self.data.resolve()).encode()).hexdigest()[:8]}"

    @property
    def place(self) -> str:
        """The gallery and the device, as a part of a file name."""
        return f"{self.source}-{re.sub(r'[^A-Za-z0-9]+', '-', self.device)}"

    @cached_property
    def sample(self) -> Sample:
        return Sample.of(self.gallery, self.data)


def median_seconds(encoder: Encoder, pictures: list[Image.Image]) -> float:
    """The median seconds that a picture takes, one after the other."""
    taken = []
    for picture in pictures:
        started = time.perf_counter()
        encoder.encode_images([picture])
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def kept_json(path: Path) -> dict | None:
    """What was measured before, or None where it was not, or the file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def parity(reference: Encoder, candidate: Encoder, sample: Sample) -> Parity:
    """Measure one encoder against another on what was kept out of the calibration."""
    images = [encoder.encode_images(sample.kept_out) for encoder in (reference, candidate)]  # (n, dim) each
    texts = [encoder.encode_text(sample.kept_out_texts) for encoder in (reference, candidate)]
    best = [np.argsort(-queries @ pictures.T, axis=1)[:, :10] for queries, pictures in zip(texts, images, strict=True)]
    shared = [len(set(ours) & set(theirs)) / len(ours) for ours, theirs in zip(*best, strict=True)]
    right = []
    for encoder, pictures in zip((reference, candidate), images, strict=True):
        found = (pictures @ encoder.label_vectors(sample.names).T).argmax(axis=1)
        right.append(float((found == sample.labels).mean()))
    return Parity(
        image_cosine=float((images[0] * images[1]).sum(axis=1).mean()),
        text_cosine=float((texts[0] * texts[1]).sum(axis=1).mean()),
        overlap_at_10=float(np.mean(shared)),
        class_drop=right[0] - right[1],
    )


def quantise(towers: Path, out: Path, encoder: ClipEncoder, sample: Sample) -> None:
    """Write int8 copies of both towers into `out`, calibrated on a sample's pictures and texts."""
    import openvino as ov

    with quiet():
        import nncf

    core = ov.Core()
    pictures = [{"pixel_values": encoder.form.pixels([picture])} for picture in sample.calibration]
    texts = [encoder.tokens([text]) for text in sample.calibration_texts]
    for file, items in tqdm(((IMAGE, pictures), (TEXT, texts)), desc="quantising CLIP's towers, once", leave=False):
        with quiet():
            quantised = nncf.quantize(
                core.read_model(towers / file),
                nncf.Dataset(items),
                subset_size=len(items),
                model_type=nncf.ModelType.TRANSFORMER,
            )
        save_tower(quantised, out / file)
