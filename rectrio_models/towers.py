"""Towers: models compiled by OpenVINO, one for pictures and one for texts, as every encoder runs them."""

import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from rectrio_models.errors import ModelError

Tower = Callable[..., np.ndarray]  # named arrays in, float32 (n, dim) out
Stream = Callable[[Iterable[dict[str, np.ndarray]]], np.ndarray]  # batches of them in, float32 (n, dim) out
PRECISIONS = ("f32", "bf16", "int8")
AT_ONCE = 16  # rows of a batch for a stream; measured: more is no faster on a CPU


def compiled_tower(path: Path, *, device: str = "CPU", precision: str = "f32") -> Tower:
    """A tower for queries: every core works on the one request, so that it is answered soonest.

    precision: what the multiplications are done in, "f32" or "bf16". It is always said, as OpenVINO's own default,
    bfloat16 where the CPU has it, would change the embeddings from machine to machine.
    Raises ModelError when the file is damaged or the device is not there.
    """
    compiled = compile_file(path, device, {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision})
    own = threading.local()  # an inference request serves one thread at a time

    def tower(**inputs: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return own.request.infer(inputs, share_inputs=True)[0]

    return tower


def throughput_tower(path: Path, *, device: str = "CPU", precision: str = "f32") -> Stream:
    """A tower for building, in as many streams as OpenVINO finds best: it takes batches as they come, so that one is
    made ready while others are computed. The embeddings are those of `compiled_tower`, to the order of their sums."""
    import openvino as ov

    compiled = compile_file(path, device, {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision})
    queue = ov.AsyncInferQueue(compiled)
    one_caller = threading.Lock()

    def tower(batches: Iterable[dict[str, np.ndarray]]) -> np.ndarray:
        parts: dict[int, np.ndarray] = {}
        with one_caller:
            queue.set_callback(lambda request, number: parts.update({number: request.get_output_tensor(0).data.copy()}))
            try:
                for number, inputs in enumerate(batches):
                    queue.start_async(inputs, number)
            finally:
                queue.wait_all()
        return np.concatenate([parts[number] for number in sorted(parts)])

    return tower


def compile_file(path: Path, device: str, options: dict[str, str]):
    """A compiled model, out of the cache beside its file where it was compiled before."""
    import openvino as ov

    core = ov.Core()
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        raise ModelError(f"{path} is damaged: delete {path.parent} and start again.") from error
    try:
        # with the weights: a cache without them (CACHE_MODE OPTIMIZE_SIZE) came back wrong for V1's image tower
        return core.compile_model(path, device, options | {"CACHE_DIR": str(path.parent)})
    except RuntimeError:  # the cache is damaged, or there is no room for it
        pass
    try:
        return core.compile_model(model, device, options)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ModelError(f"{device} cannot run this model: {reason[:200]} Use --device CPU.") from error


def save_tower(model, path: Path) -> None:
    """Write an `ov.Model` with its weights beside it; raises ModelError when there is no room for it."""
    import openvino as ov

    try:
        ov.save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        free = shutil.disk_usage(path.parent).free // 1_000_000
        raise ModelError(
            f"{path} cannot be written, with {free:,} MB free there. Free some space, or set RECTRIO_CACHE to a folder "
            "on another disk."
        ) from error


def check_device(device: str) -> None:
    """Raise ModelError, listing the devices there are, unless OpenVINO has `device` on this machine. AUTO, MULTI and
    HETERO stand for others, which may be named after a colon."""
    import openvino as ov

    available = ov.Core().available_devices
    known = {*available, *(name.partition(".")[0] for name in available)}
    several, _, named = device.partition(":")
    wanted = named.split(",") if several in ("AUTO", "MULTI", "HETERO") else [device]
    if named == "" and several == "AUTO":
        return
    if missing := [name for name in wanted if name not in known]:
        raise ModelError(
            f"OpenVINO has no device “{missing[0]}” on this machine; {', '.join(available)} and AUTO are there."
        )


def check_precision(precision: str) -> None:
    """Raise ModelError unless `precision` is one there is."""
    if precision not in ("auto", *PRECISIONS):
        raise ModelError(f"“{precision}” is no precision; auto, {', '.join(PRECISIONS)} are.")


def has_bfloat16(device: str) -> bool:
    """Whether a device multiplies bfloat16 in hardware; where several are left to choose from, all of them."""
    import openvino as ov

    core = ov.Core()
    several, _, named = device.partition(":")
    devices = (
        (named.split(",") if named else core.available_devices) if several in ("AUTO", "MULTI", "HETERO") else [device]
    )
    return all("BF16" in core.get_property(name, "OPTIMIZATION_CAPABILITIES") for name in devices)
