"""The written descriptions, the generator, and the queries that it must never draw."""

import json
import random
import re
from pathlib import Path

import pytest

from rectrio_models import wordnet
from rectrio_models.datasets import DATASETS
from rectrio_models.descriptions import MODULES, TextGenerator, descriptions_of, plain
from rectrio_models.descriptions.lexicon import lexicon_of
from tests.conftest import absent as missing

QUERIES = Path(__file__).parent / "queries"


@pytest.fixture(params=sorted(MODULES))
def described(request):
    return DATASETS[request.param], descriptions_of(request.param)


def test_there_are_ten_descriptions_a_class_and_none_twice(described):
    record, descriptions = described
    assert tuple(descriptions.words) == record.labels == tuple(descriptions.held_out)
    written = [plain(text) for words in descriptions.words.values() for text in words.descriptions]
    assert all(len(words.descriptions) == 10 for words in descriptions.words.values())
    assert len(set(written)) == 100


def test_at_least_a_hundred_queries_are_held_out_and_are_no_descriptions(described):
    _, descriptions = described
    held_out = [plain(text) for texts in descriptions.held_out.values() for text in texts]
    written = {plain(text) for words in descriptions.words.values() for text in words.descriptions}
    assert len(set(held_out)) == len(held_out) >= 100
    assert not written & set(held_out)


def test_the_queries_to_calibrate_with_are_measured_with_nowhere(described):
    record, descriptions = described
    assert tuple(descriptions.typed) == record.labels
    assert all(len(texts) == 15 for texts in descriptions.typed.values())
    typed = [plain(text) for texts in descriptions.typed.values() for text in texts]
    assert len(set(typed)) == len(typed)
    held_out = {plain(text) for texts in descriptions.held_out.values() for text in texts}
    frozen = (file.read_text(encoding="utf-8").splitlines() for file in QUERIES.glob("*.jsonl"))
    asked = {plain(json.loads(line)["text"]) for lines in frozen for line in lines}
    assert not set(typed) & held_out
    assert not set(typed) & asked


def test_the_generator_draws_much_and_never_what_is_held_out(described):
    record, descriptions = described
    generator, rng = TextGenerator(descriptions), random.Random(0)
    held_out = {plain(text) for texts in descriptions.held_out.values() for text in texts}
    for label in record.labels:
        drawn = {plain(generator.draw(label, rng)) for _ in range(2000)}
        assert not drawn & held_out
        assert len(drawn) > 1000, f"{label} lives on {len(drawn)} sentences"


def test_a_held_out_query_is_not_drawn_though_a_template_makes_it(described):
    """A noun alone is a template: one that is held out must be drawn past."""
    record, descriptions = described
    label = record.labels[0]
    noun = descriptions.words[label].nouns[0]
    generator = TextGenerator(descriptions)
    generator.kept_out = {plain(noun)}
    rng = random.Random(1)
    assert all(plain(generator.draw(label, rng)) != plain(noun) for _ in range(3000))


def test_the_same_seed_draws_the_same(described):
    record, descriptions = described
    generator = TextGenerator(descriptions)
    first, second = ([generator.draw(record.labels[3], rng) for _ in range(50)] for rng in map(random.Random, (7, 7)))
    assert first == second


def test_numbers_and_exclamation_marks_say_nothing_of_what_is_there(described):
    """Both what a data set holds and what it does not hold is asked for with them."""
    record, descriptions = described
    generator, rng = TextGenerator(descriptions), random.Random(2)
    for label in (record.labels[0], None):
        drawn = [generator.draw(label, rng) for _ in range(2000)]
        assert sum(bool(re.search(r"[a-z]{3}.*\d", text, re.IGNORECASE)) for text in drawn) > 40
        assert sum(text.endswith("!") for text in drawn) > 5


@pytest.mark.parametrize(
    ("dataset", "absent", "doubtful"),
    [
        ("fashion-mnist", {"kilt", "mitten", "bonnet"}, {"dress hat", "garment"}),
        ("animals", {"wolf", "goat", "jackal"}, {"leopard cat", "canine"}),
    ],
)
def test_what_is_like_a_class_and_none_of_it_is_told_from_what_is_in_doubt(dataset, absent, doubtful):
    if not wordnet.PLACE.is_dir():
        missing("Debian's wordnet-base")
    lexicon = lexicon_of(dataset, descriptions_of(dataset), wordnet.read_wordnet())
    names = {name for name, _ in (*lexicon.absent, *lexicon.kept_absent)}
    assert absent <= names
    assert not doubtful & names
    assert {name for name, _ in lexicon.common} < {name for name, _ in lexicon.absent}
    assert 5000 < len(lexicon.common) < 20_000
