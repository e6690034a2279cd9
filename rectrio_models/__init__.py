"""RecTrio's encoders: V1, a dual encoder of our own, and what every encoder shares.

Importing this is fast: a heavy library is imported with the first name that needs it, and the model classes register
with transformers' Auto classes when those are imported, whichever comes first.
"""

import importlib

from rectrio_models import registration as registration

_PLACES = {
    "load_encoder": "rectrio_models.releases",
    "RELEASES": "rectrio_models.releases",
    "DATASETS": "rectrio_models.datasets",
    "RecTrioConfig": "rectrio_models.dual_encoder.configuration_rectrio",
    "RecTrioModel": "rectrio_models.dual_encoder.modeling_rectrio",
    "RecTrioImageProcessor": "rectrio_models.dual_encoder.image_processing_rectrio",
    "RecTrioTokenizer": "rectrio_models.dual_encoder.tokenization_rectrio",
    "RecTrioProcessor": "rectrio_models.dual_encoder.processing_rectrio",
}
__all__ = list(_PLACES)


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
