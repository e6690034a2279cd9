"""The model card, written from what was measured: evaluation.json, bench.json, and so on. What else it says of a
model, the `card` module of that model's package knows."""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from rectrio_models.cache import write_whole
from rectrio_models.datasets import DATASETS, HUB_CARDS
from rectrio_models.errors import ModelError
from rectrio_models.figures import MEASURED, REFUSALS, Figures
from rectrio_models.releases import FAMILIES, RELEASES

COMMANDS = {
    "evaluation": "python -m rectrio_models evaluate",
    "runs": "python -m rectrio_models runs",
    "bench": "python -m rectrio_models bench",
    "gallery": "python -m index_builders bench",
    **dict.fromkeys(REFUSALS, "python -m index_builders refusals"),
}
TITLES = {
    "evaluation": "Accuracy",
    "runs": "Further training runs",
    "bench": "Speed",
    "gallery": "The gallery and the page",
    **dict.fromkeys(REFUSALS, "When nothing in the gallery matches"),
}


@dataclass(frozen=True)
class Parts:
    """What a package says of a model of its kind."""

    metadata: dict  # of the card's head: licence, tags, data sets
    sections: list[str]  # Markdown, before the figures
    limits: str  # Markdown, after them
    code: Path | None = None  # where the code lies that the folder carries, if it does
    expected: tuple[str, ...] = ("evaluation", "bench", "gallery")  # the figures of such a card once all is measured


def write_card(folder: Path) -> Path:
    """Write README.md of a model folder, and bring the code it carries up to date.

    Raises ModelError when the folder lacks what its kind of card is written from.
    """
    if not folder.is_relative_to(HUB_CARDS) and not (folder / "training.json").is_file():
        raise ModelError(f"{folder} has no training.json, so there is nothing to write a card from.")
    name = folder.resolve().name
    release = next((known.name for known in RELEASES.values() if known.folder == name), name)
    parts = card_module(folder).parts(folder, name, release)
    measured = [Figures.read(folder / f"{name}.json") for name in MEASURED if (folder / f"{name}.json").is_file()]
    data = ModelCardData(
        pipeline_tag="zero-shot-image-classification",
        model_name=name,
        eval_results=results(measured) or None,
        **{"language": "en", **parts.metadata},
    )
    sections = [*parts.sections, *map(table, measured), parts.limits]
    missing = [COMMANDS[name] for name in parts.expected if not (folder / f"{name}.json").is_file()]
    if missing:
        sections.append("Not measured yet: " + ", ".join(f"`{command}`" for command in missing) + ".")
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n")
    write_whole(folder / "README.md", str(card))
    for carried in folder.glob("*_rectrio.py"):
        write_whole(carried, (parts.code / carried.name).read_bytes())
    return folder / "README.md"


def card_module(folder: Path):
    """The `card` module of the package that opens a model folder; a folder without a config is a card of CLIP's."""
    config = folder / "config.json"
    kind = json.loads(config.read_text(encoding="utf-8"))["model_type"] if config.is_file() else "clip"
    package = FAMILIES[kind][0].rpartition(".")[0]
    return importlib.import_module(f"{package}.card")


def results(measured: list[Figures]) -> list[EvalResult]:
    """The accuracies for the card's head."""
    hub_ids = {record.title: record.hub_id for record in DATASETS.values()}
    return [
        EvalResult(
            task_type="zero-shot-image-classification" if "class" in figure.key else "image-text-retrieval",
            dataset_type=hub_ids.get(figure.data.split(",")[0], "other"),
            dataset_name=figure.data,
            metric_type=figure.key,
            metric_name=figure.what,
            metric_value=round(figure.value, 4),
        )
        for figures in measured
        if figures.name == "evaluation"
        for figure in figures.figures
    ]


def table(figures: Figures) -> str:
    """One command's figures."""
    of = f" Weights: {figures.origin['weights']}." if "weights" in figures.origin else ""
    method = f"\n{figures.origin['method']}.\n" if "method" in figures.origin else ""
    rows = "\n".join(f"| {figure.what} | {figure} | {figure.n:,} | {figure.data} |" for figure in figures.figures)
    return f"""## {TITLES[figures.name]}
{method}
| what | measured | n | on |
| --- | ---: | ---: | --- |
{rows}

Measured by `{figures.origin["command"]}` on {figures.origin["machine"]}; {figures.origin["versions"]}.{of}"""
