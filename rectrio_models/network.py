"""Whether a server answers, found out within seconds and asked once, so that a lack of network never hangs anything."""

import functools
import logging
import threading

SECONDS = 3.0  # how long a server may take to answer before it counts as out of reach

log = logging.getLogger("rectrio")


def reachable(url: str, *, seconds: float = SECONDS) -> bool:
    """Whether `url` answers anything at all within `seconds`; name resolution and every address of it count too."""
    import httpx

    answered = threading.Event()

    def ask() -> None:
        try:
            httpx.head(url, timeout=seconds)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return
        answered.set()

    # a thread, as httpx's timeout holds for each phase and each address by itself
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answered.is_set()


@functools.cache
def hub_reachable() -> bool:
    """Whether the Hub answers; asked once, and said once if not. `HF_HUB_OFFLINE` and `HF_ENDPOINT` are respected."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if not reachable(constants.ENDPOINT):
        log.warning("The Hub (%s) cannot be reached; going on with what is on this machine.", constants.ENDPOINT)
        return False
    return True
