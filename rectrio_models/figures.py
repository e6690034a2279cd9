"""Measured figures: what was measured, on what, on which machine, by which command; kept as JSON beside the weights.

Nobody types a figure: a command measures it and writes it, and the card is made from what was written.
"""

import dataclasses
import importlib.metadata
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from rectrio_models.cache import write_whole
from rectrio_models.datasets import DATASETS, HUB_CARDS
from rectrio_models.encoder import Encoder
from rectrio_models.errors import ModelError

REFUSALS = tuple(f"refusals-{name}" for name in DATASETS)  # by gallery
# what is measured of a model, each kept as a JSON file
MEASURED = ("evaluation", "runs", "bench", "gallery", *REFUSALS)
LIBRARIES = ("torch", "transformers", "openvino", "faiss-cpu", "gradio")


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    key: str
    what: str  # as a reader understands it
    value: float  # a share from 0 to 1 where there is no unit
    n: int  # how many queries, pictures or runs it is over
    data: str = ""  # data set and split
    unit: str = ""  # "ms", "s", "×"
    low: float | None = None  # the ends of the 95 % interval, where one was computed
    high: float | None = None

    def __str__(self) -> str:
        if self.unit:
            return f"{self.value:.2f} {self.unit}"
        if self.low is None:
            return f"{self.value:.2%}"
        return f"{self.value:.1%} ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True)
class Figures:
    """What one command measured in one run."""

    name: str  # the file it is kept in, without .json
    origin: dict[str, str]
    figures: list[Figure]

    def write(self, path: Path) -> None:
        """Write the figures as JSON."""
        write_whole(path, json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Figures":
        """Read what `write` wrote."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(found["name"], found["origin"], [Figure(**figure) for figure in found["figures"]])

    def keep(self, folder: Path, json_path: Path | None) -> None:
        """Write the figures to `json_path`, or else into a model folder of the user's own, and into its card."""
        if json_path is not None:
            self.write(json_path)
            return
        from rectrio_models.card import write_card

        self.write(folder / f"{self.name}.json")
        write_card(folder)
        if folder.is_relative_to(HUB_CARDS):
            from rectrio_models.comparison_card import write_comparison

            write_comparison()

    def table(self) -> str:
        """The figures as lines for a terminal."""
        return "\n".join(f"{figure!s:>12}  {figure.what} (n = {figure.n:,})" for figure in self.figures)


def refuse_hub_folder(release: str, folder: Path, json_path: Path | None) -> None:
    """Refuse, before anything is measured, to keep figures in a folder that RecTrio did not write: one in the Hub's
    cache, or a checkpoint with a card of its own."""
    if json_path is not None or folder.is_relative_to(HUB_CARDS):
        return
    if not Path(release).expanduser().is_dir():
        raise ModelError(f"{release} comes from the Hub, and its folder is not yours to write in: add --json FILE.")
    if not (folder / "training.json").is_file():
        raise ModelError(f"{release} is a model that RecTrio did not train, and keeps its own card: add --json FILE.")


def name_of(encoder: Encoder) -> str:
    """What a published command calls an encoder: a folder by its last name, as its place is this machine's alone."""
    return Path(encoder.name).name if Path(encoder.name).is_absolute() else encoder.name


def origin(encoder: Encoder, command: str) -> dict[str, str]:
    """Where figures come from: the command, the model, the machine and the libraries."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return {
        "command": command,
        "model": encoder.fingerprint[:16],
        "precision": encoder.precision,
        "machine": machine(),
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }


def machine() -> str:
    """The processor and its cores, as a reader would name the machine."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    able = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return f"{name}, {len(able)} cores, {platform.system()}"
