"""The words of both data sets in German, Spanish, French, Italian and Portuguese, one module a language."""

from rectrio_models.descriptions.languages import de, es, fr, it, pt
from rectrio_models.descriptions.languages.language_words import Language

MODULES = {"de": de, "es": es, "fr": fr, "it": it, "pt": pt}


def languages_of(words: str) -> dict[str, Language]:
    """Each language by its code, with the words that its module holds by that name, as "ANIMALS"."""
    return {
        code: Language(getattr(module, words), module.TEMPLATES, module.NEUTRAL) for code, module in MODULES.items()
    }
