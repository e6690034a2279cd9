"""Model repositories of the Hub: fetched into its own cache, where transformers finds them too, and taken from there
without asking again. No code is fetched."""

import errno
import functools
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


def has_weights(folder: Path) -> bool:
    """Whether a model folder has its settings, and weights in a form that RecTrio reads."""
    whole = any(all(any(folder.glob(pattern)) for pattern in form) for form in WEIGHTS)
    return whole and (folder / "config.json").is_file()


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
    return folder if has_weights(folder) else None


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
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ModelError(
                f"The disk is full: {constants.HF_HUB_CACHE} cannot take {hub_id}. Free some space."
            ) from error
        raise ModelError(broken_off(hub_id, error, again)) from error
    except (HfHubHTTPError, httpx.HTTPError, RuntimeError) as error:
        raise ModelError(broken_off(hub_id, error, again)) from error


def broken_off(hub_id: str, error: Exception, again: str) -> str:
    """What to say of a download that ended early."""
    why = (str(error).splitlines() or [type(error).__name__])[0]
    return f"Fetching {hub_id} broke off ({why}). What has come is kept; go on with: {again}"
