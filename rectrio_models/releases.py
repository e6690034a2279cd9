"""RELEASES: the one table that knows V1 from V2, and `load_encoder`, which opens any of them."""

import functools
import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from rectrio_models.datasets import HUB_CARDS
from rectrio_models.encoder import Encoder
from rectrio_models.errors import ModelError
from rectrio_models.network import SECONDS, hub_reachable

# the Encoder of each model type that a config.json can name
FAMILIES = {"rectrio": ("rectrio_models.dual_encoder.inference", "DualEncoder")}


@dataclass(frozen=True)
class Release:
    """One published model. Adding a model is adding one of these to RELEASES."""

    name: str
    title: str  # as the page shows it
    folder: str  # in hub_cards, and the name of the Hub repository
    dataset: str  # the gallery it is shown with


RELEASES = {
    release.name: release
    for release in [
        Release(
            name="v1-fashion",
            title="V1 Fashion: a dual encoder of our own",
            folder="rectrio-v1-fashion",
            dataset="fashion-mnist",
        ),
    ]
}


def load_encoder(release: str, *, backend: str = "openvino") -> Encoder:
    """Open a model by the name of a release, a local folder or a Hub id. Its towers run on OpenVINO, or on PyTorch
    with `backend="torch"`.

    Raises ModelError when there is no such model, or it is damaged or of a kind that RecTrio does not know.
    """
    folder = model_folder(release)
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in FAMILIES:
        raise ModelError(f"{folder} holds a model of the type “{kind}”; RecTrio opens {', '.join(FAMILIES)}.")
    module, name = FAMILIES[kind]
    try:
        return getattr(importlib.import_module(module), name)(folder, name=release, backend=backend)
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


@functools.cache
def hub_folder(hub_id: str) -> Path:
    """A model repository of the Hub, out of its cache where the Hub is out of reach. No code is fetched."""
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                hub_id,
                allow_patterns=["*.json", "*.safetensors"],
                local_files_only=not hub_reachable(),
                etag_timeout=SECONDS,
            )
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError) as error:
        raise ModelError(
            f"{hub_id} is not on this machine, and the Hub did not give it. Check the name and the network, "
            f"or take one that is here: {', '.join(RELEASES)}."
        ) from error
