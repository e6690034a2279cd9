"""What WordNet calls the classes of a data set, and everything that is none of them: thousands of names with their
definitions, sorted by hypernym. Only training reads this; where WordNet is not installed it goes without."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from rectrio_models.descriptions import Descriptions, kept_for_calibration
from rectrio_models.descriptions.absent import ABSENT_ANYWHERE
from rectrio_models.wordnet import Synset, WordNet

# by data set and label: the meanings under which everything is of the class, each a noun and the number of its sense
ROOTS: Mapping[str, Mapping[str, tuple[tuple[str, int], ...]]] = {
    "fashion-mnist": {
        "T-shirt/top": (("t-shirt", 1), ("tank top", 1), ("camisole", 2), ("singlet", 1), ("halter", 3)),
        "Trouser": (("trouser", 1), ("slacks", 1), ("jean", 1), ("legging", 1), ("breeches", 1)),
        "Pullover": (("pullover", 1), ("sweatshirt", 1)),
        "Dress": (("dress", 1), ("gown", 1)),
        "Coat": (("coat", 1), ("jacket", 1), ("cloak", 2), ("overcoat", 1)),
        "Sandal": (("sandal", 1),),
        "Shirt": (("shirt", 1), ("blouse", 1)),
        "Sneaker": (("gym shoe", 1), ("running shoe", 1)),
        "Bag": (("bag", 4), ("bag", 1), ("luggage", 1), ("backpack", 1), ("purse", 1)),
        "Ankle boot": (("boot", 1),),
    },
    "animals": {
        "butterfly": (("butterfly", 1),),
        "cat": (("domestic cat", 1),),
        "chicken": (("chicken", 2), ("hen", 1), ("cock", 4)),
        "cow": (("cattle", 1),),
        "dog": (("dog", 1),),
        "elephant": (("elephant", 1),),
        "horse": (("horse", 1),),
        "sheep": (("sheep", 1),),
        "spider": (("spider", 1),),
        "squirrel": (("squirrel", 1), ("chipmunk", 1)),
    },
}
# by data set: the meanings under which everything is of no class, however like one it is
NONE: Mapping[str, tuple[tuple[str, int], ...]] = {
    "fashion-mnist": (
        ("headdress", 1),
        ("neckwear", 1),
        ("handwear", 1),
        ("hosiery", 1),
        ("undergarment", 1),
        ("swimsuit", 1),
        ("skirt", 2),
        ("apron", 1),
        ("belt", 2),
    ),
    "animals": (
        ("wolf", 1),
        ("fox", 1),
        ("jackal", 1),
        ("hyena", 1),
        ("big cat", 1),
        ("wildcat", 3),
        ("goat", 1),
        ("goat antelope", 1),
        ("antelope", 1),
        ("bison", 1),
        ("old world buffalo", 1),
        ("zebra", 1),
        ("ass", 3),
        ("mule", 1),
        ("turkey", 1),
        ("pheasant", 1),
        ("quail", 2),
        ("grouse", 2),
        ("scorpion", 3),
        ("mite", 2),
        ("tick", 2),
        ("moth", 1),
    ),
}
# by data set: the meanings under which something may well be of a class, though not by its name
DOUBTFUL: Mapping[str, tuple[tuple[str, int], ...]] = {
    "fashion-mnist": (("clothing", 1), ("footwear", 1), ("footwear", 2), ("bag", 1), ("fabric", 1), ("garment", 1)),
    "animals": (
        ("equine", 1),
        ("bovine", 1),
        ("feline", 1),
        ("canine", 2),
        ("sheep", 1),
        ("bovid", 1),
        ("gallinaceous bird", 1),
        ("arachnid", 1),
        ("lepidopterous insect", 1),
        ("proboscidean", 1),
        ("meat", 1),
    ),
}

# by data set: the meaning under which what is absent is likest to what is there, and is drawn as often as all the rest
NEAR: Mapping[str, tuple[str, int]] = {"fashion-mnist": ("artifact", 1), "animals": ("animal", 1)}
LONGEST = 14  # words of a definition


@dataclass(frozen=True)
class Lexicon:
    """Names, each with its definition, of each class and of what belongs to none; a part of them is kept out of
    training (`kept_for_calibration`)."""

    present: Mapping[str, tuple[tuple[str, str], ...]]  # by label
    absent: tuple[tuple[str, str], ...]
    near: tuple[tuple[str, str], ...]  # those of the absent ones that are likest to the classes
    common: tuple[tuple[str, str], ...]  # those of the absent ones that people use
    kept_present: Mapping[str, tuple[tuple[str, str], ...]]
    kept_absent: tuple[tuple[str, str], ...]


def lexicon_of(dataset: str, descriptions: Descriptions, wordnet: WordNet) -> Lexicon | None:
    """Sort WordNet's nouns for a data set; None where WordNet knows the names of none of its classes.

    A name is of a class when its most usual meaning lies under one of the class's roots, and of none when no word list
    has it and each of its meanings lies under a root of nothing, or under neither a class's root nor a doubtful one.
    What lies under a root of nothing may have no listed word in its name: a leopard cat is in doubt, a lynx is not. All
    other names are left out.
    """
    if dataset in ROOTS:
        roots = {label: {sense(wordnet, *root) for root in chosen} for label, chosen in ROOTS[dataset].items()}
        doubtful = {sense(wordnet, *root) for root in DOUBTFUL[dataset]}
    else:
        roots, doubtful = roots_by_name(descriptions, wordnet)
    label_of: dict[int, str | None] = {root: label for label, offsets in roots.items() for root in offsets}
    if not label_of:
        return None
    label_of |= {sense(wordnet, *root): None for root in NONE.get(dataset, ())}
    listed = listed_words(descriptions)
    present: dict[str, list[tuple[str, str]]] = {label: [] for label in roots}
    absent: list[tuple[str, str]] = []
    alike: set[str] = set()
    close = sense(wordnet, *NEAR[dataset]) if dataset in NEAR else None
    for name, senses in wordnet.senses.items():
        above = {offset: wordnet.ancestors(offset) for offset in senses}
        usual = max(senses, key=senses.get)
        # the nearest root counts: a jean is a trouser before it is a garment
        found = {
            offset: label_of[min(set(steps) & set(label_of), key=steps.get)]
            for offset, steps in above.items()
            if set(steps) & set(label_of)
        }
        text = definition(wordnet.synsets[usual])
        doubts = any(set(steps) & doubtful for offset, steps in above.items() if offset not in found)
        if found.get(usual):
            present[found[usual]].append((name, text))
        elif not any(found.values()) and not doubts and not listed & ({name, *words(name)} if found else {name}):
            absent.append((name, text if not set(words(text)) & listed else ""))
            if close in above[usual]:
                alike.add(name)
    if not absent:
        return None
    kept = {label: [entry for entry in names if kept_for_calibration(entry[0])] for label, names in present.items()}
    shown = tuple(entry for entry in absent if not kept_for_calibration(entry[0]))
    return Lexicon(
        present={
            label: tuple(entry for entry in names if entry not in kept[label])
            or tuple((noun, "") for noun in descriptions.words[label].nouns)  # of a class that WordNet does not know
            for label, names in present.items()
        },
        absent=shown,
        near=tuple(entry for entry in shown if entry[0] in alike),
        common=tuple(entry for entry in shown if wordnet.uses.get(entry[0])),
        kept_present={label: tuple(names) for label, names in kept.items()},
        kept_absent=tuple(entry for entry in absent if kept_for_calibration(entry[0])),
    )


def roots_by_name(descriptions: Descriptions, wordnet: WordNet) -> tuple[dict[str, set[int]], set[int]]:
    """The roots of classes that nobody has looked up, by label, and the doubtful meanings.

    A class's root is the most usual meaning of its name. Its other meanings, those of its other nouns and of a noun's
    last word (a coffee mug is a mug), and the hypernyms right above a root are in doubt: something under them may be
    shown without being called so. A meaning that two classes share is of neither.
    """
    roots: dict[str, set[int]] = {}
    doubtful: set[int] = set()
    for label, of_class in descriptions.words.items():
        meant = next(
            (wordnet.senses[noun.lower()] for noun in of_class.nouns[:4] if noun.lower() in wordnet.senses), {}
        )
        roots[label] = {max(meant, key=meant.get)} if meant else set()
        for noun in of_class.nouns:
            for name in {noun.lower(), (noun.lower().split() or [""])[-1]}:
                doubtful |= set(wordnet.senses.get(name, {}))
    every = [root for offsets in roots.values() for root in offsets]
    shared = {root for root in every if every.count(root) > 1}
    roots = {label: offsets - shared for label, offsets in roots.items()}
    doubtful |= {parent for root in every for parent in wordnet.synsets[root].parents}
    return roots, doubtful


def with_absent(descriptions: Descriptions, lexicon: Lexicon | None) -> Descriptions:
    """Descriptions that name no absent things, with those of the common ones that the lexicon knows to be absent.
    Without a lexicon nobody can tell that a taxi is none of a class of cars, and nothing is named."""
    if descriptions.absent or not lexicon:
        return descriptions
    known = {name for name, _ in lexicon.absent}
    return dataclasses.replace(descriptions, absent=tuple(name for name in ABSENT_ANYWHERE if name in known))


def sense(wordnet: WordNet, name: str, number: int) -> int:
    """The synset of a noun's meaning, numbered from 1 as WordNet lists them."""
    return list(wordnet.senses[name])[number - 1]


def definition(synset: Synset) -> str:
    """The beginning of a gloss's first sentence, without what stands in brackets."""
    return " ".join(re.sub(r"\([^)]*\)", "", synset.gloss).split(";")[0].split()[:LONGEST])


def listed_words(descriptions: Descriptions) -> set[str]:
    """Every noun of the word lists, whole and by its last word, in lower case."""
    nouns = [noun for group in (descriptions.words, descriptions.more) for w in group.values() for noun in w.nouns]
    nouns += [noun for language in descriptions.languages.values() for w in language.words.values() for noun in w.nouns]
    lowered = {noun.lower() for noun in nouns}
    return lowered | {noun.split()[-1] for noun in lowered if noun.isascii()}


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[\w'-]+", text.lower())
