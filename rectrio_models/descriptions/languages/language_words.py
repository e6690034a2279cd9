"""The records that each language module holds."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageWords:
    """How people speak of one class in one language."""

    nouns: tuple[str, ...]  # without article: "Katze", "Kätzchen"; fills {noun}
    a_nouns: tuple[str, ...]  # with article, as the object of a verb: "einen Kater"; fills {a_noun}
    details: tuple[str, ...]  # after the noun, singular or plural, or after "something"; fills {detail}
    descriptions: tuple[str, ...]  # ten whole descriptions and questions


@dataclass(frozen=True)
class Language:
    """How people ask in one language for what a data set holds."""

    words: Mapping[str, LanguageWords]  # by label
    templates: tuple[str, ...]  # with the slots {noun} {a_noun} {detail} {neutral}
    neutral: tuple[str, ...]  # that say nothing of the class
