"""A data set to an index on disk: pictures → vectors → a folder, written whole or not at all."""

from pathlib import Path

from tqdm import tqdm

from index_builders.gallery import ITEMS, Gallery
from index_builders.index import MANIFEST, METRIC, VECTORS, Manifest, index_class
from rectrio_models.cache import sha256_of, whole_folder
from rectrio_models.datasets import DatasetRecord
from rectrio_models.encoder import Encoder
from rectrio_models.errors import DataError, IndexFolderError, PictureError
from rectrio_models.formats import cells_of

BATCH = 256  # pictures between two steps of the progress bar


def build_index(
    encoder: Encoder, dataset: DatasetRecord, out: Path, *, kind: str = "flat", data: Path | None = None
) -> Path:
    """Encode a data set's gallery and write its index into the folder `out`, in place of an index that is there.

    `data` names another copy of the data set than its own gallery. Raises DataError when that cannot be read, and
    IndexFolderError when `out` holds anything else than an index.
    """
    if out.is_file() or (out.is_dir() and not {file.name for file in out.iterdir()} <= {MANIFEST, VECTORS, ITEMS}):
        raise IndexFolderError(f"{out} holds something else than an index. Give a new or an empty folder.")
    make_index = index_class(kind)
    gallery = gallery_of(dataset, data)
    index = make_index(encoder.dim)
    with tqdm(total=len(gallery), desc=f"indexing {dataset.title}", unit=" pictures") as bar:
        for start in range(0, len(gallery), BATCH):
            pictures = []
            for row in range(start, min(start + BATCH, len(gallery))):
                try:
                    pictures.append(gallery[row].image)
                except PictureError as error:
                    raise DataError(f"Picture {row} of {dataset.title}: {error}") from error
            index.add(encoder.encode_images(pictures))
            bar.update(len(pictures))
    with whole_folder(out) as draft:
        index.save(draft / VECTORS)
        gallery.save(draft)
        Manifest(
            release=str(Path(encoder.name).resolve()) if Path(encoder.name).is_dir() else encoder.name,
            fingerprint=encoder.fingerprint,
            dim=encoder.dim,
            metric=METRIC,
            dataset=dataset.name,
            source=str(data.expanduser().resolve()) if data else "",
            count=len(gallery),
            kind=kind,
            params=index.params,
            precision=encoder.precision,
            checksums={name: sha256_of([draft / name]) for name in (VECTORS, ITEMS)},
        ).write(draft)
    return out


def gallery_of(dataset: DatasetRecord, data: Path | None = None) -> Gallery:
    """The pictures of a data set's gallery, in their files' own bytes."""
    pictures = dataset.load_gallery(data=data)
    labels = [dataset.labels[number] for number in pictures["label"][:]]
    contents = [cell["bytes"] or Path(cell["path"]).read_bytes() for cell in cells_of(pictures)]
    if not contents:
        raise DataError(f"{data or dataset.title} holds no pictures, so there is nothing to index.")
    return Gallery(labels, contents)
