"""Descriptions of classes that are the user's own: out of a descriptions.yaml, or made from the classes' names.

descriptions.yaml says, by class name, either whole descriptions or the parts that texts are made of; any may be left
out:

    cat: [a purring pet on a sofa, somebody's tabby]
    dog:
      descriptions: [a friend on four legs]
      nouns: [dog, hound, puppy]
      looks: [floppy-eared]          # before the noun
      details: [with a wagging tail] # after it
      uses: [for guarding the house] # after it, or after "something"
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from rectrio_models.descriptions import Descriptions, Words, plain
from rectrio_models.errors import DataError
from rectrio_models.formats import folder_name
from rectrio_models.releases import trained_on

FILE = "descriptions.yaml"
NAMED = 5  # classes that a sentence names
PARTS = tuple(field.name for field in fields(Words))
IN_IES = ("cookies", "movies", "brownies", "hoodies", "smoothies", "zombies", "selfies", "beanies", "magpies")

# Nothing here may say anything of a class, whatever the classes are.
NEUTRAL = (
    "nice",
    "good",
    "typical",
    "random",
    "real",
    "ordinary",
    "blurry",
    "beautiful",
    "common",
    "lovely",
    "favourite",
)
ANYWHERE = ("in a picture", "up close", "in close-up", "on a photo", "from the side", "for my collection", "in focus")
TEMPLATES = (
    "{noun}",
    "{noun}",
    "{look} {noun}",
    "{look} {noun}",
    "{neutral} {noun}",
    "{noun} {detail}",
    "{noun} {use}",
    "{noun} {wearer}",
    "{look} {noun} {detail}",
    "{neutral} {look} {noun} {use}",
    "a {noun}",
    "the {noun}",
    "a {look} {noun} {detail}",
    "a photo of a {noun}",
    "a photo of a {neutral} {noun}",
    "a picture of a {look} {noun}",
    "an image of a {noun} {detail}",
    "pictures of {noun}",
    "show me a {noun}",
    "show me {look} {noun} {wearer}",
    "find a {neutral} {noun} {use}",
    "i am looking for a {noun}",
    "do you have a {look} {noun}",
    "this is a photo of {noun}",
    "{noun} or {noun}",
)


def describe(
    labels: Sequence[str], file: Path, *, asked: bool = False, known: Mapping[str, Words] | None = None
) -> tuple[Descriptions, list[str]]:
    """The descriptions of some classes, and what the user should know of them.

    file: a descriptions.yaml, which must be there when it was `asked` for; known: what is written of classes that the
    file says nothing of. Raises DataError, naming the file and the class, where it cannot be used.
    """
    given = dict(read(file, labels)) if asked or file.is_file() else {}
    written = {label: (known or {})[label] for label in labels if label in (known or {})} | given
    words = {label: completed(label, written.get(label)) for label in labels}
    made = [label for label in labels if words[label] == completed(label, None)]
    lost = []
    if made:
        which = (
            "All classes are"
            if len(made) == len(labels)
            else f"{listed(made, first=NAMED)} {'are' if len(made) > 1 else 'is'}"
        )
        lost.append(
            f"{which} described by name alone, as “{words[made[0]].descriptions[0]}”: queries by other names (but "
            "those that WordNet has, where it is installed), by looks or by use will not be understood. Write them "
            f"into {FILE} beside the class folders."
        )
    spoken: dict[str, list[str]] = {}
    for label in labels:
        spoken.setdefault(bare(words[label].nouns[0]), []).append(label)
    lost += [
        f"A text cannot tell {' from '.join(same)}: they read the same." for same in spoken.values() if len(same) > 1
    ]
    return descriptions_for(words), lost


def descriptions_for(words: Mapping[str, Words]) -> Descriptions:
    """What a text generator needs, from the words of each class."""
    said = {
        word for w in words.values() for part in asdict(w).values() for text in part for word in plain(text).split()
    }
    neutral = tuple(word for word in NEUTRAL if word not in said) or ("",)
    drawn = {  # a class of which nothing is written but its name gets words that fit any
        label: Words(w.descriptions, w.nouns, w.looks or neutral, w.details or ANYWHERE, w.uses or ANYWHERE)
        for label, w in words.items()
    }
    sentences = {label: tuple(f"something {text}" for text in (*w.details, *w.uses)) for label, w in words.items()}
    return Descriptions(
        words=drawn, neutral=neutral, wearers=ANYWHERE, held_out={}, sentences=sentences, templates=TEMPLATES
    )


# --- the file -----------------------------------------------------------------------------------------------------


def read(file: Path, labels: Sequence[str] | None = None) -> dict[str, Words]:
    """The words of each class that a file describes; with `labels`, those are all that it may describe."""
    import yaml

    try:
        # the base loader makes texts of everything: a class called “no” or “2024” is neither False nor a number
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except FileNotFoundError as error:
        raise DataError(
            f"{file} does not exist. Give a YAML file that says, by class, how people describe it."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is not UTF-8 text"
        raise DataError(f"{file}{where} is no YAML: {problem}.") from error
    if not isinstance(found, dict):
        raise DataError(f"{file} holds {kind(found)}; expected class names, each with its descriptions.")
    words = {}
    for key, entry in found.items():
        name = unicodedata.normalize("NFC", key) if isinstance(key, str) else str(key)
        if labels is not None and name not in labels:
            raise DataError(f"{file}: “{name}” is no class folder; {listed(labels, first=NAMED)} are.")
        words[name] = words_in(entry, f"{file}: “{name}”")
    return words


def words_in(entry: object, where: str) -> Words:
    """The words of one class as the file has them: a list of descriptions, or a mapping of the parts."""
    if isinstance(entry, list):
        entry = {"descriptions": entry}
    if not isinstance(entry, dict):
        raise DataError(f"{where} is {kind(entry)}; expected a list of descriptions, or {', '.join(PARTS)}.")
    if unknown := [key for key in entry if key not in PARTS]:
        raise DataError(f"{where} has “{unknown[0]}”; expected {', '.join(PARTS)}.")
    for part, texts in entry.items():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DataError(f"{where}, {part}: {kind(texts)}; expected a list of texts.")
        if not texts or not all(text.strip() for text in texts):
            raise DataError(f"{where}, {part}: an empty {'text' if texts else 'list'}; write one, or leave it out.")
    if not entry:
        raise DataError(f"{where} is empty; expected a list of descriptions, or {', '.join(PARTS)}.")
    return Words(**{part: tuple(" ".join(text.split()) for text in entry.get(part, ())) for part in PARTS})


def kind(value: object) -> str:
    """What a value of a YAML file is called."""
    if isinstance(value, str):
        return f"the text “{value[:40]}”" if value.strip() else "empty"
    if isinstance(value, dict):
        return "a mapping"
    if value is None:
        return "nothing"
    return "a list of other things than texts" if value else "an empty list"


def as_yaml(descriptions: Descriptions) -> str:
    """The words of each class as a descriptions.yaml; what fits any class is left out, as reading puts it in again."""
    import yaml

    content = {}
    for label, words in descriptions.words.items():
        fillers = {"looks": descriptions.neutral, "details": ANYWHERE, "uses": ANYWHERE}
        parts = {part: list(texts) for part, texts in asdict(words).items() if texts and texts != fillers.get(part)}
        content[label] = parts
    # quoted by YAML itself where a name would be read as something else
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)


def described_by(model: Path | None) -> dict[str, Words]:
    """What a model folder says of its classes: in its descriptions.yaml, or as the data set that it was trained on."""
    from rectrio_models.descriptions import MODULES, descriptions_of

    if model is None:
        return {}
    if (model / FILE).is_file():
        return read(model / FILE)
    dataset = trained_on(model)
    found = dict(descriptions_of(dataset).words) if dataset in MODULES else {}
    return found | {folder_name(label): words for label, words in found.items()}


# --- from a name --------------------------------------------------------------------------------------------------


def completed(label: str, words: Words | None) -> Words:
    """The words of a class, with what its name says where nobody has written any."""
    nouns = words.nouns if words and words.nouns else nouns_of(label)
    one = with_article(nouns[0])
    made = tuple(dict.fromkeys((f"a photo of {one}", one, f"a picture of {one}", *nouns[:2])))
    if not words:
        return Words(made, nouns, (), (), ())
    return Words(words.descriptions or made, nouns, words.looks, words.details, words.uses)


def nouns_of(label: str) -> tuple[str, ...]:
    """What a class may be called by its folder's name: “GoldenRetriever” is a golden retriever; golden retrievers."""
    found: list[str] = []
    for part in label.split(", "):
        name = re.sub(r"^(n\d{8}|\d+)[\s._-]+(?=\w)", "", part)  # ImageNet's and CUB's numbers
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
        for spelling in (re.sub(r"[\s_]+", " ", name), re.sub(r"[\s_-]+", " ", name)):
            text = spelling.strip().lower()
            wordy = " ".join(re.findall(r"[^\W_][\w'’&.+-]*", text))
            signs = [unicodedata.name(sign, "").lower() for sign in text if unicodedata.category(sign) == "So"]
            for noun in filter(None, (wordy, text, *signs)):
                found += [singular(noun), plural(singular(noun))] if noun == wordy else [noun]
    return tuple(dict.fromkeys(found)) or (label,)


def singular(noun: str) -> str:
    """A noun without its plural's ending, as far as the spelling tells."""
    if noun.endswith(IN_IES):
        return noun[:-1]
    for ending, one in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("sses", "ss"), ("atoes", "ato")):
        if noun.endswith(ending) and len(noun) > len(ending) + 1:
            return noun.removesuffix(ending) + one
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is", "as", "os")) and len(noun) > 3:
        return noun[:-1]
    return noun


def plural(noun: str) -> str:
    """The plural of a noun, by the usual rules."""
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def with_article(noun: str) -> str:
    """A noun after “a” or “an”."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def bare(text: str) -> str:
    """A text as the tokenizer reads it: without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def listed(names: Sequence[str], *, first: int = 3) -> str:
    """The first few of some names."""
    more = f" and {len(names) - first:,} more" if len(names) > first else ""
    return ", ".join(names[:first]) + more
