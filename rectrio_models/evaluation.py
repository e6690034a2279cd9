"""The retrieval metrics, measured on real pictures: `python -m rectrio_models evaluate --release v1-fashion`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from rectrio_models.datasets import OWN, DatasetRecord
from rectrio_models.descriptions import Descriptions
from rectrio_models.encoder import Encoder, Vectors
from rectrio_models.errors import DataError
from rectrio_models.figures import Figure, Figures, name_of, origin
from rectrio_models.formats import names_of, pictures_of, splits_at
from rectrio_models.queries import answered, attributes_shown
from rectrio_models.ranking import nearest_others, top_rows


def evaluate(
    encoder: Encoder,
    dataset: DatasetRecord,
    *,
    data: Path | None = None,
    hold_out: Sequence[str] = (),
    queries: Sequence[Path] = (),
) -> Figures:
    """Measure an encoder on a data set's test split, with its training split as the gallery for picture queries.

    hold_out: the patterns of the pictures that training held out of an undivided data set, which are measured then, by
    source too; queries: files of `queries.read_queries`.
    Raises DataError when a split is not to be had, or the two are the same.
    """
    own = dataset.name == OWN
    if data is not None and not own and not hold_out and not splits_at(Path(data)):
        raise DataError(f"{data} names no train and no test split, so its pictures would be sought among themselves.")
    test, train = dataset.load_held_out(hold_out, data=data), dataset.load_without(hold_out, data=data)
    if not len(test) or not len(train):
        raise DataError(
            f"{dataset.title} has {len(train):,} training and {len(test):,} test pictures, so nothing can be measured. "
            "Give two different pictures of a class at least."
        )
    descriptions = dataset.descriptions()
    test_labels, train_labels = np.array(test["label"]), np.array(train["label"])  # (n,)
    test_vectors = encode_pictures(encoder, test, title=f"encoding {dataset.title}, test")
    train_vectors = encode_pictures(encoder, train, title=f"encoding {dataset.title}, train")

    classes = class_vectors(encoder, descriptions)
    right = (test_vectors @ classes.T).argmax(axis=1) == test_labels  # (n,)
    like = train_labels[top_rows(test_vectors, train_vectors, k=min(5, len(train)))] == test_labels[:, None]  # (n, 5)
    there = [label for i, label in enumerate(dataset.labels) if (test_labels == i).any()]  # which a text can find
    written = [(text, label) for label in there for text in descriptions.words[label].descriptions]
    kept_out = [(text, label) for label in there for text in descriptions.held_out.get(label, ())]
    k = min(10, np.bincount(test_labels)[np.unique(test_labels)].min()) if own else 10  # what a small class can reach
    held_out = hold_out and dataset.one_split  # from a folder whose pictures need not be the data set's own
    split = f"photos of {dataset.title}'s classes, sources held out" if held_out else f"{dataset.title}, test"
    gallery = (test_vectors, test_labels)

    def figure(key: str, what: str, values: np.ndarray) -> Figure:
        return Figure(key, what, float(values.mean()), n=len(values), data=split)

    nearest_class = f"class accuracy: nearest class by text, the mean of its {'' if own else 'ten '}descriptions"
    figures = [
        figure("class_accuracy", nearest_class, right),
        *(
            figure(f"class_accuracy_{source}", f"{nearest_class}; source {source}", right[rows])
            for source, rows in sources(test, hold_out).items()
        ),
    ]
    if np.ptp(np.bincount(test_labels)) > 0:
        shares = np.array([right[test_labels == label].mean() for label in np.unique(test_labels)])
        figures.append(figure("class_accuracy_mean", f"{nearest_class}; mean over the classes", shares))
    if len(copies := copied(test, train)) > 0:
        clean = np.setdiff1d(np.arange(len(test)), copies)
        what = f"{nearest_class}; without the {len(copies)} test pictures that training has a copy of"
        figures.append(figure("class_accuracy_clean", what, right[clean]))
    galleries = [("", f"the {len(train_labels):,} training pictures", like)]
    if (number := len(test_labels)) > 1:
        near = test_labels[nearest_others(test_vectors, np.arange(number), k=min(5, number - 1))]
        galleries.append(("_others", f"the {number - 1:,} other test pictures", near == test_labels[:, None]))
    for key, among, same in galleries:
        what = "image→image: same class at"
        figures += [
            figure(f"image_image{key}_top_1", f"{what} rank 1, among {among}", same[:, 0]),
            figure(f"image_image{key}_top_5", f"{what} one of ranks 1 to 5, among {among}", same.any(axis=1)),
        ]
    for key, what, texts in (
        ("text_image", "the descriptions", written),
        ("held_out", "sentences kept out of training", kept_out),
    ):
        if not texts:
            continue
        hits = hits_of(encoder, texts, *gallery, dataset.labels, k=k)
        figures += [
            figure(f"{key}_precision_at_{k}", f"text→image precision@{k}, {what}", hits.mean(axis=1)),
            figure(f"{key}_top_5", f"text→image: the class at one of ranks 1 to 5, {what}", hits[:, :5].any(axis=1)),
        ]
    for path in queries:
        figures += answered(encoder, path, vectors=test_vectors, labels=test_labels, names=dataset.labels, data=split)
        figures += attributes_shown(
            encoder, path, dataset, vectors=test_vectors, labels=test_labels, pictures=test, data=split
        )
    command = f"python -m rectrio_models evaluate --release {name_of(encoder)}"
    command += "" if own else f" --dataset {dataset.name}"
    return Figures(
        name="evaluation",
        origin=origin(encoder, command + (" --data DIR" if data else "") + (" --queries FILE …" if queries else "")),
        figures=figures,
    )


def sources(pictures, hold_out: Sequence[str]) -> dict[str, np.ndarray]:
    """The rows of each source of held-out pictures: what a file's name has before its first “_”; of no others, as a
    data set's own test split has one source."""
    names = [name.partition("/")[2].partition("_")[0] for name in names_of(pictures)] if hold_out else []
    return {source: np.flatnonzero(np.array(names) == source) for source in sorted(set(names))}


