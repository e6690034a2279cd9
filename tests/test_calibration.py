"""Calibration: the fit finds what is there, refusals reach everyone, and a wrong calibration is never heeded."""

import dataclasses
import json
import random

import numpy as np
import pytest

from index_builders import queries
from index_builders.__main__ import main as builders
from index_builders.queries import FEWEST, FITTING, MEASURING, absent_pictures, fitting_texts, made_pictures
from index_builders.searcher import Searcher, open_searcher_at
from rectrio_models import load_encoder
from rectrio_models.calibration import (
    REFUSED,
    SURENESS,
    WORTH,
    Calibration,
    Curve,
    calibration_file,
    fit_curve,
    read_calibration,
)
from rectrio_models.datasets import DATASETS
from rectrio_models.descriptions import TextGenerator, descriptions_of, kept_for_calibration
from rectrio_models.errors import DataError, ModelError
from tests.conftest import REFUSING


def drawn(curve, n=40_000):
    """Scores of present and of absent queries, as many of each, as a curve has them."""
    rng = np.random.default_rng(0)
    scores = np.stack([rng.normal(0.3, 0.2, n), rng.normal(0.1, 0.1, n), rng.normal(0.2, 0.05, n)], axis=1)
    present = rng.random(n) < curve.probability(scores)
    fewer = min(present.sum(), (~present).sum())
    return scores[present][:fewer], scores[~present][:fewer]


def test_the_fit_finds_the_curve_that_the_scores_were_drawn_from():
    true = Curve(cosine=12, mean=-6, spread=8, intercept=-4.6, refuse_below=0.1, present=0, absent=0)
    present, absent = drawn(true)
    found = fit_curve(present, absent)
    assert found.cosine == pytest.approx(12, rel=0.05)
    assert found.mean == pytest.approx(-6, rel=0.1)
    assert found.spread == pytest.approx(8, rel=0.15)
    assert (found.present, found.absent) == (len(present), len(absent))
    assert found.refuse_below == 0, "to catch an absent query of these would cost a present one"


def test_the_limit_refuses_few_present_queries_where_most_absent_ones_are_caught():
    present, absent = drawn(Curve(cosine=12, mean=-6, spread=8, intercept=-4.6, refuse_below=0.1, present=0, absent=0))
    apart = fit_curve(present, absent - np.array([0.5, 0, 0]))
    assert REFUSED - 0.003 < (apart.probability(present) < apart.refuse_below).mean() <= REFUSED
    assert (apart.probability(absent - np.array([0.5, 0, 0])) < apart.refuse_below).mean() > WORTH


def test_the_limit_holds_for_other_queries_though_it_is_set_on_few():
    present, absent = drawn(Curve(cosine=12, mean=-6, spread=8, intercept=-4.6, refuse_below=0.1, present=0, absent=0))
    absent = absent[:300] - np.array([0.5, 0, 0])
    fitted = [fit_curve(present[start : start + 300], absent) for start in range(0, 12_000, 300)]
    refused = np.array([(curve.probability(present) < curve.refuse_below).mean() for curve in fitted])
    assert (refused <= REFUSED).mean() >= SURENESS - 0.1
    assert refused.mean() > REFUSED / 2


def test_a_query_of_another_kind_is_told_by_its_embedding():
    rng = np.random.default_rng(0)
    scores, sides = rng.normal(0.3, 0.1, (600, 3)), rng.normal(0, 1, (600, 8))
    sides[300:, 0] += 4
    present, absent = (np.concatenate([scores[rows], sides[rows]], axis=1) for rows in (slice(300), slice(300, 600)))
    blind, seeing = fit_curve(present[:, :3], absent[:, :3]), fit_curve(present, absent)
    assert (blind.direction, len(seeing.direction)) == ((), 8)
    assert (seeing.probability(absent) < seeing.refuse_below).mean() > 0.95
    assert (blind.probability(absent) < blind.refuse_below).mean() < 0.2


def test_a_nearer_picture_is_always_more_probable():
    """Even where the queries that it was fitted on say otherwise."""
    present, absent = drawn(Curve(12, 0, 0, -4, 0.1, 0, 0))
    found = fit_curve(absent, present)
    cosines = np.linspace(-1, 1, 50)
    likely = found.probability(np.stack([cosines, np.full(50, 0.1), np.full(50, 0.2)], axis=1))
    assert (np.diff(likely) > 0).all()
    assert ((likely > 0) & (likely < 1)).all()


