"""Text descriptions of the classes of each data set, and the generator that multiplies them in training.

A description module holds a `Words` record for each class. `TextGenerator` draws from it: one of the ten written
descriptions, or a template filled with nouns, materials, cuts, uses and wearers; the same in other languages; what
WordNet calls it; and then the accidents of real typing: dropped words and misspellings. It draws texts of no class
too, for which nothing should be found. (Case is nothing to the tokenizer.)
"""

import hashlib
import importlib
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rectrio_models.descriptions.languages.language_words import Language

if TYPE_CHECKING:
    from rectrio_models.attributes import Attribute
    from rectrio_models.descriptions.lexicon import Lexicon

# shares of the texts in another language than English, out of WordNet, and of the others asking for an attribute
LANGUAGES, LEXICON, ATTRIBUTES = 0.3, 0.1, 0.3
# shares of the texts with a slip of the fingers, with a flourish, and of those that are #hashtags
MISSPELT, FLOURISHED, TAGGED = 0.3, 0.1, 0.03
# what people type besides what they look for, which says nothing of it; {} is a number
FLOURISHES = (
    "{}", "20{}", "size {}", "no. {}", "nr {}", "x{}", "{} pcs", "{}%", "${}", "under {}", "w{}", "xl", "(new)", "hd",
    "4k", ".jpg", "!", "!!!", "?", "??", "...", ":)", "lol", "pls", "asap", "- best", "/ sale", "& more",
)  # fmt: skip

MODULES = {
    "fashion-mnist": "rectrio_models.descriptions.fashion_mnist",
    "animals": "rectrio_models.descriptions.animals",
}


# {noun}, {look}, {detail}, {use}: of the class; {neutral}, {wearer}: of no class in particular.
TEMPLATES = (
    "{noun}",
    "{noun}",
    "{look} {noun}",
    "{look} {noun}",
    "{look} {look} {noun}",
    "{neutral} {noun}",
    "{neutral} {look} {noun}",
    "{noun} {detail}",
    "{noun} {use}",
    "{noun} {wearer}",
    "{look} {noun} {detail}",
    "{look} {noun} {use}",
    "{look} {noun} {wearer}",
    "{neutral} {noun} {use} {wearer}",
    "{neutral} {look} {noun} {detail}",
    "{look} {noun} {detail} {use}",
    "a {noun}",
    "a {look} {noun}",
    "the {neutral} {noun} {detail}",
    "a photo of a {noun}",
    "a photo of a {neutral} {noun}",
    "a picture of a {look} {noun}",
    "an image of a {noun} {detail}",
    "show me a {noun}",
    "show me {look} {noun} {wearer}",
    "find a {neutral} {noun} {use}",
    "i am looking for a {noun}",
    "i'm looking for a {look} {noun} {use}",
    "i need a {noun} {use}",
    "do you have a {neutral} {noun} {detail}",
    "where can i buy a {look} {noun}",
    "something {use}",
    "something {detail}",
    "something {look} {use}",
    "what can i wear {use}",
    "this is a photo of {noun}",
    "{noun}, {look} and {neutral}",
    "{noun} or {noun}",
)


@dataclass(frozen=True)
class Words:
    """How people speak of one class."""

    descriptions: tuple[str, ...]  # ten whole descriptions
    nouns: tuple[str, ...]  # "pair of boots": what it is called
    looks: tuple[str, ...]  # "chunky": materials and cuts, before the noun
    details: tuple[str, ...]  # "with a zip on the side": after the noun
    uses: tuple[str, ...]  # "for walking in the rain": after the noun, or after "something"


@dataclass(frozen=True)
class Descriptions:
    """All that is written about one data set: the words of each class, the words that fit any of them, and the
    queries kept out of training."""

    words: Mapping[str, Words]  # by label, in label order
    neutral: tuple[str, ...]  # adjectives that say nothing of the class: "cheap", "blue"
    wearers: tuple[str, ...]  # "for my sister"
    held_out: Mapping[str, tuple[str, ...]]  # by label; never drawn in training
    sentences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by label: whole ones, as people type them
    templates: tuple[str, ...] = TEMPLATES
    more: Mapping[str, Words] = field(default_factory=dict)  # by label: words that are rarer
    languages: Mapping[str, Language] = field(default_factory=dict)  # by code: "de"
    absent: tuple[str, ...] = ()  # nouns for what the data set does not hold
    typed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by label: queries to calibrate with

    def texts(self) -> list[str]:
        """All whole descriptions, class by class."""
        return [text for words in self.words.values() for text in words.descriptions]

    def queries(self) -> list[tuple[str, str]]:
        """Texts to measure with, each with its label: those kept out of training, or where none are, all whole
        descriptions."""
        kept = self.held_out or {label: words.descriptions for label, words in self.words.items()}
        return [(text, label) for label, texts in kept.items() for text in texts]


def descriptions_of(dataset: str) -> Descriptions:
    """The descriptions of a data set in DATASETS."""
    return importlib.import_module(MODULES[dataset]).DESCRIPTIONS


KEYBOARD = {
    key: near
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for i, key in enumerate(row)
    for near in [row[max(i - 1, 0) : i] + row[i + 1 : i + 2]]
}


