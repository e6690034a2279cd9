"""Two searchers side by side: overlap, ranks, scores on one scale, label precision, and what cannot be compared."""

import numpy as np
import pytest

from index_builders import Searcher, Searchers, compare, open_searcher
from index_builders.flat_index import FlatIndex
from index_builders.gallery import Gallery
from rectrio_models.errors import QueryError
from tests.hostile import encoded


class Told:
    """An encoder that answers every query with a vector it was told."""

    name, dim, fingerprint, max_tokens = "told", 2, "0", 64

    def __init__(self, vector):
        self.vector = np.array([vector], np.float32)

    def encode_text(self, texts):
        return self.vector

    def encode_images(self, images):
        return self.vector

    def count_tokens(self, text):
        return 1


@pytest.fixture
def pair(photo):
    """Five pictures on a quarter circle, asked from either end: the orders are opposite."""
    content = encoded(photo, "PNG")
    gallery = Gallery(["a", "a", "b", "b", "c"], [content] * 5)
    angles = np.linspace(0, np.pi / 2, 5)
    searchers = []
    for end in ((1, 0), (0, 1)):
        index = FlatIndex(2)
        index.add(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        searchers.append(Searcher(Told(end), index, gallery))
    return tuple(searchers)


def test_overlap_ranks_and_precision_by_hand(pair):
    found = compare(pair, "anything", 3, label="a")
    rows = [[hit.item.row for hit in side.answer.hits] for side in found.sides]
    assert rows == [[0, 1, 2], [4, 3, 2]]
    assert found.overlap == pytest.approx(1 / 3)
    assert [side.other_ranks for side in found.sides] == [[None, None, 3], [None, None, 3]]
    assert [side.precision for side in found.sides] == [pytest.approx(2 / 3), 0]


def test_scores_are_given_in_standard_deviations_above_the_gallerys_mean(pair):
    cosines = np.cos(np.linspace(0, np.pi / 2, 5))
    expected = (cosines - cosines.mean()) / cosines.std()
    found = compare(pair, "anything", 5)
    np.testing.assert_allclose(found.sides[0].standard_scores, expected, atol=1e-5)
    assert found.sides[0].precision is None, "no label was named, so none is right"


def test_a_row_brings_its_own_label_and_is_no_hit(pair):
    found = compare(pair, 0, 4)
    assert all(0 not in [hit.item.row for hit in side.answer.hits] for side in found.sides)
    assert [side.precision for side in found.sides] == [pytest.approx(1 / 4)] * 2


def test_as_dict_is_plain(pair):
    told = compare(pair, "anything", 2).as_dict()
    assert told["overlap"] == 0
    assert set(told["sides"][0]["hits"][0]) == {"row", "label", "score", "probability", "standard_score", "other_rank"}


def test_an_encoder_beside_itself_agrees_in_everything(tiny_folder):
    searcher = open_searcher(release=str(tiny_folder), dataset="fashion-mnist")
    found = compare((searcher, searcher), "a pair of boots", 12, label="Ankle boot")
    assert found.overlap == 1
    assert found.sides[0].other_ranks == list(range(1, 13))


def test_other_galleries_and_labels_are_refused(pair, photo):
    other = Searcher(pair[1].encoder, pair[1].index, Gallery(["a"] * 5, [encoded(photo, "PNG")] * 5))
    with pytest.raises(QueryError, match="search different galleries"):
        compare((pair[0], other), "anything")
    with pytest.raises(QueryError, match="No picture of the gallery has the label “d”; a, b, c are there"):
        compare(pair, "anything", label="d")


def test_searchers_open_each_once(tiny_folder):
    searchers = Searchers("fashion-mnist")
    assert searchers[str(tiny_folder)] is searchers[str(tiny_folder)]
