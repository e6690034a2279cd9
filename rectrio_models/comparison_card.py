"""hub_cards/COMPARISON.md: the releases side by side, written from what was measured of them and from nothing else."""

import json
from pathlib import Path

from rectrio_models.cache import write_whole
from rectrio_models.comparison import COMPARISONS
from rectrio_models.datasets import HUB_CARDS
from rectrio_models.figures import Figure, Figures
from rectrio_models.releases import RELEASES, Release
from rectrio_models.towers import PRECISIONS

PAGE = HUB_CARDS / "COMPARISON.md"
UNKNOWN = "not measured"


def write_comparison() -> Path:
    """Write PAGE from the figures in hub_cards; returns its path."""
    releases = list(RELEASES.values())
    accuracies = [accuracy(path) for path in sorted(COMPARISONS.glob("*.json"))]
    write_whole(PAGE, "\n\n".join([HEAD, side_by_side(releases), suited(releases), *accuracies]) + "\n")
    return PAGE


HEAD = """# The encoders of RecTrio, side by side

Written by `python -m rectrio_models evaluate --release A --release B …` from the figures beside each model's card;
no figure is typed by hand. A share stands with the 95 % interval of its bootstrap over the queries."""


ASIDE = """

Each figure is that of the precision in brackets, the best of them; bf16 and int8 are taken only where their embeddings
hold on the gallery. The weights of v2-lite are its head alone: its two bases lie in packages of their own. Measured by:

"""


def side_by_side(releases: list[Release]) -> str:
    """Speed, size and set-up of each release, a column each."""
    measured = {release.name: speeds(release) for release in releases}
    rows = [
        ("what it is", [release.title for release in releases]),
        ("to set it up", [set_up(release) for release in releases]),
        ("zero-shot", ["yes" if release.zero_shot else "no: it knows what it was trained on" for release in releases]),
        (
            "new classes",
            [
                "type their names" if release.zero_shot else "train it on pictures of them, in minutes"
                for release in releases
            ],
        ),
    ]
    for what, key in (
        ("one picture", "picture_ms"),
        ("a text of ten words", "ten_words_ms"),
        ("a picture, many at once", "batch_ms"),
        ("a new process to its first answers, cached", "load_s"),
        ("peak memory of that process", "memory"),
    ):
        rows.append((what, [best(measured[release.name], key) for release in releases]))
    for what, key in (("the same, nothing exported yet", "load_cold"), ("weights on disk", "size")):
        rows.append((what, [told(measured[release.name], key) for release in releases]))
    origins = [
        f"- {release.name}: `{figures.origin['command']}` on {figures.origin['machine']}"
        + (f"; weights: {figures.origin['weights']}" if "weights" in figures.origin else "")
        for release in releases
        if (figures := measured[release.name])
    ]
    return "## Speed, size, set-up\n\n" + table(["", *measured], rows) + ASIDE + "\n".join(origins)


def suited(releases: list[Release]) -> str:
    """When to use which."""
    return "## When to use which\n\n" + "\n".join(f"- **{release.name}**: {release.suits}" for release in releases)


def accuracy(path: Path) -> str:
    """One data set's comparison, a column for each release."""
    found = {
        name: Figures(content["name"], content["origin"], [Figure(**figure) for figure in content["figures"]])
        for name, content in json.loads(path.read_text(encoding="utf-8")).items()
    }
    keyed = {name: {figure.key: figure for figure in figures.figures} for name, figures in found.items()}
    first = next(iter(found.values()))
    rows = [
        (f"{figure.what} (n = {figure.n:,})", [str(figures[figure.key]) for figures in keyed.values()])
        for figure in first.figures
    ]
    head = ["", *(column(figures, name) for name, figures in found.items())]
    data, origin = first.figures[0].data, first.origin
    absent = [release.name for release in RELEASES.values() if release.zero_shot and release.name not in found]
    told = f" Not measured on it yet: {', '.join(absent)}; add `--release` with the name." if absent else ""
    return (
        f"## Accuracy on {data.split(',')[0]}\n\n{table(head, rows)}\n\n"
        f"On {data}; measured by `{origin['command']}` on {origin['machine']}.{told}"
    )


def column(figures: Figures, name: str) -> str:
    """The head of a column: which encoder, and what it multiplied in where that was not float32."""
    precision = figures.origin.get("precision", "f32")
    return name if precision == "f32" else f"{name} ({precision})"


def speeds(release: Release) -> Figures | None:
    """What `bench` measured of a release, where it did."""
    path = HUB_CARDS / release.folder / "bench.json"
    return Figures.read(path) if path.is_file() else None


def set_up(release: Release) -> str:
    """What stands between a user and the first search."""
    log = HUB_CARDS / release.folder / "training.json"
    if release.hub_id:
        return f"fetch {release.hub_id} once"
    if not log.is_file():
        return UNKNOWN
    minutes = json.loads(log.read_text(encoding="utf-8"))["seconds"] / 60
    return f"nothing; its training took {minutes:.1f} minutes"


def best(figures: Figures | None, key: str) -> str:
    """The lowest figure of a kind among the precisions, and which precision that is."""
    keys = {f"{key}_{precision}" for precision in PRECISIONS}
    found = [figure for figure in figures.figures if figure.key in keys] if figures else []
    if not found:
        return UNKNOWN
    lowest = min(found, key=lambda figure: figure.value)
    return f"{lowest} ({lowest.key.rsplit('_', 1)[1]})"


def told(figures: Figures | None, key: str) -> str:
    """One figure by its key."""
    return next((str(figure) for figure in figures.figures if figure.key == key), UNKNOWN) if figures else UNKNOWN


def table(head: list[str], rows: list[tuple[str, list[str]]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([what, *cells] for what, cells in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
