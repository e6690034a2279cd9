"""Calibration: what a cosine says of whether a hit is what was asked for, fitted for one encoder and one gallery.

`python -m index_builders calibrate` fits it and keeps it beside the weights, as calibration-DATASET.json.
"""

import dataclasses
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rectrio_models.cache import cache_root, write_whole
from rectrio_models.datasets import HUB_CARDS
from rectrio_models.encoder import Encoder
from rectrio_models.errors import ModelError
from rectrio_models.releases import card_folder

log = logging.getLogger("rectrio")

METHOD = (
    "Each hit is given the probability that it is what was asked for, by Platt scaling (Platt 1999, Probabilistic "
    "Outputs for Support Vector Machines) of its cosine with the query, the mean and the standard deviation of the "
    "cosines that the gallery's pictures have with the query, and, with a ridge penalty, the query's own embedding, as "
    "what is of another kind than the gallery lies to one side of it"
)
RIDGE = 0.03  # penalty on the weights of the standardised embedding
FOLDS = 5  # the limit of refusal is set on present queries that each fold's curve was not fitted on
REFUSED, SURENESS = 0.05, 0.85  # share of present queries that may be refused, and how sure it is that no more are
WORTH = 0.75  # share of the fitting set's absent queries, each kind alike, that must be caught for any to be refused
LEAST_RISE = 0.25  # of the logit by a standard deviation of the cosine: a nearer picture is always more probable


@dataclass(frozen=True)
class Curve:
    """Scores to the probability of relevance, for texts or for pictures: the logit is their weighted sum."""

    cosine: float  # weight of the hit's cosine with the query, above 0
    mean: float  # weight of the mean of the cosines that the gallery's pictures have with the query
    spread: float  # weight of their standard deviation
    intercept: float
    refuse_below: float  # where the best hit is less probable than this, nothing in the gallery matches
    present: int  # how many queries it was fitted on for which the gallery has something
    absent: int  # and for which it has nothing
    direction: tuple[float, ...] = ()  # weights of the query's embedding, (dim,)

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """How probable it is that hits are what was asked for, (n,), of (n, 3 + dim): their cosines, the mean and the
        spread of the gallery's, and the query's embedding."""
        weights = np.array([self.cosine, self.mean, self.spread, *self.direction])
        logits = scores[:, : len(weights)].astype(np.float64) @ weights + self.intercept
        return 1 / (1 + np.exp(-np.clip(logits, -50, 50)))


