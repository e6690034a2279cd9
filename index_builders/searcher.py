"""Searcher: a query → its encoder → the index → hits. `open_searcher` is the way in."""

import dataclasses
import re
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from index_builders.build import build_index
from index_builders.gallery import Gallery, Item
from index_builders.index import Index, open_index
from rectrio_models.cache import cache_root, one_at_a_time
from rectrio_models.calibration import Calibration, Curve, read_calibration
from rectrio_models.encoder import Encoder, Vectors
from rectrio_models.errors import IndexFolderError, QueryError
from rectrio_models.releases import load_encoder, record_for, resolve, title_of

LONGEST_TEXT = 20_000  # characters; far more than any encoder reads
BACKGROUND = 1000  # pictures of the gallery that a score is held against


@dataclass(frozen=True)
class Hit:
    """One result."""

    item: Item
    score: float  # cosine, -1 to 1
    probability: float | None = None  # of being what was asked for; None where the encoder is not calibrated


@dataclass(frozen=True)
class Answer:
    """The hits of a query, what it took to find them, and what the user should know of it. The hits are there whether
    anything matches or not."""

    hits: list[Hit]
    encode_seconds: float
    search_seconds: float
    notices: list[str]
    vector: Vectors  # of the query, (1, dim)
    matches: bool = True  # whether the gallery holds what was asked for, as far as the calibration tells

    def as_dict(self) -> dict:
        """The answer for programs: numbers and texts alone."""
        hits = [
            {
                "row": hit.item.row,
                "label": hit.item.label,
                "score": round(hit.score, 6),
                "probability": None if hit.probability is None else round(hit.probability, 6),
            }
            for hit in self.hits
        ]
        milliseconds = {"encode": 1000 * self.encode_seconds, "search": 1000 * self.search_seconds}
        return {"hits": hits, "matches": self.matches, "milliseconds": milliseconds, "notices": self.notices}


@dataclass(frozen=True)
class Searcher:
    """Answers texts and pictures from one gallery. Safe to call from many threads at once."""

    encoder: Encoder
    index: Index
    gallery: Gallery
    calibration: Calibration | None = None  # without one, every query has matches

    @property
    def title(self) -> str:
        """What answers, as a reader knows it."""
        return title_of(self.encoder.name)

    def search(self, query: str | Image.Image, k: int = 12) -> list[Hit]:
        """The k items nearest to a text or a picture, best first."""
        return self.answer(query, k).hits

    def answer(self, query: str | Image.Image, k: int = 12) -> Answer:
        """The same with timings and notices. Raises QueryError for an empty text or a k under 1."""
        if not isinstance(query, str | Image.Image):
            raise QueryError(f"A query is a text or a picture; {type(query).__name__} is neither.")
        check_whole("k, the number of results,", k, least=1)
        started = time.perf_counter()
        vector = self._encode_text(query) if isinstance(query, str) else self.encoder.encode_images([query])
        encoded = time.perf_counter()
        scores, rows = self.index.search(vector, min(k, len(self.index)))
        found = time.perf_counter()
        curve = self._curve("text" if isinstance(query, str) else "picture")
        likely = curve.probability(self.scores_of(scores[0], vector)).tolist() if curve else [None] * len(scores[0])
        hits = [
            Hit(self.gallery[row], score, probability)
            for row, score, probability in zip(rows[0].tolist(), scores[0].tolist(), likely, strict=True)
        ]
        notices = self._notices(query) if isinstance(query, str) else []
        return Answer(hits, encoded - started, found - encoded, notices, vector, matches=is_match(hits, curve))

    def like(self, row: int, k: int = 12) -> Answer:
        """The k items most like the item at `row`, without itself."""
        check_whole("row, the place of an item,", row, least=0)
        if row >= len(self.gallery):
            raise QueryError(f"The gallery has the items 0 to {len(self.gallery) - 1:,}; item {row:,} is not one.")
        answer = self.answer(self.gallery[row].image, k + 1)
        hits = [hit for hit in answer.hits if hit.item.row != row][:k]
        return dataclasses.replace(answer, hits=hits, matches=is_match(hits, self._curve("picture")))

    @cached_property
    def background(self) -> Vectors:
        """Vectors taken evenly from all of the gallery, (BACKGROUND, dim) or as many as there are."""
        rows = np.linspace(0, len(self.index) - 1, min(BACKGROUND, len(self.index))).astype(np.int64)
        return self.index.vectors(rows)

    def scores_of(self, cosines: np.ndarray, vectors: Vectors) -> np.ndarray:
        """What a calibration judges hits by, (n, 3 + dim): their cosines, (n,), the mean and the standard deviation of
        the background's, and the query's vector. vectors: of the query of each, (n, dim), or of the one query of all,
        (1, dim)."""
        behind = vectors @ self.background.T  # (n or 1, BACKGROUND)
        columns = np.broadcast_arrays(cosines, behind.mean(axis=1), behind.std(axis=1))
        return np.column_stack([*columns, np.broadcast_to(vectors, (len(cosines), vectors.shape[1]))])

    def _curve(self, kind: str) -> Curve | None:
        return getattr(self.calibration, kind, None)

    def _encode_text(self, text: str):
        if not text.strip():
            raise QueryError("The query is empty. Type what you look for, as “a pair of boots”.")
        return self.encoder.encode_text([text[:LONGEST_TEXT]])

    def _notices(self, text: str) -> list[str]:
        limit = self.encoder.max_tokens
        if len(text) <= LONGEST_TEXT and self.encoder.count_tokens(text) <= limit:
            return []
        return [f"The text is long: only its beginning, {limit} tokens, was read."]


