"""The machine that trains: where, how exactly, and with what memory."""

import ctypes
import sys

import torch

from rectrio_models.errors import TrainingError
from rectrio_models.figures import machine

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of malloc.h


def usable_device(name: str) -> torch.device:
    """The device of that name, "auto" for the best there is; raises TrainingError when it cannot be used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise TrainingError(f"The device “{name}” cannot be used here. Train with --device cpu, or auto.") from error
    if device.type not in ("cpu", "cuda"):
        raise TrainingError(f"RecTrio trains on cpu or cuda; “{name}” is neither.")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether the machine multiplies bfloat16 in hardware; elsewhere it would be slower than float32."""
    if device.type == "cpu":
        return any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
    return torch.cuda.is_bf16_supported(including_emulation=False)


def keep_memory() -> None:
    """Have glibc keep the memory that a step gives back, for the next step: else each large tensor is mapped and
    unmapped anew, and the system clears every page of it, for a tenth of the time. Other systems are left as they are.
    Source: mallopt(3)."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt"):
        for parameter, value in ((M_MMAP_THRESHOLD, 2**30), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**28)):
            libc.mallopt(parameter, value)


def environment(device: torch.device) -> dict:
    """What a training time depends on."""
    return {
        "machine": machine() if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": has_bfloat16(device),
        "torch": torch.__version__,
    }
