"""What can go wrong, by kind. Library code raises these; only `__main__` and the page turn them into messages.

Every message is one sentence or two: what came, what was expected, what to do.
"""


class RecTrioError(Exception):
    """The parent of every error that a user can cause and mend."""


class DataError(RecTrioError):
    """A data set or a file of one cannot be read as what it claims to be."""


class PictureError(RecTrioError):
    """A picture cannot be decoded safely."""


class QueryError(RecTrioError):
    """A query holds nothing to search for."""


class ModelError(RecTrioError):
    """A model is missing, incomplete or of another kind."""


class TrainingError(RecTrioError):
    """A training run cannot start or go on as asked."""


class IndexFolderError(RecTrioError):
    """An index on disk is missing, damaged, or was built by another encoder."""
