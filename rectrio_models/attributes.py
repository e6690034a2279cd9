"""Attributes: what the pixels of a garment show besides its class, and the words people ask for it with.

Training marks a text that has one of the words as fitting the pictures of its class that show it, and evaluation asks
whether such words move the ranking the right way. A measure is one number a picture, told from its pixels alone; only
its rank within the class counts, as "high" means another thing for a boot than for a sandal.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

INK = 24  # shades of 0 to 255 from which on a pixel belongs to the garment, on Fashion-MNIST's black ground


# --- measures: pictures (n, h, w) uint8 → (n,) ------------------------------------------------------------------------


def brightness(pictures: np.ndarray) -> np.ndarray:
    """The mean shade of the garment."""
    ink = pictures >= INK
    return (pictures * ink).sum(axis=(1, 2)) / np.maximum(ink.sum(axis=(1, 2)), 1)


def pattern(pictures: np.ndarray) -> np.ndarray:
    """How much neighbouring pixels within the garment differ, as a share of its mean shade."""
    shades, ink = pictures.astype(np.float32), pictures >= INK
    inside = ink.copy()  # without the outline, which every garment has
    for axis in (1, 2):
        inside &= np.roll(ink, 1, axis) & np.roll(ink, -1, axis)
    change = np.abs(np.diff(shades, axis=1, append=0)) + np.abs(np.diff(shades, axis=2, append=0))
    rough = (change * inside).sum(axis=(1, 2)) / np.maximum(inside.sum(axis=(1, 2)), 1)
    return rough / np.maximum(brightness(pictures), 1)


def height(pictures: np.ndarray) -> np.ndarray:
    """The share of the rows that the garment reaches over."""
    return (pictures >= INK).any(axis=2).mean(axis=1)


def width(pictures: np.ndarray) -> np.ndarray:
    """The share of the columns that the garment reaches over."""
    return (pictures >= INK).any(axis=1).mean(axis=1)


def sleeves(pictures: np.ndarray) -> np.ndarray:
    """How much of the outer quarter on either side, from a third of the height down, the garment fills: sleeves that
    hang to the hem, none where they end at the shoulder."""
    ink = pictures >= INK
    rows, columns = ink.shape[1:]
    low = ink[:, rows // 3 :]
    return (low[:, :, : columns // 4].mean(axis=(1, 2)) + low[:, :, -(columns // 4) :].mean(axis=(1, 2))) / 2


MEASURES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    measure.__name__: measure for measure in (brightness, pattern, height, width, sleeves)
}


# --- words ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attribute:
    """One end of a measure, and how it is asked for."""

    name: str
    measure: str  # in MEASURES
    high: bool  # whether it is the upper end
    labels: tuple[str, ...]  # the classes whose pictures show it
    looks: tuple[str, ...]  # before a noun, in English: training draws them
    details: tuple[str, ...] = ()  # after a noun
    others: tuple[str, ...] = ()  # in other languages; patterns, read and not drawn

    @cached_property
    def words(self) -> re.Pattern:
        """What finds any of its words in a text in lower case."""
        english = map(re.escape, (*self.looks, *self.details))
        return re.compile(rf"\b({'|'.join((*english, *self.others))})\b")


# fmt: off
ALL = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
TOPS = ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")
SHOES = ("Sandal", "Sneaker", "Ankle boot")
ATTRIBUTES: Mapping[str, tuple[Attribute, ...]] = {
    "fashion-mnist": (
        Attribute(
            "dark", "brightness", False, ALL,
            ("black", "dark", "navy", "charcoal", "dark blue", "dark grey", "jet black", "dark brown", "midnight blue",
             "dark-coloured", "inky", "deep brown"),
            ("in black", "in a dark colour", "in dark grey", "in navy blue"),
            (r"schwarz\w*", r"dunkel\w*", r"negr[oa]s?", "noire?s?", "ner[oaie]", r"pret[oa]s?", r"escur[oa]s?",
             r"oscur[oa]s?", r"scur[oaie]", r"foncée?s?"),
        ),
        Attribute(
            "light", "brightness", True, ALL,
            ("white", "pale", "cream", "ivory", "beige", "light grey", "light blue", "off-white", "light-coloured",
             "snow white", "pastel", "bright white", "pale pink", "sand-coloured"),
            ("in white", "in a light colour", "in cream", "in pale grey"),
            (r"wei(ss|ß)\w*", r"hell\w*", r"blanc[oa]?s?", r"blanches?", r"bianc\w+", r"branc[oa]s?", r"clar[oa]s?",
             r"claire?s?", r"chiar\w+"),
        ),
        Attribute(
            "plain", "pattern", False, ALL,
            ("plain", "solid-coloured", "solid", "unpatterned", "single-coloured", "undecorated"),
            ("without a pattern", "without any print", "in one colour", "with no logo"),
        ),
        Attribute(
            "patterned", "pattern", True, ALL,
            ("patterned", "striped", "checked", "floral", "polka dot", "tartan", "plaid", "chequered", "printed",
             "flowery", "spotted", "stripy"),
            ("with stripes", "with a pattern", "with a floral print", "with checks", "with polka dots"),
            (r"gestreift\w*", r"geblümt\w*", r"kariert\w*", r"a rayas", r"à rayures", r"a righe", r"às riscas",
             r"estampad[oa]s?", r"fleurie?s?"),
        ),
        Attribute(
            "long-sleeved", "sleeves", True, TOPS,
            ("long-sleeved", "long sleeve", "full-sleeved", "long sleeved"),
            ("with long sleeves", "with full sleeves", "with sleeves down to the wrist"),
        ),
        Attribute(
            "short-sleeved", "sleeves", False, TOPS,
            ("short-sleeved", "short sleeve", "cap-sleeved", "short sleeved"),
            ("with short sleeves", "with sleeves to the elbow"),
        ),
        Attribute(
            "sleeveless", "sleeves", False, TOPS,
            ("sleeveless", "strappy"),
            ("without sleeves", "with no sleeves", "with thin straps", "with bare arms"),
            (r"ärmellos\w*", r"sin mangas", r"sans manches", r"senza maniche", r"sem mangas"),
        ),
        Attribute(
            "high", "height", True, SHOES,
            ("high", "high-heeled", "high-top", "tall", "knee-high", "high heel", "high heeled", "mid-calf", "hi-top"),
            ("with high heels", "with a high heel", "with a high shaft", "that cover the calf", "up to the knee"),
        ),
        Attribute(
            "flat", "height", False, SHOES,
            ("flat", "low", "low-top", "low-cut", "flat-soled", "low-heeled", "ankle-high"),
            ("with a flat sole", "without a heel", "with no heel", "with a low heel"),
        ),
        Attribute(
            "wide", "width", True, ("Trouser", "Dress", "Bag"),
            ("wide", "wide-leg", "baggy", "flared", "broad", "full-skirted", "wide-legged", "bell-shaped"),
            ("with wide legs", "with a wide skirt", "with a full skirt"),
        ),
        Attribute(
            "narrow", "width", False, ("Trouser", "Dress", "Bag"),
            ("narrow", "skinny", "slim", "slim-fit", "tight", "straight-leg", "body-hugging", "slender"),
            ("with narrow legs", "with a narrow skirt", "that fits tightly"),
        ),
        Attribute(
            "long", "width", False, ("Dress", "Coat"),
            ("long", "full-length", "floor-length", "maxi", "ankle-length"),
            ("down to the floor", "down to the ankles", "that reaches the knees"),
            (r"lang\w*", r"larg[oa]s?", r"longue?s?", r"lung\w+", r"comprid[oa]s?"),
        ),
        Attribute(
            "short", "width", True, ("Dress", "Coat"),
            ("short", "mini", "cropped", "waist-length", "knee-length"),
            ("that ends above the knee", "down to the waist"),
            (r"kurz\w*", r"cort[oa]s?", r"courte?s?", r"curt[oa]s?"),
        ),
    ),
}
# fmt: on


def wanted(text: str, label: str, attributes: Sequence[Attribute]) -> dict[str, bool]:
    """What a text about a class asks of the measures: the upper end (True) or the lower, by the measure's name."""
    lowered = text.lower()
    return {a.measure: a.high for a in attributes if label in a.labels and a.words.search(lowered)}


def ranks_in_class(pictures: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Where each picture stands in its class by each of MEASURES, from 0 for the least to 1 for the most, float32
    (n, measures); pictures (n, h, w) uint8, labels (n,)."""
    values = np.stack([measure(pictures) for measure in MEASURES.values()], axis=1)
    ranks = np.empty_like(values, np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        places = values[rows].argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
        ranks[rows] = places / max(len(rows) - 1, 1)
    return ranks
