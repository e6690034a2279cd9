"""Two searchers over the same gallery, asked the same: where they agree, and what each alone finds."""

from dataclasses import dataclass

from PIL import Image

from index_builders.searcher import Answer, Searcher
from rectrio_models.errors import QueryError


@dataclass(frozen=True)
class Side:
    """What one of the two found, each list in the order of its hits."""

    title: str  # what answered
    answer: Answer
    standard_scores: list[float]  # standard deviations above the gallery's mean cosine with this query
    other_ranks: list[int | None]  # the place of the same picture in the other's hits, from 1; None: not among them
    precision: float | None  # share of the hits that have the wanted label; None where none is named

    def as_dict(self) -> dict:
        """The side for programs: numbers and texts alone."""
        found = self.answer.as_dict()
        for hit, score, rank in zip(found["hits"], self.standard_scores, self.other_ranks, strict=True):
            hit |= {"standard_score": round(score, 4), "other_rank": rank}
        return {"encoder": self.title, "precision": self.precision, **found}


@dataclass(frozen=True)
class Comparison:
    """One query, asked of two searchers."""

    sides: tuple[Side, Side]
    overlap: float  # overlap@k: share of the hits that both found, whatever their place

    def as_dict(self) -> dict:
        """The comparison for programs."""
        return {"overlap": self.overlap, "sides": [side.as_dict() for side in self.sides]}


def compare(
    searchers: tuple[Searcher, Searcher], query: str | Image.Image | int, k: int = 12, *, label: str | None = None
) -> Comparison:
    """Ask two searchers the same text, picture, or row of their gallery (which then is no hit of its own).

    label: what the query asks for, to tell right hits from wrong ones; a row's own label by default.
    Cosines of two encoders are not alike: one puts all its pictures between 0.15 and 0.35, the other between -1 and 1.
    So each score is also given in standard deviations above the mean that pictures taken evenly from the gallery have
    with the same query. Raises QueryError when the galleries are not the same, or nothing in them has the label.
    """
    first, second = searchers
    if not first.gallery.same_as(second.gallery):
        raise QueryError(f"{first.title} and {second.title} search different galleries, so they cannot be compared.")
    row = query if isinstance(query, int) and not isinstance(query, bool) else None
    answers = [s.answer(query, k) if row is None else s.like(row, k) for s in searchers]
    if label is None and row is not None:
        label = first.gallery[row].label
    if label is not None and label not in first.gallery.labels:
        raise QueryError(
            f"No picture of the gallery has the label “{label}”; {', '.join(first.gallery.labels)} are there."
        )
    places = [{hit.item.row: place for place, hit in enumerate(answer.hits, 1)} for answer in answers]
    sides = [
        Side(
            title=searcher.title,
            answer=answer,
            standard_scores=standard_scores(searcher, answer),
            other_ranks=[other.get(hit.item.row) for hit in answer.hits],
            precision=None if label is None else share(hit.item.label == label for hit in answer.hits),
        )
        for searcher, answer, other in zip(searchers, answers, reversed(places), strict=True)
    ]
    return Comparison((sides[0], sides[1]), overlap=share(hit.item.row in places[1] for hit in answers[0].hits))


def standard_scores(searcher: Searcher, answer: Answer) -> list[float]:
    """The hits' cosines in standard deviations above the gallery's mean, by pictures taken evenly from all of it."""
    cosines = searcher.background @ answer.vector[0]  # (BACKGROUND,)
    spread = max(float(cosines.std()), 1e-6)  # a gallery of one picture has none
    return [(hit.score - float(cosines.mean())) / spread for hit in answer.hits]


def share(whether) -> float:
    """The share of truths among truth values; 0 where there are none."""
    values = list(whether)
    return sum(values) / len(values) if values else 0.0
