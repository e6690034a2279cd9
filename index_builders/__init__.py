"""Galleries and their indexes: `open_searcher(release="v1-fashion", dataset="fashion-mnist").search("boots", 10)`."""

import importlib

_PLACES = {
    "Answer": "index_builders.searcher",
    "Hit": "index_builders.searcher",
    "Searcher": "index_builders.searcher",
    "Searchers": "index_builders.searcher",
    "open_searcher": "index_builders.searcher",
    "Comparison": "index_builders.comparison",
    "compare": "index_builders.comparison",
    "Gallery": "index_builders.gallery",
    "Item": "index_builders.gallery",
    "Index": "index_builders.index",
    "open_index": "index_builders.index",
    "build_index": "index_builders.build",
}
__all__ = list(_PLACES)


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
