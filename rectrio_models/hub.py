"""Model repositories of the Hub: fetched into its own cache, where transformers finds them too, and taken from there
without asking again. No code is fetched."""

import errno
import functools
import json
from pathlib import Path

from rectrio_models.errors import ModelError
from rectrio_models.network import SECONDS, hub_reachable

# what a model is made of: its settings and its tokenizer, and the weights in the first of these forms that it has
SETTINGS = ("*.json", "*.txt")
WEIGHTS = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*.safetensors"),
    ("openvino_model.xml", "openvino_model.bin"),
    ("pytorch_model.bin",),  # read with weights_only: tensors, and no code
)


TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
PROCESSORS = (("processor_config.json",), ("preprocessor_config.json",))


def has_weights(folder: Path) -> bool:
    """Whether a model folder has its settings, and weights in a form that RecTrio reads, every part of them."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        if not all((folder / part).is_file() for part in parts):
            return False
    return (folder / "config.json").is_file() and has_one_of(folder, WEIGHTS)


def has_one_of(folder: Path, forms: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a folder has all the files of one of several forms."""
    return any(all(any(folder.glob(pattern)) for pattern in form) for form in forms)


def is_whole(folder: Path) -> bool:
    """Whether all of a repository that RecTrio reads is there: another program may have fetched a part of it."""
    if not has_weights(folder):
        return False
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError):
        return False
    return kind == "rectrio-lite" or (has_one_of(folder, TOKENIZERS) and has_one_of(folder, PROCESSORS))


@functools.cache
def hub_folder(hub_id: str) -> Path:
    """A model repository as a folder of the Hub's cache, fetched where it is not there yet.

    Raises ModelError when neither the cache nor the Hub has it.
    """
    return cached(hub_id) or fetch(hub_id)


def cached(hub_id: str) -> Path | None:
    """The folder of a repository in the Hub's cache, or None when it is not there, or not all of it."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise ModelError(f"“{hub_id}” is no Hub id; one looks like openai/clip-vit-base-patch32.") from error
    return folder if is_whole(folder) else None


def fetch(hub_id: str) -> Path:
    """The newest files of a repository, with progress; what an earlier try has fetched is not fetched again."""
    import httpx
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    again = f"python -m rectrio_models download {hub_id}"
    if not hub_reachable():
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else f"{constants.ENDPOINT} cannot be reached"
        raise ModelError(
            f"{hub_id} is not on this machine, and the Hub is out of reach ({why}). "
            f"With a network, fetch it once: {again}"
        )
    try:
        files = [file.rfilename for file in HfApi().model_info(hub_id, timeout=SECONDS).siblings or []]
        form = next((form for form in WEIGHTS if form[0] in files), None)
        if form is None or "config.json" not in files:
            raise ModelError(
                f"{hub_id} holds no config.json and weights of transformers or OpenVINO, so it is no CLIP."
            )
        return Path(snapshot_download(hub_id, allow_patterns=[*SETTINGS, *form], etag_timeout=SECONDS))
    except GatedRepoError as error:
        raise ModelError(
            f"{hub_id} is given to those alone who ask: do so at {constants.ENDPOINT}/{hub_id}, then `hf auth login`."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"{hub_id} is not on the Hub, or it is private. Check the name; for a private one, `hf auth login`."
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status == 401:
            raise ModelError(f"The Hub refuses the token on this machine: `hf auth login`, then {again}") from error
        if status == 429:
            raise ModelError(f"The Hub asks to wait, as too much was asked of it. In some minutes: {again}") from error
        raise ModelError(broken_off(hub_id, error, again)) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ModelError(
                f"The disk is full: {constants.HF_HUB_CACHE} cannot take {hub_id}. Free some space."
            ) from error
        raise ModelError(broken_off(hub_id, error, again)) from error
    except (httpx.HTTPError, RuntimeError, ValueError) as error:  # ValueError: an answer that is not the Hub's
        raise ModelError(broken_off(hub_id, error, again)) from error


def broken_off(hub_id: str, error: Exception, again: str) -> str:
    """What to say of a download that ended early."""
    why = (str(error).splitlines() or [type(error).__name__])[0]
    return f"Fetching {hub_id} broke off ({why}). What has come is kept; go on with: {again}"
