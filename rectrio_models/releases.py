"""RELEASES: the one table that knows V1 from V2, and `load_encoder`, which opens any of them."""

import importlib
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from rectrio_models.datasets import DATASETS, HUB_CARDS, OWN, DatasetRecord, dataset_record
from rectrio_models.encoder import Encoder
from rectrio_models.errors import ModelError, QueryError
from rectrio_models.formats import folder_name
from rectrio_models.hub import cached, hub_folder
from rectrio_models.towers import check_device, check_precision

log = logging.getLogger("rectrio")

# what opens a model of each type that a config.json can name
FAMILIES = {
    "rectrio": ("rectrio_models.dual_encoder.inference", "DualEncoder"),
    "clip": ("rectrio_models.clip.inference", "open_clip"),
    "rectrio-lite": ("rectrio_models.lite.inference", "LiteEncoder"),
}


@dataclass(frozen=True)
class Release:
    """One published model. Adding a model is adding one of these to RELEASES."""

    name: str
    title: str  # as the page shows it
    version: str  # V1, trained on one data set, or V2, zero-shot
    dataset: str  # the gallery it is shown with
    suits: str  # when to use it
    folder: str  # in hub_cards, with its card and figures, and its weights where hub_id names no other place
    hub_id: str = ""  # of a model whose weights are not ours

    @property
    def zero_shot(self) -> bool:
        """Whether it tells classes apart that it was never trained on."""
        return self.version == "V2"


RELEASES = {
    release.name: release
    for release in [
        Release(
            name="v1-fashion",
            title="V1 Fashion: a dual encoder of our own",
            version="V1",
            folder="rectrio-v1-fashion",
            dataset="fashion-mnist",
            suits="your pictures are of classes that it was trained on, or you train it on yours, and want answers in "
            "a millisecond from a few megabytes",
        ),
        Release(
            name="v1-animals",
            title="V1 Animals: a dual encoder of our own",
            version="V1",
            folder="rectrio-v1-animals",
            dataset="animals",
            suits="your photos show one of its ten animals, and a few megabytes and milliseconds are all there is",
        ),
        Release(
            name="v2-clip",
            title="CLIP ViT-B/32",
            version="V2",
            folder="rectrio-v2-clip",
            hub_id="openai/clip-vit-base-patch32",
            dataset="fashion-mnist",
            suits="your pictures are of anything, in words that nobody foresaw, and some hundred megabytes and more "
            "milliseconds are no matter",
        ),
        Release(
            name="v2-lite",
            title="v2-lite: EfficientNet-Lite0 and MiniLM",
            version="V2",
            folder="rectrio-v2-lite",
            dataset="fashion-mnist",
            suits="your pictures are of things and animals that have a name, no hub is within reach, and a few "
            "milliseconds is all there is",
        ),
    ]
}


# what answers to the name v2 where CLIP is neither on this machine nor to be had from the Hub
V2, STAND_IN = "v2-clip", "v2-lite"


def resolve(release: str) -> str:
    """The release that a name stands for: “v2” is CLIP where its weights are on this machine or the Hub gives them,
    and v2-lite elsewhere; any other name is itself."""
    if release != "v2":
        return release
    try:
        hub_folder(RELEASES[V2].hub_id)
    except ModelError as error:
        log.info("%s; %s answers in its place.", error, STAND_IN)
        return STAND_IN
    return V2


def dataset_of(release: str, *, data: Path | None = None, default: str = "") -> str:
    """The data set that a release is shown with, or that a model folder was trained on; OWN where `data` is a folder of
    other classes than that data set's, or the model was trained on such a folder.

    Raises QueryError for a model of which nobody knows, unless there is a `default`, and where OWN lacks its `data`.
    """
    release = resolve(release)
    if release in RELEASES:
        name = RELEASES[release].dataset
    else:
        folder = None if is_hub_id(release) else model_folder(release)
        name = trained_on(folder) if folder else ""
    if name != OWN and data is not None and is_own(data, name or default):
        return OWN
    if name == OWN and data is None:
        raise QueryError(f"{release} was trained on pictures of your own: add --data DIR, their folder.")
    if not (name or default):
        raise QueryError(f"{release} has no gallery of its own: name a data set to search, as {', '.join(DATASETS)}.")
    return name or default


