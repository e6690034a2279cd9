"""RELEASES: the one table that knows V1 from V2, and `load_encoder`, which opens any of them."""

import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from rectrio_models.datasets import HUB_CARDS
from rectrio_models.encoder import Encoder
from rectrio_models.errors import ModelError
from rectrio_models.hub import hub_folder

# what opens a model of each type that a config.json can name
FAMILIES = {
    "rectrio": ("rectrio_models.dual_encoder.inference", "DualEncoder"),
    "clip": ("rectrio_models.clip.inference", "open_clip"),
}


@dataclass(frozen=True)
class Release:
    """One published model. Adding a model is adding one of these to RELEASES."""

    name: str
    title: str  # as the page shows it
    version: str  # V1, trained on one data set, or V2, zero-shot
    dataset: str  # the gallery it is shown with
    folder: str = ""  # in hub_cards, and the name of the Hub repository
    hub_id: str = ""  # of a model that is not in this repository


RELEASES = {
    release.name: release
    for release in [
        Release(
            name="v1-fashion",
            title="V1 Fashion: a dual encoder of our own",
            version="V1",
            folder="rectrio-v1-fashion",
            dataset="fashion-mnist",
        ),
        Release(
            name="v2-clip",
            title="CLIP ViT-B/32",
            version="V2",
            hub_id="openai/clip-vit-base-patch32",
            dataset="fashion-mnist",
        ),
    ]
}


def load_encoder(
    release: str,
    *,
    backend: str = "openvino",
    precision: str = "auto",
    device: str = "CPU",
    gallery: str | None = None,
) -> Encoder:
    """Open a model by the name of a release, a local folder or a Hub id. Its towers run on OpenVINO, or on PyTorch
    with `backend="torch"`.

    precision: f32, bf16, int8, or auto for the fastest that holds; device: CPU, GPU, NPU or AUTO, as OpenVINO names
    them; gallery: the data set on whose pictures a precision must hold, the release's own by default.
    Raises ModelError when there is no such model, or it is damaged or of a kind that RecTrio does not know.
    """
    folder = model_folder(release)
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in FAMILIES:
        raise ModelError(f"{folder} holds a model of the type “{kind}”; RecTrio opens {', '.join(FAMILIES)}.")
    module, name = FAMILIES[kind]
    gallery = gallery or (RELEASES[release].dataset if release in RELEASES else "fashion-mnist")
    options = {"backend": backend, "precision": precision, "device": device, "gallery": gallery}
    try:
        return getattr(importlib.import_module(module), name)(folder, name=release, **options)
    except KeyError as error:
        raise ModelError(f"{folder} is damaged: it lacks {error}. Train or fetch the model again.") from error


def read_json(path: Path) -> dict:
    """A JSON object in a file; raises ModelError when it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is damaged: {error}. Train or fetch the model again.") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} is damaged: it holds no JSON object. Train or fetch the model again.")
    return found


def model_folder(release: str) -> Path:
    """Where a release, a local folder or a Hub id lies on this machine; fetched from the Hub if need be."""
    if release in RELEASES and RELEASES[release].hub_id:
        return hub_folder(RELEASES[release].hub_id)
    if release in RELEASES:
        folder = HUB_CARDS / RELEASES[release].folder
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"The weights of {release} are not in {folder}. Train them: "
                f"python -m rectrio_models train --dataset {RELEASES[release].dataset} --out {folder}"
            )
        return folder
    folder = Path(release).expanduser()
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir():
        raise ModelError(f"{folder} holds no config.json, so it is no model. Give the folder that training wrote.")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", release):
        return hub_folder(release)
    raise ModelError(
        f"“{release}” is neither a release ({', '.join(RELEASES)}) nor a folder nor a Hub id as owner/name."
    )