class TextGenerator:
    """Draws training texts for a class, or for none. The same `random.Random` state gives the same texts.

    lexicon: further names and definitions out of WordNet, where it is installed; attributes: what is asked for beside
    the class.
    """

    def __init__(
        self,
        descriptions: Descriptions,
        lexicon: "Lexicon | None" = None,
        attributes: Sequence["Attribute"] = (),
    ):
        self.descriptions = descriptions
        self.lexicon = lexicon
        self.attributes = attributes
        self._about_nouns = [template for template in descriptions.templates if "{noun}" in template]
        self._absent_nouns = tuple(noun for noun in descriptions.absent if not kept_for_calibration(noun))
        self.kept_out = {plain(text) for texts in descriptions.held_out.values() for text in texts}

    def draw(self, label: str | None, rng: random.Random) -> str:
        """One text for `label`, or for nothing that the data set holds; never one of the held-out queries."""
        while True:
            text = accidents(self._absent(rng) if label is None else self._present(label, rng), rng)
            if text and plain(text) not in self.kept_out:
                return text

    def _present(self, label: str, rng: random.Random) -> str:
        way = rng.random()
        sentences = self.descriptions.sentences.get(label)
        if self.descriptions.languages and way < LANGUAGES:
            return self._foreign(label, rng)
        if self.lexicon and way < LANGUAGES + LEXICON:
            return self._looked_up(self.lexicon.present[label], rng)
        if rng.random() < 0.15:
            return rng.choice(self.descriptions.words[label].descriptions)
        if sentences and rng.random() < 0.1:
            return rng.choice(sentences)
        words = self.descriptions.words[label]
        if self.descriptions.more and rng.random() < 0.4:
            words = self.descriptions.more[label]
        suitable = [attribute for attribute in self.attributes if label in attribute.labels]
        if suitable and rng.random() < ATTRIBUTES:
            asked = rng.choice(suitable)
            words = replace(words, looks=asked.looks, details=asked.details)
            return self._filled(words, self._about_nouns, rng)
        return self._filled(words, self.descriptions.templates, rng)

    def _absent(self, rng: random.Random) -> str:
        way = rng.random()
        if way < 0.1 or not self._absent_nouns:
            text = gibberish(rng)
            return self._absent(rng) if kept_for_calibration(text) else text
        if self.lexicon and way < 0.5:
            # what is like the classes, and what people speak of, much oftener than all that there is
            pool = rng.choice((self.lexicon.near, self.lexicon.common, self.lexicon.absent))
            return self._looked_up(pool or self.lexicon.absent, rng)
        return self._filled(Words((), self._absent_nouns, ("",), ("",), ("",)), self._about_nouns, rng)

    def _filled(self, words: Words, templates: Sequence[str], rng: random.Random) -> str:
        """One of the templates with a word in each slot."""
        choices = {
            "noun": words.nouns,
            "look": words.looks,
            "detail": words.details,
            "use": words.uses,
            "neutral": self.descriptions.neutral,
            "wearer": self.descriptions.wearers,
        }
        return fill(rng.choice(templates), choices, rng)

    def _foreign(self, label: str, rng: random.Random) -> str:
        language = self.descriptions.languages[rng.choice(list(self.descriptions.languages))]
        words = language.words[label]
        if rng.random() < 0.15:
            return rng.choice(words.descriptions)
        choices = {
            "noun": words.nouns,
            "a_noun": words.a_nouns,
            "detail": words.details,
            "neutral": language.neutral,
        }
        return fill(rng.choice(language.templates), choices, rng)

    def _looked_up(self, entries: Sequence[tuple[str, str]], rng: random.Random) -> str:
        """A name out of the lexicon, in a template or alone, or its definition."""
        name, definition = rng.choice(entries)
        way = rng.random()
        if way < 0.3 and definition:
            return definition
        return name if way < 0.6 else f"{rng.choice(('a', 'a photo of a', 'the', 'picture of', 'show me a'))} {name}"


def fill(template: str, choices: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """A template with a word in each of its {slots}, out of the slot's choices."""
    return re.sub(r"\{(\w+)\}", lambda slot: rng.choice(choices[slot[1]]), template)


def accidents(text: str, rng: random.Random) -> str:
    """A text as it is typed: now and then without a word, with one misspelt, or with a flourish."""
    tokens = text.split()
    if len(tokens) > 3 and rng.random() < 0.2:
        tokens.pop(rng.randrange(len(tokens)))
    if tokens and rng.random() < MISSPELT:
        at = rng.randrange(len(tokens)) if rng.random() < 0.4 else longest(tokens)
        for _ in range(1 if rng.random() < 0.7 else 2):
            tokens[at] = misspell(tokens[at], rng)
    if tokens and rng.random() < FLOURISHED:
        tokens.append(rng.choice(FLOURISHES).format(rng.randint(2, 99)))
    return "#" + "".join(tokens) if rng.random() < TAGGED else " ".join(tokens)


def longest(words: Sequence[str]) -> int:
    """The place of the longest word: the one that matters, and the one people misspell."""
    return max(range(len(words)), key=lambda place: len(words[place]))


def gibberish(rng: random.Random) -> str:
    """Letters, keys and digits that mean nothing."""
    kinds = ("abcdefghijklmnopqrstuvwxyz", "asdfghjkl", "qwertyuiop", "0123456789", "zxcvbnm,.", "!?#%&*")
    words = ["".join(rng.choices(rng.choice(kinds), k=rng.randint(2, 9))) for _ in range(rng.randint(1, 4))]
    return " ".join(words)


def misspell(word: str, rng: random.Random) -> str:
    """One slip of the fingers: a letter lost, doubled, swapped with the next, or hit beside."""
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    slips = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + rng.choice(KEYBOARD.get(word[at], word[at])) + word[at + 1 :],
    )
    return rng.choice(slips)


def kept_for_calibration(name: str) -> bool:
    """Whether a name is kept out of training, so that a model's scores can be calibrated with it: a tenth of all are,
    told by their hash."""
    return hashlib.sha256(plain(name).encode()).digest()[0] < 26


def plain(text: str) -> str:
    """A text without case and punctuation, to tell whether two are the same."""
    return " ".join(re.findall(r"\w+", text.lower()))