def copied(pictures, among) -> np.ndarray:
    """The rows of the pictures that `among` holds pixel by pixel."""
    known = {hash_of(picture) for picture in pictures_of(among)}
    return np.array([row for row, picture in enumerate(pictures_of(pictures)) if hash_of(picture) in known])


def hash_of(picture: Image.Image) -> bytes:
    """SHA-256 of a picture's size and pixels."""
    return hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).digest()


def encode_pictures(encoder: Encoder, pictures, *, title: str) -> Vectors:
    """The embeddings of every picture of a Dataset, (n, dim), with a progress bar."""
    batches = range(0, len(pictures), 256)
    return np.concatenate(
        [
            encoder.encode_images(list(pictures_of(pictures.select(range(start, min(start + 256, len(pictures)))))))
            for start in tqdm(batches, desc=title, unit=" batches", leave=False)
        ]
    )


def class_vectors(encoder: Encoder, descriptions: Descriptions) -> Vectors:
    """Each class as the mean embedding of its descriptions, of unit length, (classes, dim)."""
    means = np.stack([encoder.encode_text(words.descriptions).mean(axis=0) for words in descriptions.words.values()])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def hits_of(
    encoder: Encoder,
    queries: list[tuple[str, str]],
    vectors: Vectors,
    labels: np.ndarray,
    names: tuple[str, ...],
    *,
    k: int,
) -> np.ndarray:
    """Whether each of the k best pictures has the query's label, bool (n, k); queries are (text, label)."""
    rows = top_rows(encoder.encode_text([text for text, _ in queries]), vectors, k=k)
    wanted = np.array([names.index(label) for _, label in queries])
    return labels[rows] == wanted[:, None]