def test_each_kind_of_absent_query_weighs_the_same():
    present, absent = drawn(Curve(12, 0, 0, -4, 0.1, 0, 0), 4000)
    kinds = np.zeros(len(absent))
    again = np.concatenate([absent, np.repeat(absent[:1], 20_000, axis=0)])  # one query, over and over
    alone = fit_curve(present, np.concatenate([absent, absent[:1]]), kinds=np.append(kinds, 1))
    many = fit_curve(present, again, kinds=np.append(kinds, np.ones(20_000)))
    assert many.cosine == pytest.approx(alone.cosine, rel=0.02)
    assert many.intercept == pytest.approx(alone.intercept, rel=0.02)


def test_too_few_queries_are_refused():
    with pytest.raises(ModelError, match="1 present and 5 absent queries are too few"):
        fit_curve(np.zeros((1, 3)), np.zeros((5, 3)))


def test_texts_to_fit_with_are_kept_out_of_training(monkeypatch):
    descriptions, found = descriptions_of("fashion-mnist"), fitting_texts(DATASETS["fashion-mnist"])
    assert set(found.absent) >= {"nouns", "gibberish"}
    assert all(len(texts) >= FEWEST for texts in (found.present, *found.absent.values()))
    kept = {noun for noun in descriptions.absent if kept_for_calibration(noun)}
    assert kept <= set(found.absent["nouns"])
    rng = random.Random(0)
    trained = {TextGenerator(descriptions).draw(None, rng) for _ in range(2000)}
    assert not trained & {text for texts in found.absent.values() for text in texts}

    def missing():
        raise DataError("WordNet is not installed")

    monkeypatch.setattr(queries, "read_wordnet", missing)
    without = fitting_texts(DATASETS["animals"])
    assert set(without.absent) == {"nouns", "gibberish"}
    typed = [text for texts in descriptions_of("animals").typed.values() for text in texts]
    assert set(typed) < set(without.present)
    assert len(without.present) == 385, "120 held out, 150 typed, and 115 of them mistyped"
    assert fitting_texts(DATASETS["animals"]) == without, "the same each time"


def test_what_is_measured_with_was_not_fitted_with():
    pictures = [
        {picture.tobytes() for kind, made in shown for picture in made if kind != "plain shades"}
        for shown in (made_pictures(FITTING), made_pictures(MEASURING))
    ]
    assert all(pictures)
    assert not pictures[0] & pictures[1]
    assert {"pictures of Fashion-MNIST"} <= set(dict(absent_pictures("animals", MEASURING)))
    assert "pictures of Fashion-MNIST" not in dict(absent_pictures("fashion-mnist", MEASURING))


@pytest.fixture(scope="module")
def index(refusing_folder, idx_folder, tmp_path_factory):
    """The index of a hundred pictures, by the encoder whose calibration refuses every text and no picture."""
    out = tmp_path_factory.mktemp("refusing") / "index"
    assert builders(["build", "--release", str(refusing_folder), "--data", str(idx_folder), "--out", str(out)]) == 0
    return out


def test_a_refusal_hides_no_hit(index):
    searcher = open_searcher_at(index)
    heedless = Searcher(searcher.encoder, searcher.index, searcher.gallery)
    refused, plain = (s.answer("a pair of boots", 7) for s in (searcher, heedless))
    assert not refused.matches
    assert plain.matches
    assert [(hit.item.row, hit.score) for hit in refused.hits] == [(hit.item.row, hit.score) for hit in plain.hits]
    likely = [hit.probability for hit in refused.hits]
    assert likely == sorted(likely, reverse=True)
    assert {hit.probability for hit in plain.hits} == {None}
    assert refused.as_dict()["matches"] is False
    assert 0 <= refused.as_dict()["hits"][0]["probability"] <= 1


def test_pictures_have_a_curve_of_their_own(index):
    searcher = open_searcher_at(index)
    assert searcher.answer(searcher.gallery[3].image, 2).matches
    assert searcher.like(3, 2).matches


