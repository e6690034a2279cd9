"""Queries to calibrate an encoder with, texts and pictures that are new to it: some for which a gallery has something,
and some for which it has nothing."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import Image

from rectrio_models.captions import CAPTIONED, squares
from rectrio_models.datasets import DATASETS, DatasetRecord
from rectrio_models.descriptions import MISSPELT, accidents, gibberish, kept_for_calibration, longest, misspell
from rectrio_models.descriptions.lexicon import lexicon_of
from rectrio_models.errors import DataError
from rectrio_models.formats import pictures_of
from rectrio_models.wordnet import read_wordnet

FITTING, MEASURING = 1, 2  # seeds: what is measured on was not fitted on
PHRASES = ("{}", "a {}", "a photo of a {}", "the {}", "picture of {}", "show me a {}", "i am looking for a {}")
FEWEST, MOST = 300, 600  # texts of one kind; fewer than FEWEST are said in other phrases or misspelt
MADE, TAKEN = 100, 300  # pictures of each kind that is made, and that is found
SIDES = (28, 64, 128, 224)  # pixels, of pictures that are made

# the stamps that show neither garments nor animals, by folder, and for each data set those that show no class of it
STAMPS = ("food", "household", "medical", "naturalforces", "plants", "space", "town", "vehicles")
MORE_STAMPS = {"fashion-mnist": ("animals",), "animals": ("clothes",)}


@dataclass(frozen=True)
class Texts:
    """Texts for which a gallery has something, and by kind those for which it has nothing."""

    present: list[str]
    absent: dict[str, list[str]]


def fitting_texts(dataset: DatasetRecord) -> Texts:
    """The held-out sentences, the typed queries and a tenth of WordNet's names, and some of them mistyped, against a
    tenth of the absent nouns and names, and gibberish. The tenths are kept out of training. Without WordNet the texts
    are fewer."""
    descriptions, rng = dataset.descriptions(), random.Random(FITTING)
    written = (descriptions.held_out, descriptions.typed)
    present = [text for by_label in written for texts in by_label.values() for text in texts]
    absent = {"nouns": [noun for noun in descriptions.absent if kept_for_calibration(noun)]}
    try:
        lexicon = lexicon_of(dataset.name, descriptions, read_wordnet())
    except DataError:
        lexicon = None
    if lexicon:
        present += [name for names in lexicon.kept_present.values() for name, _ in names]
        absent["names"] = [name for name, _ in lexicon.kept_absent]
        absent["definitions"] = [definition for _, definition in lexicon.kept_absent if definition]
    drawn = iter(lambda: gibberish(rng), None)
    absent["gibberish"] = list(islice(filter(kept_for_calibration, drawn), FEWEST))
    slips = int(MISSPELT / (1 - MISSPELT) * len(present))  # as many as training shows
    present += [mistyped(text, rng) for text in rng.sample(present, slips)]
    told = {kind: enough(texts, rng, phrased=kind in ("nouns", "names")) for kind, texts in absent.items() if texts}
    return Texts(enough(present, rng), told)


def enough(texts: list[str], rng: random.Random, *, phrased: bool = False) -> list[str]:
    """FEWEST to MOST of the texts, each as it stands first, then in one of the PHRASES, or as people mistype it."""
    found = rng.sample(texts, min(len(texts), MOST))
    seen = set(found)
    for _ in range(10 * FEWEST):
        if len(found) >= FEWEST:
            break
        text = rng.choice(texts)
        text = accidents(text, rng)  # before it stands in a phrase, of which nothing else must be left
        text = rng.choice(PHRASES).format(text) if phrased else text
        if text and text not in seen:
            found.append(text)
            seen.add(text)
    return found


def mistyped(text: str, rng: random.Random) -> str:
    """A text with a slip of the fingers in its longest word."""
    words = text.split()
    at = longest(words)
    words[at] = misspell(words[at], rng)
    return " ".join(words)


def made_pictures(seed: int) -> Iterator[tuple[str, list[Image.Image]]]:
    """Pictures of nothing, by kind: noise in colour and in grey, plain shades, gradients."""
    rng = np.random.default_rng(seed)

    def sides() -> list[int]:
        return rng.choice(SIDES, MADE).tolist()

    yield "noise in colour", [Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)) for side in sides()]
    yield (
        "noise in grey",
        [Image.fromarray(rng.integers(0, 256, (side, side), np.uint8)).convert("RGB") for side in sides()],
    )
    yield "plain shades", [Image.new("RGB", (side, side), tuple(rng.integers(0, 256, 3).tolist())) for side in sides()]
    yield "gradients", [gradient(side, rng) for side in sides()]


def gradient(side: int, rng: np.random.Generator) -> Image.Image:
    """From one colour to another, down or across."""
    first, last = rng.integers(0, 256, (2, 1, 1, 3))
    shares = np.linspace(0, 1, side)[:, None, None]  # (side, 1, 1)
    picture = np.repeat(first * (1 - shares) + last * shares, side, axis=1).astype(np.uint8)
    return Image.fromarray(picture if rng.random() < 0.5 else picture.transpose(1, 0, 2).copy())


def absent_pictures(dataset: str, seed: int) -> Iterator[tuple[str, list[Image.Image]]]:
    """Pictures that the gallery of a data set does not hold, by kind: those that are made, those of the other data sets
    that are in this repository, and to fit with, stamps where they are installed. No picture has both seeds."""
    yield from made_pictures(seed)
    for record in DATASETS.values():
        if record.gallery and record.name != dataset:
            pictures = record.load_gallery()
            rows = np.random.default_rng(0).permutation(len(pictures))
            yield f"pictures of {record.title}", list(pictures_of(pictures.select(rows[seed::3][:TAKEN])))
    if seed == FITTING:
        try:
            files, _ = CAPTIONED["tuxpaint-stamps"].load()
        except DataError:
            return
        place = CAPTIONED["tuxpaint-stamps"].place
        shown = {*STAMPS, *MORE_STAMPS.get(dataset, ())}
        files = [file for file in files if file.relative_to(place).parts[0] in shown]
        files = [files[row] for row in np.random.default_rng(0).permutation(len(files))[:TAKEN]]
        yield "stamps", list(squares(files))