def trained_on(folder: Path) -> str:
    """The data set that a model folder was trained on, or nothing where its log does not say."""
    try:
        return json.loads((folder / "training.json").read_text(encoding="utf-8"))["plan"]["dataset"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def is_own(data: Path, dataset: str) -> bool:
    """Whether a path holds class folders, and other ones than a data set's."""
    from rectrio_models.own_data import class_names

    known = DATASETS.get(dataset)
    names = (
        {name for label in known.labels for name in (label, folder_name(label))} | {*known.aliases} if known else set()
    )
    return not class_names(Path(data)) <= names  # none at all are no other ones


def record_for(
    release: str, dataset: str | None = None, *, data: Path | None = None, default: str = ""
) -> DatasetRecord:
    """The data set of that name, or of a release, with the pictures in `data` where it is the user's own."""
    name = dataset or dataset_of(release, data=data, default=default)
    folder = Path(release).expanduser()
    described = folder if name == OWN and (folder / "config.json").is_file() else None
    return dataset_record(name, data=data, model=described)


def title_of(release: str) -> str:
    """What a release is called where people read it; a model of the user's own is called by its folder or Hub id."""
    if release not in RELEASES:
        return Path(release).name if Path(release).is_dir() else release
    if release == STAND_IN and not cached(RELEASES[V2].hub_id):
        return f"{STAND_IN}, offline stand-in: CLIP's weights are not here"
    return RELEASES[release].title


def load_encoder(
    release: str,
    *,
    backend: str = "openvino",
    precision: str = "auto",
    device: str = "CPU",
    gallery: str | None = None,
    data: Path | None = None,
    checked: bool = True,
) -> Encoder:
    """Open a model by the name of a release, a local folder or a Hub id. Its towers run on OpenVINO, or on PyTorch
    with `backend="torch"`.

    precision: f32, bf16, int8, or auto for the fastest that holds; device: CPU, GPU, NPU or AUTO, as OpenVINO names
    them; gallery: the data set on whose pictures a precision must hold, the release's own by default, or
    `data`, a copy of it; nothing is held against them when it is not to be `checked`.
    Raises ModelError when there is no such model, or it is damaged or of a kind that RecTrio does not know.
    """
    check_precision(precision)
    check_device(device)
    release = resolve(release)
    folder = model_folder(release)
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in FAMILIES:
        raise ModelError(f"{folder} holds a model of the type “{kind}”; RecTrio opens {', '.join(FAMILIES)}.")
    module, name = FAMILIES[kind]
    gallery = gallery or (RELEASES[release].dataset if release in RELEASES else "fashion-mnist")
    options = {"backend": backend, "precision": precision, "device": device, "gallery": gallery, "data": data}
    options["checked"] = checked
    try:
        return getattr(importlib.import_module(module), name)(folder, name=release, **options)
    except KeyError as error:
        raise ModelError(f"{folder} is damaged: it lacks {error}. Train or fetch the model again.") from error


def held_out_by(release: str) -> tuple[str, ...]:
    """The patterns of the pictures that a model's training held out; none of a model that says nothing of it."""
    log = model_folder(release) / "training.json"
    return tuple(read_json(log).get("plan", {}).get("hold_out", ())) if log.is_file() else ()


def read_json(path: Path) -> dict:
    """A JSON object in a file; raises ModelError when it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is damaged: {error}. Train or fetch the model again.") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} is damaged: it holds no JSON object. Train or fetch the model again.")
    return found


def card_folder(release: str) -> Path:
    """Where the card and the figures of a model are kept: in hub_cards, or with the weights of any other model."""
    release = resolve(release)
    return HUB_CARDS / RELEASES[release].folder if release in RELEASES else model_folder(release)


def is_hub_id(release: str) -> bool:
    """Whether a name looks like a Hub id, owner/name, and is no folder."""
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", release)) and not Path(release).is_dir()


def model_folder(release: str) -> Path:
    """Where a release, a local folder or a Hub id lies on this machine; fetched from the Hub if need be."""
    release = resolve(release)
    if release in RELEASES and RELEASES[release].hub_id:
        return hub_folder(RELEASES[release].hub_id)
    if release in RELEASES:
        folder = HUB_CARDS / RELEASES[release].folder
        if not (folder / "config.json").is_file():
            make = f"train --dataset {RELEASES[release].dataset}" if RELEASES[release].version == "V1" else "align"
            raise ModelError(
                f"The weights of {release} are not in {folder}. Train them: "
                f"python -m rectrio_models {make} --out {folder}"
            )
        return folder
    folder = Path(release).expanduser()
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir():
        raise ModelError(f"{folder} holds no config.json, so it is no model. Give the folder that training wrote.")
    if is_hub_id(release):
        return hub_folder(release)
    raise ModelError(
        f"“{release}” is neither a release ({', '.join(RELEASES)}) nor a folder nor a Hub id as owner/name."
    )
