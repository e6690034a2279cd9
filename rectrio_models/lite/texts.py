"""What v2-lite's text side learns from: WordNet's nouns, and where each should lie among ImageNet's classes."""

import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rectrio_models.wordnet import WordNet

CLASSES = Path(__file__).with_name("imagenet_synsets.txt")  # n and the offset in data.noun of WordNet 3.0, one a class

PHYSICAL_ENTITY = 1930  # the synset of all that a picture can show
SAYING = range(1, 401)  # how many classes a synset may have below it; "whole" and "object" say nothing of a picture
UP = 0.75  # what a sense counts less for each step up to the nearest class or group of classes
# share of the synsets below a group that are classes, from which on the classes stand for the whole group: cattle's ox
# does, the three kinds of people do not
COVERED = 0.01
GLOSS = 2.0  # how common a gloss is taken to be
# the first word of names of groups of species, which nobody looks for
RANKS = {"class", "division", "family", "genus", "kingdom", "order", "phylum", "tribe"}
RANKS |= {f"sub{rank}" for rank in RANKS} | {f"super{rank}" for rank in RANKS}

TEMPLATES = (
    "a photo of a {}", "a photo of a {}", "a photo of the {}", "a {}", "the {}", "an image of a {}",
    "a picture of a {}", "a drawing of a {}", "{} on a white background", "clip art of a {}", "a {look} {}",
    "a {look} {}", "a {look} {} in the {place}", "a {} in the {place}", "a photo of a {look} {}", "a close-up of a {}",
    "two {}s", "{}s", "a pair of {}s", "a photo of {}s", "show me a {}", "this is a {}", "my {}",
    "i am looking for a {}", "a toy {}", "a cartoon {}", "a {look}, {look} {}",
)  # fmt: skip
LOOKS = (
    "small", "big", "large", "little", "old", "young", "new", "red", "blue", "green", "yellow", "white", "black",
    "brown", "grey", "orange", "pink", "purple", "beautiful", "cute", "wooden", "plastic", "striped", "spotted",
    "happy", "funny", "wild", "long", "short", "round", "colorful", "ripe",
)  # fmt: skip
PLACES = (
    "park", "garden", "house", "city", "sea", "field", "kitchen", "forest", "street", "grass", "sky", "snow", "room",
    "water", "morning", "night",
)  # fmt: skip


def class_synsets() -> list[int]:
    """The synset of each of ImageNet's classes, in the order of the classifier's outputs, (1000,)."""
    return [int(line[1:]) for line in CLASSES.read_text(encoding="ascii").split()]


@dataclass(frozen=True)
class NounText:
    """A training text."""

    text: str
    lemma: str  # the noun in it; empty for a gloss
    senses: dict[int, float]  # synset → share, of what it means
    weight: float  # how much it counts


class Targets:
    """Where synsets lie among the classes: on those below them, or else below the nearest of their hypernyms."""

    def __init__(self, wordnet: WordNet):
        self.wordnet = wordnet
        self.size = Counter(ancestor for synset in wordnet.synsets for ancestor in wordnet.ancestors(synset))
        self.own = set(class_synsets())
        self.below: dict[int, list[int]] = {}  # synset → the numbers of the classes at or below it
        for number, synset in enumerate(class_synsets()):
            for ancestor in wordnet.ancestors(synset):
                self.below.setdefault(ancestor, []).append(number)
        self._nearest: dict[int, tuple[int, int] | None] = {}

    def nearest(self, synset: int) -> tuple[int, int] | None:
        """The steps up to the nearest synset that is or has classes, and that synset; None where it says nothing."""
        if synset not in self._nearest:
            steps = self.wordnet.ancestors(synset)
            known = [
                (step, ancestor) for ancestor, step in steps.items() if len(self.below.get(ancestor, ())) in SAYING
            ]
            self._nearest[synset] = min(known) if PHYSICAL_ENTITY in steps and known else None
        return self._nearest[synset]

    def sureness(self, synset: int) -> float:
        """How well the classes that a synset lies on stand for it, from 0 to 1."""
        steps, place = self.nearest(synset)
        covered = len(self.below[place]) / self.size[place]
        return UP**steps * min(1.0, covered / COVERED) ** 0.5

    def classes(self, senses: dict[int, float]) -> np.ndarray:
        """Senses with their shares as a distribution over the classes, float32 (1000,)."""
        out = np.zeros(1000, np.float32)
        for synset, share in senses.items():
            _, place = self.nearest(synset)
            out[self.below[place]] += share / len(self.below[place])
        return out / out.sum()

    def seen(self, lemma: str) -> dict[int, float]:
        """The senses of a lemma that a picture can show and that lie near classes, with shares of sum 1: the surer,
        the more."""
        senses = self.wordnet.senses.get(lemma, {})
        seen = {synset: share * self.sureness(synset) for synset, share in senses.items() if self.nearest(synset)}
        total = sum(seen.values())
        return {synset: share / total for synset, share in seen.items()}

    def weight(self, senses: dict[int, float], commonness: float) -> float:
        """How much a text counts: more where it is common, surely placed, and of few classes."""
        classes = self.classes(senses)
        shares = classes[classes > 0]
        specific = 1 + float((shares * np.log(shares)).sum()) / np.log(1000)
        return commonness * max(map(self.sureness, senses)) * specific


def noun_texts(targets: Targets, vocabulary: set[str], rng: random.Random) -> list[NounText]:
    """Every noun bare and in a template drawn at random, common ones in two and those of ImageNet's classes in six, and
    the glosses of common ones.

    vocabulary: the whole words of the tokenizer; a noun of such words alone is a common one.
    """
    wordnet, texts, glosses = targets.wordnet, [], {}
    for lemma in sorted(wordnet.senses):
        senses = targets.seen(lemma)
        if not senses or lemma.split()[0] in RANKS:
            continue
        known = all(word in vocabulary for word in re.findall("[a-z]+", lemma))
        commonness = 1 + np.log2(1 + wordnet.uses.get(lemma, 0)) + 2 * any(synset in targets.below for synset in senses)
        common = known or commonness > 1
        weight = targets.weight(senses, commonness if common else 0.15)
        named = not targets.own.isdisjoint(senses)  # a class of the classifier's
        written = [lemma] + [fill(lemma, rng) for _ in range(6 if named else 2 if common else 1)]
        texts += [NounText(text, lemma, senses, weight) for text in written]
        if common:
            glosses |= dict.fromkeys(senses)
    for synset in glosses:
        weight = targets.weight({synset: 1.0}, GLOSS)
        texts.append(NounText(wordnet.synsets[synset].gloss, "", {synset: 1.0}, weight))
    return texts


def fill(lemma: str, rng: random.Random) -> str:
    """A lemma in a template drawn at random."""
    text = rng.choice(TEMPLATES)
    for slot, words in (("{look}", LOOKS), ("{place}", PLACES)):
        while slot in text:
            text = text.replace(slot, rng.choice(words), 1)
    text = text.replace("{}", lemma)
    return re.sub(r"(s|x|ch|sh)s\b", r"\1es", re.sub(r"\ba (?=[aeiou])", "an ", text))
