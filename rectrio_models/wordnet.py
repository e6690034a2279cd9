"""WordNet's nouns (https://wordnet.princeton.edu/documentation/wndb5wn) as Debian's wordnet-base installs them. Only
training reads this.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from rectrio_models.errors import DataError

PLACE = Path("/usr/share/wordnet")
UNSEEN = 0.5  # what every sense counts beside its uses, so that one which the texts never have counts too


@dataclass(frozen=True)
class Synset:
    """One meaning, and the words for it."""

    lemmas: tuple[str, ...]  # "crane", "hoisting crane"
    gloss: str  # "large long-necked wading bird of marshes and plains": the definition, without the examples
    parents: tuple[int, ...]  # the offsets of its hypernyms


@dataclass(frozen=True)
class WordNet:
    """All nouns."""

    synsets: dict[int, Synset]  # by offset
    senses: dict[str, dict[int, float]]  # of each lemma in lower case: synset → share of its uses
    uses: dict[str, int]  # of the lemmas that WordNet's tagged texts have

    def ancestors(self, offset: int) -> dict[int, int]:
        """A synset and all of its hypernyms, each with the number of steps up to it."""
        steps, level, depth = {}, {offset}, 0
        while level:
            steps |= {synset: depth for synset in level if synset not in steps}
            level = {parent for synset in level for parent in self.synsets[synset].parents if parent not in steps}
            depth += 1
        return steps


def read_wordnet(folder: Path = PLACE) -> WordNet:
    """Read the nouns; raises DataError where they are not installed."""
    if not (folder / "data.noun").is_file():
        raise DataError(f"WordNet is not in {folder}. On Debian and Ubuntu: apt install wordnet-base")
    synsets = {}
    for line in lines_of(folder / "data.noun"):
        fields, _, gloss = line.partition(" | ")
        fields = fields.split()
        count = int(fields[3], 16)
        lemmas = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
        pointers = fields[5 + 2 * count :]  # symbol, offset, part of speech, source and target
        parents = tuple(
            int(offset) for symbol, offset in zip(pointers[::4], pointers[1::4], strict=False) if symbol in ("@", "@i")
        )
        synsets[int(fields[0])] = Synset(lemmas, gloss.strip().partition('; "')[0], parents)

    counts = defaultdict(lambda: UNSEEN)  # (lemma, number of the sense) → uses in WordNet's tagged texts
    uses = Counter()
    for line in lines_of(folder / "cntlist.rev"):
        key, number, tagged = line.split()
        lemma, _, sense = key.partition("%")
        if sense.startswith("1:"):  # a noun
            counts[lemma, int(number)] += int(tagged)
            uses[lemma.replace("_", " ")] += int(tagged)
    senses = {}
    for line in lines_of(folder / "index.noun"):
        fields = line.split()
        offsets = fields[-int(fields[2]) :]
        weights = {int(offset): counts[fields[0], number] for number, offset in enumerate(offsets, 1)}
        senses[fields[0].replace("_", " ")] = {
            offset: weight / sum(weights.values()) for offset, weight in weights.items()
        }
    return WordNet(synsets, senses, uses)


def lines_of(path: Path) -> list[str]:
    """The lines of one of WordNet's files, without the licence that each begins with."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("  ")]
