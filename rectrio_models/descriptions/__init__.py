"""Text descriptions of the classes of each data set, and the generator that multiplies them in training.

A description module holds a `Words` record for each class. `TextGenerator` draws from it: one of the ten written
descriptions, or a template filled with nouns, materials, cuts, uses and wearers, and then the accidents of real
typing: dropped words and misspellings. (Case is nothing to the tokenizer.)
"""

import importlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

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


def descriptions_of(dataset: str) -> Descriptions:
    """The descriptions of a data set in DATASETS."""
    return importlib.import_module(MODULES[dataset]).DESCRIPTIONS


def texts_of(dataset: str) -> list[str]:
    """All whole texts that are written about a data set: the descriptions, class by class."""
    return [text for words in descriptions_of(dataset).words.values() for text in words.descriptions]


KEYBOARD = {
    key: near
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for i, key in enumerate(row)
    for near in [row[max(i - 1, 0) : i] + row[i + 1 : i + 2]]
}


class TextGenerator:
    """Draws training texts for a class. The same `random.Random` state gives the same texts."""

    def __init__(self, descriptions: Descriptions):
        self.descriptions = descriptions
        self.kept_out = {plain(text) for texts in descriptions.held_out.values() for text in texts}

    def draw(self, label: str, rng: random.Random) -> str:
        """One text for `label`; never one of the held-out queries."""
        while True:
            text = self._draw(label, rng)
            if text and plain(text) not in self.kept_out:
                return text

    def _draw(self, label: str, rng: random.Random) -> str:
        words = self.descriptions.words[label]
        sentences = self.descriptions.sentences.get(label)
        if rng.random() < 0.15:
            text = rng.choice(words.descriptions)
        elif sentences and rng.random() < 0.1:
            text = rng.choice(sentences)
        else:
            template = rng.choice(self.descriptions.templates)
            text = re.sub(r"\{(\w+)\}", lambda slot: self._fill(slot[1], words, rng), template)
        tokens = text.split()
        if len(tokens) > 3 and rng.random() < 0.2:
            tokens.pop(rng.randrange(len(tokens)))
        if rng.random() < 0.25:
            # the longest word is the one that matters, and the one people misspell
            at = (
                rng.randrange(len(tokens))
                if rng.random() < 0.4
                else max(range(len(tokens)), key=lambda i: len(tokens[i]))
            )
            tokens[at] = misspell(tokens[at], rng)
        return " ".join(tokens)

    def _fill(self, slot: str, words: Words, rng: random.Random) -> str:
        choices = {
            "noun": words.nouns,
            "look": words.looks,
            "detail": words.details,
            "use": words.uses,
            "neutral": self.descriptions.neutral,
            "wearer": self.descriptions.wearers,
        }
        return rng.choice(choices[slot])


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


def plain(text: str) -> str:
    """A text without case and punctuation, to tell whether two are the same."""
    return " ".join(re.findall(r"\w+", text.lower()))