def test_like_judges_without_the_picture_itself(index):
    searcher = open_searcher_at(index)
    itself, other = (hit.probability for hit in searcher.answer(searcher.gallery[3].image, 2).hits)
    assert other < itself
    between = dataclasses.replace(REFUSING.picture, refuse_below=(itself + other) / 2)
    judging = dataclasses.replace(searcher, calibration=dataclasses.replace(REFUSING, picture=between))
    assert judging.answer(searcher.gallery[3].image, 2).matches
    assert not judging.like(3, 2).matches


def test_the_command_line_says_so_and_can_be_told_not_to(index, capsys):
    said = "Nothing in this gallery matches; the nearest are:"
    for options, wanted in ((), True), (("--nearest",), False):
        assert builders(["search", "boots", "-k", "3", "--index", str(index), *options]) == 0
        printed = capsys.readouterr().out
        assert (said in printed) == wanted
        assert printed.count("(item ") == 3
    assert builders(["search", "boots", "-k", "3", "--index", str(index), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["matches"] is False
    assert len(told["hits"]) == 3


def test_what_was_fitted_for_other_weights_is_not_heeded(refusing_folder, caplog):
    encoder = load_encoder(str(refusing_folder))
    assert read_calibration(encoder, "fashion-mnist").text == REFUSING.text
    assert read_calibration(encoder, "animals") is None
    encoder.fingerprint = "of other weights"
    assert read_calibration(encoder, "fashion-mnist") is None
    assert "was fitted for another encoder, so no query is refused. Fit it again: python -m" in caplog.text


def test_a_damaged_calibration_is_not_heeded(own_tiny_folder, caplog):
    encoder = load_encoder(str(own_tiny_folder))
    for content in ("{", "[]", '{"text": {}}', '{"text": 3, "picture": 4}'):
        calibration_file(encoder, "fashion-mnist").write_text(content)
        assert read_calibration(encoder, "fashion-mnist") is None
        assert "is damaged" in caplog.text
        caplog.clear()


def test_calibrate_and_measure_by_command(own_tiny_folder, idx_folder, tmp_path, capsys):
    given = ["--release", str(own_tiny_folder), "--dataset", "fashion-mnist", "--data", str(idx_folder)]
    for name, texts in (("present", ["boots", "a bag", "a shirt"]), ("absent", ["qzx", "a giraffe"])):
        (tmp_path / name).write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    files = [str(tmp_path / "present"), str(tmp_path / "absent")]
    figures = tmp_path / "figures.json"
    assert builders(["refusals", *given, *files, "--json", str(figures)]) == 1
    assert "is not calibrated for fashion-mnist, so it refuses nothing. Do that first" in capsys.readouterr().err
    assert builders(["calibrate", *given]) == 0
    texts = fitting_texts(DATASETS["fashion-mnist"])
    assert f"text: of {len(texts.present)} present and" in capsys.readouterr().out
    kept = Calibration.read(own_tiny_folder / "calibration-fashion-mnist.json")
    assert kept.fingerprint == load_encoder(str(own_tiny_folder)).fingerprint
    assert kept.method.startswith("Each hit is given the probability")
    assert kept.picture.cosine > 0
    assert builders(["refusals", *given, *files, "--json", str(figures)]) == 0
    told = {figure["key"]: figure for figure in json.loads(figures.read_text())["figures"]}
    assert (told["texts_refused"]["n"], told["texts_caught"]["n"]) == (3, 2)
    assert all(0 <= figure["value"] <= 1 for figure in told.values())
    assert builders(["refusals", *given, *files]) == 1
    assert "add --json FILE" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "boots\n", '{"text": ""}\n{"text": "a"}\n', '{"query": "a"}\n', "[1]\n"])
def test_a_file_that_holds_no_queries_is_one_sentence(content, refusing_folder, idx_folder, tmp_path, capsys):
    (tmp_path / "bad").write_text(content)
    given = ["--release", str(refusing_folder), "--dataset", "fashion-mnist", "--data", str(idx_folder)]
    out = str(tmp_path / "f.json")
    assert builders(["refusals", *given, str(tmp_path / "bad"), str(tmp_path / "bad"), "--json", out]) == 1
    error = capsys.readouterr().err
    assert "text" in error.splitlines()[-1]
    assert "Traceback" not in error