@dataclass(frozen=True)
class Calibration:
    """The two curves of an encoder over a gallery, and where they come from."""

    dataset: str  # whose gallery
    fingerprint: str  # of the encoder
    method: str
    origin: dict[str, str]
    text: Curve
    picture: Curve

    def write(self, path: Path) -> None:
        """Write the calibration as JSON."""
        write_whole(path, json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Calibration":
        """Read what `write` wrote; raises ModelError when it is damaged."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            parts = {kind: found.pop(kind) for kind in ("text", "picture")}
            curves = {kind: Curve(**part | {"direction": tuple(part["direction"])}) for kind, part in parts.items()}
            return cls(**found, **curves)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{path} is damaged: {error}. Delete it and calibrate again.") from error


def fit_curve(present: np.ndarray, absent: np.ndarray, *, kinds: np.ndarray | None = None) -> Curve:
    """The curve that fits the scores of queries for which the gallery has something, and has nothing.

    present, absent: (n, 3 + dim) as `Curve.probability` takes them, of the best hits. kinds: of the absent ones, (n,);
    each kind weighs the same, and so do present and absent as a whole. Logistic regression on targets that are a little
    short of 1 and 0, as Platt has them. The limit of refusal is a tolerance limit (Wilks, Determination of Sample Sizes
    for Setting Tolerance Limits, 1941): the fewer the present queries, the fewer of them are refused. Where that would
    catch too few of the absent ones to be worth it, none is. Raises ModelError when there are not two of each.
    """
    if min(len(present), len(absent)) < 2:
        raise ModelError(f"{len(present)} present and {len(absent)} absent queries are too few to calibrate on.")
    from scipy.stats import binom

    kinds = np.zeros(len(absent)) if kinds is None else kinds
    present, absent = present.astype(np.float64), absent.astype(np.float64)
    curve = logistic(present, absent, kinds)
    judged = [curve.probability(present)]
    if len(present) >= 2 * FOLDS:
        folds = np.arange(len(present)) % FOLDS
        judged = [
            logistic(present[folds != fold], absent, kinds).probability(present[folds == fold]) for fold in range(FOLDS)
        ]
    refused = max(int(binom.ppf(1 - SURENESS, len(present), REFUSED)) - 1, 0)
    limit = float(np.sort(np.concatenate(judged))[refused])
    below = curve.probability(absent) < limit
    caught = np.mean([below[kinds == kind].mean() for kind in np.unique(kinds)])
    return dataclasses.replace(curve, refuse_below=limit if caught >= WORTH else 0.0)


def logistic(present: np.ndarray, absent: np.ndarray, kinds: np.ndarray) -> Curve:
    """`fit_curve` without a limit of refusal."""
    from scipy.optimize import minimize

    names, numbers = np.unique(kinds, return_inverse=True)
    each = 0.5 / len(names) / np.bincount(numbers)  # what a query of each kind weighs
    weights = np.concatenate([np.full(len(present), 0.5 / len(present)), each[numbers]])
    targets = np.repeat([(len(present) + 1) / (len(present) + 2), 1 / (len(absent) + 2)], [len(present), len(absent)])
    scores = np.concatenate([present, absent])
    mean, spread = scores.mean(axis=0), np.maximum(scores.std(axis=0), 1e-6)
    standard = (scores - mean) / spread
    ridge = np.repeat([0.0, RIDGE], [3, scores.shape[1] - 3])

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slopes = parameters[:-1]
        logits = standard @ slopes + parameters[-1]
        errors = weights * (1 / (1 + np.exp(-logits)) - targets)
        gradient = np.append(errors @ standard + ridge * slopes, errors.sum())
        value = weights @ (np.logaddexp(0, logits) - targets * logits) + ridge @ slopes**2 / 2
        return float(value), gradient

    start = np.zeros(scores.shape[1] + 1)
    start[0] = 1.0
    bounds = [(LEAST_RISE, 50), *[(-50, 50)] * scores.shape[1]]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    weighing = found[:-1] / spread
    intercept = float(found[-1] - weighing @ mean)
    cosine, middle, deviation, *direction = weighing.tolist()
    return Curve(
        cosine, middle, deviation, intercept, 0.0, len(present), len(absent), tuple(round(w, 6) for w in direction)
    )


def calibration_file(encoder: Encoder, dataset: str) -> Path:
    """Where the calibration of an encoder over a gallery is kept: beside the weights that RecTrio made or publishes,
    in the cache for all others."""
    folder, name = card_folder(encoder.name), f"calibration-{dataset}.json"
    if folder.is_relative_to(HUB_CARDS) or (folder / "training.json").is_file():
        return folder / name
    return cache_root() / "calibrations" / encoder.fingerprint[:16] / name


def read_calibration(encoder: Encoder, dataset: str) -> Calibration | None:
    """The calibration of an encoder over a gallery, or None where there is none that fits: what was fitted for other
    weights or in another precision would refuse the wrong queries."""
    again = f"python -m index_builders calibrate --release {encoder.name} --dataset {dataset}"
    path = calibration_file(encoder, dataset)
    if not path.is_file():
        log.info("%s is not calibrated for %s, so it never says that nothing matches: %s", encoder.name, dataset, again)
        return None
    try:
        found = Calibration.read(path)
    except ModelError as error:
        log.warning("%s Until then, no query is refused.", error)
        return None
    if (found.fingerprint, found.dataset) != (encoder.fingerprint, dataset):
        log.warning("%s was fitted for another encoder, so no query is refused. Fit it again: %s", path, again)
        return None
    return found