def is_match(hits: list[Hit], curve: Curve | None) -> bool:
    """Whether the best hit is probable enough; always, where no curve tells."""
    return curve is None or not hits or hits[0].probability >= curve.refuse_below


def open_searcher(
    release: str = "v1-fashion",
    dataset: str | None = None,
    *,
    data: str | Path | None = None,
    kind: str = "flat",
    precision: str = "auto",
    device: str = "CPU",
) -> Searcher:
    """A Searcher over a data set's gallery. Its index is built on first use, into the cache, and opened afterwards.

    release: a release, a model folder or a Hub id; dataset: a name in DATASETS, the release's own by default; data: a
    copy of it, or a folder of class folders of the user's own; precision, device: as `load_encoder` takes them.
    Raises ModelError or DataError when either is not to be had.
    """
    release, data = resolve(release), Path(data) if data else None
    record = record_for(release, dataset, data=data)
    encoder = load_encoder(release, precision=precision, device=device, gallery=record.name, data=data)
    name = re.sub(r"\W+", "-", release).strip("-")
    version = record.gallery_version(data)
    folder = cache_root() / "indexes" / f"{name}-{record.name}-{kind}-{encoder.fingerprint[:12]}-{version}"
    calibration = read_calibration(encoder, record.name)
    try:
        return Searcher(encoder, *open_index(folder, encoder), calibration)
    except IndexFolderError:  # none yet, or damaged: what is in the cache can be built again
        with one_at_a_time(folder):
            try:
                return Searcher(encoder, *open_index(folder, encoder), calibration)  # built meanwhile by another
            except IndexFolderError:
                build_index(encoder, record, folder, kind=kind, data=data)
                return Searcher(encoder, *open_index(folder, encoder), calibration)


class Searchers:
    """The searchers of one data set by release, each opened when it is first asked for, and once; of the copy in
    `data`, or of the user's own pictures there."""

    def __init__(self, dataset: str, *, data: Path | None = None, precision: str = "auto", device: str = "CPU"):
        self.dataset, self.data = dataset, data
        self._options = {"data": data, "precision": precision, "device": device}
        self._opened: dict[str, Searcher] = {}
        self._opening = threading.Lock()  # one at a time: two would share the cores that each wants whole

    def __getitem__(self, release: str) -> Searcher:
        """The searcher of a release, a model folder or a Hub id; raises ModelError or DataError as `open_searcher`."""
        if release not in self._opened:
            with self._opening:
                if release not in self._opened:
                    name = resolve(release)
                    self._opened[name] = self._opened.get(name) or open_searcher(name, self.dataset, **self._options)
                    self._opened[release] = self._opened[name]
        return self._opened[release]


def check_whole(what: str, value: object, *, least: int) -> None:
    """Raise QueryError unless `value` is a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise QueryError(f"{what} is {value!r}; it must be a whole number, {least} or more.")


def open_searcher_at(folder: Path, *, device: str = "CPU") -> Searcher:
    """A Searcher over an index folder that `build --out` wrote, with the encoder and in the precision that its manifest
    names. Raises IndexFolderError when the folder is damaged, or that encoder has changed since."""
    from index_builders.index import Manifest

    manifest = Manifest.read(folder)
    data = Path(manifest.source) if manifest.source else None
    encoder = load_encoder(
        manifest.release, precision=manifest.precision, device=device, gallery=manifest.dataset, data=data
    )
    return Searcher(encoder, *open_index(folder, encoder), read_calibration(encoder, manifest.dataset))
