"""Calibrate an encoder over a gallery, and measure what comes of it.

python -m index_builders calibrate --release v1-fashion
python -m index_builders refusals --release v1-fashion PRESENT.jsonl ABSENT.jsonl
"""

import contextlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

from index_builders.queries import FITTING, MEASURING, absent_pictures, fitting_texts
from index_builders.searcher import Searcher
from rectrio_models.calibration import METHOD, Calibration, Curve, fit_curve
from rectrio_models.datasets import DatasetRecord
from rectrio_models.encoder import Vectors
from rectrio_models.errors import DataError, PictureError, QueryError
from rectrio_models.figures import Figure, Figures, name_of, origin
from rectrio_models.pictures import open_picture

PICTURES = 3000  # of the gallery, at most, asked as queries
MOST_GIVEN = 1000  # pictures of a folder


def calibrate(searcher: Searcher, dataset: DatasetRecord, *, data: Path | None = None) -> Calibration:
    """Fit both curves of a searcher's encoder over its gallery.

    A picture of the gallery is a present query, searched for without itself. data: the copy of the data set that was
    indexed. Raises DataError where the gallery is too small.
    """
    texts = fitting_texts(dataset)
    pictures = dict(absent_pictures(dataset.name, FITTING))
    encoder = searcher.encoder
    command = f"python -m index_builders calibrate {options_of(searcher, dataset, data)}"
    return Calibration(
        dataset=dataset.name,
        fingerprint=encoder.fingerprint,
        method=METHOD,
        origin=origin(encoder, command) | {"gallery": f"{dataset.title}, {len(searcher.gallery):,} pictures"},
        text=fit_curve(
            best_scores(searcher, encoder.encode_text(texts.present)),
            best_scores(searcher, encoder.encode_text(joined(texts.absent))),
            kinds=kinds_of(texts.absent),
        ),
        picture=fit_curve(
            gallery_scores(searcher, gallery_rows(searcher, FITTING)),
            best_scores(searcher, encoder.encode_images(joined(pictures))),
            kinds=kinds_of(pictures),
        ),
    )


def options_of(searcher: Searcher, dataset: DatasetRecord, data: Path | None) -> str:
    """The options that name the encoder and the gallery in a command."""
    return f"--release {name_of(searcher.encoder)} --dataset {dataset.name}" + (" --data DIR" if data else "")


def joined(by_kind: dict[str, list]) -> list:
    """The queries of all kinds, one after the other."""
    return [query for queries in by_kind.values() for query in queries]


def kinds_of(by_kind: dict[str, list]) -> np.ndarray:
    """The number of each query's kind."""
    return np.repeat(np.arange(len(by_kind)), [len(queries) for queries in by_kind.values()])


def best_scores(searcher: Searcher, vectors: Vectors) -> np.ndarray:
    """The scores of each query's best hit, (n, 3 + dim), as `Searcher.scores_of` has them; of queries as (n, dim)."""
    best, _ = searcher.index.search(vectors, 1)
    return searcher.scores_of(best[:, 0], vectors)


def gallery_rows(searcher: Searcher, seed: int) -> np.ndarray:
    """The rows that are asked as queries: two thirds to fit with, the others to measure on."""
    places = np.arange(len(searcher.gallery)) % 3
    chosen = places < 2 if seed == FITTING else places == 2
    found = np.random.default_rng(0).permutation(len(searcher.gallery))[chosen][:PICTURES]
    if len(found) < 2:
        raise DataError(f"{len(searcher.gallery)} pictures are too few to calibrate on.")
    return np.sort(found)


def gallery_scores(searcher: Searcher, rows: np.ndarray) -> np.ndarray:
    """The scores of the best hit of pictures of the gallery, (len(rows), 3 + dim), where none finds itself."""
    vectors = searcher.index.vectors(rows)
    best, found = searcher.index.search(vectors, 2)  # (n, 2) each
    return searcher.scores_of(np.where(found[:, 0] == rows, best[:, 1], best[:, 0]), vectors)


def measure_refusals(
    searcher: Searcher,
    dataset: DatasetRecord,
    present: Path,
    absent: Path,
    *,
    pictures: Path | None = None,
    data: Path | None = None,
) -> Figures:
    """How many queries for which the gallery has something are refused, and how many of all others are caught.

    present, absent: JSON Lines with a `text` each; pictures: a folder of further pictures of which the gallery has
    nothing. Raises QueryError where the searcher is not calibrated, and DataError where a file is not what it should
    be. The embedded pictures and the noise are others than `calibrate` fits with.
    """
    encoder, calibration = searcher.encoder, searcher.calibration
    options = options_of(searcher, dataset, data)
    if calibration is None:
        raise QueryError(
            f"{encoder.name} is not calibrated for {dataset.name}, so it refuses nothing. "
            f"Do that first: python -m index_builders calibrate {options}"
        )
    command = f"python -m index_builders refusals {options} {present} {absent}"
    texts = {name: read_texts(path) for name, path in (("present", present), ("absent", absent))}
    shown = dict(absent_pictures(dataset.name, MEASURING))
    if pictures is not None:
        command += " --absent-pictures DIR"
        shown[f"pictures of “{pictures.resolve().name}”"] = folder_pictures(pictures)
    data = f"{dataset.title}, {len(searcher.gallery):,} pictures"

    def share(key: str, what: str, curve: Curve, scores: np.ndarray) -> Figure:
        refused = curve.probability(scores) < curve.refuse_below
        return Figure(key, what, float(refused.mean()), n=len(refused), data=data)

    asked = {name: best_scores(searcher, encoder.encode_text(found)) for name, found in texts.items()}
    kinds = {kind: best_scores(searcher, encoder.encode_images(found)) for kind, found in shown.items()}
    own = gallery_scores(searcher, gallery_rows(searcher, MEASURING))
    figures = [
        share("texts_refused", "texts for which there are pictures, refused", calibration.text, asked["present"]),
        share("texts_caught", "texts for which there are none, caught", calibration.text, asked["absent"]),
        share(
            "pictures_refused", "pictures of the gallery, sought in the rest of it, refused", calibration.picture, own
        ),
        *(
            share(f"pictures_caught_{number}", f"{kind}, caught", calibration.picture, found)
            for number, (kind, found) in enumerate(kinds.items())
        ),
    ]
    return Figures(f"refusals-{dataset.name}", origin(encoder, command) | {"method": calibration.method}, figures)


def read_texts(path: Path) -> list[str]:
    """The texts of a file of JSON Lines; raises DataError where it is none, or has fewer than two."""
    try:
        found = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} is no file of JSON Lines with a “text” each: {error}.") from error
    if len(found) < 2 or not all(isinstance(text, str) and text.strip() for text in found):
        raise DataError(f"{path} should have two texts or more, and none that is empty; it has {len(found)} lines.")
    return found


def folder_pictures(folder: Path) -> list[Image.Image]:
    """Up to MOST_GIVEN pictures of a folder and the folders in it, drawn with a fixed seed; raises DataError where
    there are none."""
    files = sorted(file for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else []
    found = []
    for row in np.random.default_rng(0).permutation(len(files)):
        with contextlib.suppress(PictureError):  # a folder of pictures may hold other files
            found.append(open_picture(files[row]))
        if len(found) == MOST_GIVEN:
            break
    if not found:
        raise DataError(f"{folder} holds no pictures.")
    return found
