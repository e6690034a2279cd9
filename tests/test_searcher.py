"""Searcher: the right hits in the right order, timings, notices, and indexes that build themselves in the cache."""

import pytest
from PIL import Image

from index_builders import open_searcher
from index_builders.index import VECTORS
from rectrio_models.cache import cache_root
from rectrio_models.errors import DataError, QueryError


@pytest.fixture(scope="module")
def searcher(tiny_folder):
    return open_searcher(release=str(tiny_folder), dataset="fashion-mnist")


def test_hits_have_items_and_falling_scores(searcher):
    hits = searcher.search("a pair of boots", 10)
    assert len(hits) == 10
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(-1.001 <= score <= 1.001 for score in scores)
    assert all(isinstance(hit.item.label, str) and isinstance(hit.item.image, Image.Image) for hit in hits)


def test_a_picture_of_the_gallery_finds_itself(searcher):
    for row in (0, 1234, 9999):
        best = searcher.search(searcher.gallery[row].image, 1)[0]
        assert best.score == pytest.approx(1, abs=1e-4)
        assert best.item.content == searcher.gallery[row].content


def test_more_like_this_leaves_itself_out(searcher):
    answer = searcher.like(42, 12)
    assert len(answer.hits) == 12
    assert 42 not in [hit.item.row for hit in answer.hits]


def test_an_answer_says_what_it_took(searcher):
    answer = searcher.answer("boots")
    assert len(answer.hits) == 12
    assert 0 < answer.encode_seconds < 5
    assert 0 < answer.search_seconds < 5
    assert answer.notices == []


def test_a_text_of_ten_thousand_words_is_cut_with_a_notice(searcher):
    answer = searcher.answer("boots and bags " * 3334, 5)
    assert len(answer.hits) == 5
    assert answer.notices == ["The text is long: only its beginning, 64 tokens, was read."]


def test_a_short_text_of_many_tokens_is_cut_with_a_notice_too(searcher):
    assert searcher.answer("👖" * 40, 3).notices


@pytest.mark.parametrize("text", ["👖", "靴", "!?", "0", "x" * 63])
def test_odd_texts_are_answered(text, searcher):
    assert len(searcher.search(text, 3)) == 3


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        ("", 5, "The query is empty"),
        (" \n\t", 5, "The query is empty"),
        ("boots", 0, "k, the number of results, is 0; it must be a whole number, 1 or more"),
        ("boots", "5", "is '5'"),
        (5, 5, "int is neither"),
    ],
)
def test_bad_queries_are_refused_in_a_sentence(query, k, message, searcher):
    with pytest.raises(QueryError, match=message):
        searcher.search(query, k)


def test_k_may_exceed_the_gallery(searcher):
    assert len(searcher.search("boots", 20_000)) == 10_000


def test_rows_outside_the_gallery_are_refused(searcher):
    for row, message in ((-1, "is -1; it must be a whole number"), (10_000, "items 0 to 9,999"), ("x", "is 'x'")):
        with pytest.raises(QueryError, match=message):
            searcher.like(row)


def test_the_index_is_built_once_and_again_when_it_is_damaged(searcher, tiny_folder, capfd):
    (folder,) = (
        path for path in (cache_root() / "indexes").iterdir() if path.is_dir() and tiny_folder.name in path.name
    )
    built = (folder / VECTORS).stat().st_mtime_ns
    capfd.readouterr()
    open_searcher(release=str(tiny_folder), dataset="fashion-mnist")
    assert (folder / VECTORS).stat().st_mtime_ns == built
    assert "indexing" not in capfd.readouterr().err
    (folder / VECTORS).write_bytes(b"damaged")
    again = open_searcher(release=str(tiny_folder), dataset="fashion-mnist")
    assert "indexing Fashion-MNIST" in capfd.readouterr().err
    assert [hit.item.row for hit in again.search("bag", 5)] == [hit.item.row for hit in searcher.search("bag", 5)]


def test_a_model_without_a_gallery_of_its_own_needs_a_name(tiny_folder, clip_folder):
    with pytest.raises(QueryError, match="name a data set to search"):
        open_searcher(release=str(clip_folder))
    with pytest.raises(DataError, match="“birds” is no data set"):
        open_searcher(release=str(tiny_folder), dataset="birds")
