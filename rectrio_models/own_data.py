"""Pictures of the user's own: a folder of class folders, or one with `train` and `test` of them, as a data set.

What a scan finds of each file (whether it can be read, its SHA-256, size and colour) is remembered in the cache for as
long as neither the file's size nor its time changes, so that only the first command reads them all.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from tqdm import tqdm

from rectrio_models import formats
from rectrio_models.cache import cache_root, write_whole
from rectrio_models.datasets import OWN, DatasetRecord
from rectrio_models.descriptions.own import FILE, as_yaml, describe, described_by, listed
from rectrio_models.errors import DataError, PictureError
from rectrio_models.pictures import open_picture

if TYPE_CHECKING:
    import datasets

    from rectrio_models.descriptions import Descriptions

SUFFIXES = formats.PICTURE_SUFFIXES | {".tif", ".tiff", ".avif"}  # all that `open_picture` reads
SHAPE = "a folder that has a folder of pictures for each class, as cat/1.jpg and dog/1.jpg"
GREY_TOLERANCE = 10  # of 255: how far apart the channels of a grey pixel may be, as JPEG blurs colour


@dataclass(frozen=True)
class Facts:
    """What a scan finds of one file."""

    bytes: int
    time: int  # of its last change, in nanoseconds
    digest: str  # SHA-256 of its bytes
    width: int = 0  # upright, in pixels
    height: int = 0
    grey: bool = False
    problem: str = ""  # why it cannot be read


@dataclass(frozen=True)
class OwnPicture:
    """One picture that can be read."""

    path: Path
    label: int
    split: str  # train or test
    facts: Facts


@dataclass(frozen=True)
class OwnData(DatasetRecord):
    """A folder of the user's own, scanned once. Its gallery is all of its pictures, as they are what is searched."""

    pictures: tuple[OwnPicture, ...] = ()
    written: "Descriptions | None" = None
    skipped: int = 0  # files that cannot be read
    notes: tuple[str, ...] = ()  # what the user should know of the pictures, a sentence or two each
    lost: tuple[str, ...] = ()  # and of the descriptions

    def load(self, split: str, *, data: str | Path | None = None) -> "datasets.Dataset":
        """The split "train" or "test", or "all"; `data` is the folder that was scanned, whatever is given."""
        if split not in ("train", "test", "all"):
            raise DataError(f"“{split}” is no split of {self.title}; train, test, all are.")
        found = [picture for picture in self.pictures if split in (picture.split, "all")]
        cells = [{"bytes": None, "path": str(picture.path)} for picture in found]
        return formats.from_columns(cells, [picture.label for picture in found], self.labels)

    def load_gallery(self, *, data: str | Path | None = None) -> "datasets.Dataset":
        """All pictures."""
        return self.load("all")

    def gallery_version(self, data: str | Path | None = None) -> str:
        """Eight hex digits that change with the pictures and their classes."""
        lines = [f"{self.labels[picture.label]}\0{picture.facts.digest}" for picture in self.pictures]
        return hashlib.sha256("\0".join(lines).encode()).hexdigest()[:8]

    def descriptions(self) -> "Descriptions":
        """What descriptions.yaml says of the classes, or their names do."""
        return self.written

    def facts(self) -> dict:
        """What a training log keeps of the data: no path of this machine."""
        return {"data": {"title": self.title, "labels": list(self.labels), "skipped": self.skipped, **self.sizes()}}

    def files(self) -> dict[str, str]:
        """What a model folder carries, so that its card and evaluation know the classes without the pictures."""
        return {FILE: as_yaml(self.written)}

    def sizes(self) -> dict[str, int]:
        """How many pictures each split has."""
        return {split: sum(picture.split == split for picture in self.pictures) for split in ("train", "test")}

    def check_classes(self) -> None:
        """Raise DataError unless there are two classes to tell apart."""
        if len(self.labels) > 1:
            return
        inner = sorted(
            {path.parent.parent.name for path in self.pictures[0].path.parent.glob("*/*") if pictorial(path)}
        )
        hint = " Its folders hold pictures too: give the folder one step further in." if inner else ""
        raise DataError(
            f"{self.title} has one class with pictures, “{self.labels[0]}”; two at least are needed to tell them "
            f"apart. Give {SHAPE}.{hint}"
        )


def own_data(folder: str | Path, *, descriptions: Path | None = None, model: Path | None = None) -> OwnData:
    """Scan a folder of class folders.

    descriptions: a YAML file instead of the folder's own descriptions.yaml; model: a model folder that describes the
    classes which neither does. Raises DataError where there are no pictures that can be read.
    """
    folder = Path(folder).expanduser()
    trained, tested = splits_in(folder)
    by_split = {"train": files_by_class(trained), "test": files_by_class(tested) if tested else {}}
    every = [(split, name, path) for split, classes in by_split.items() for name in classes for path in classes[name]]
    if not every:
        raise DataError(nothing_in(folder))
    facts = scan(folder, [path for _, _, path in every])
    bad = [path for _, _, path in every if facts[path].problem]
    readable = [(split, name, path) for split, name, path in every if not facts[path].problem]
    title = normal(folder.resolve().name) or "pictures"
    if not readable:
        raise DataError(
            f"None of the {len(bad):,} pictures in {folder} can be read: {facts[bad[0]].problem} Give whole copies."
        )
    labels = tuple(sorted({name for _, name, _ in readable}))
    places = [(labels.index(name), path, facts[path]) for _, name, path in readable]
    splits = [split for split, _, _ in readable] if tested else divided(places)
    pictures = tuple(OwnPicture(path, label, s, f) for (label, path, f), s in zip(places, splits, strict=True))
    written, lost = describe(
        labels, descriptions or folder / "descriptions.yaml", asked=descriptions is not None, known=described_by(model)
    )
    notes = [
        *unread(bad, facts, len(every), folder),
        *left_out(folder, trained, tested, labels),
        *unmeasured(labels, pictures),
    ]
    return OwnData(
        name=OWN, title=title, labels=labels, hub_id="", hub_files="", gallery_split="all",
        pictures=pictures, written=written, skipped=len(bad), notes=tuple(notes), lost=tuple(lost),
    )  # fmt: skip


def class_names(folder: Path) -> set[str]:
    """The names of the class folders that hold pictures; none of a path that is no folder, or holds a data set in
    another form."""
    splits = splits_in(folder) if folder.is_dir() else ()
    return {name for split in splits if split for name in files_by_class(split)}


# --- the folder ---------------------------------------------------------------------------------------------------


def splits_in(folder: Path) -> tuple[Path, Path | None]:
    """Where the class folders lie: of training and of test, or of an undivided set and None. Folders called train and
    test that hold pictures themselves are classes."""
    if not folder.exists():
        raise DataError(f"{folder} does not exist. Give {SHAPE}.")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file. Give {SHAPE}; for a CSV or parquet, say with --dataset of what.")
    train, test = (folder / name if files_by_class(folder / name) else None for name in ("train", "test"))
    if not (train or test) or files_by_class(folder):
        return folder, None
    return (train, test) if train else (test, None)


def files_by_class(folder: Path) -> dict[str, list[Path]]:
    """The picture files of each folder in a folder, by the folder's name; folders without any are left out."""
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for inner in sorted(path for path in folder.iterdir() if visible(path) and path.is_dir()):
            if files := sorted(path for path in inner.iterdir() if pictorial(path)):
                found.setdefault(normal(inner.name), []).extend(files)  # é may be spelt in two ways, and is one class
    return found


def visible(path: Path) -> bool:
    """Whether a file or folder is one that people made, with a name that can be written down."""
    try:
        path.name.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return not path.name.startswith((".", "__MACOSX"))


def pictorial(path: Path) -> bool:
    """Whether a file is called like a picture."""
    return visible(path) and path.suffix.lower() in SUFFIXES and path.is_file()


def normal(name: str) -> str:
    """A name with each accented letter as one character, as macOS does not write them."""
    return unicodedata.normalize("NFC", name)


def nothing_in(folder: Path) -> str:
    """What to say of a folder without pictures in class folders."""
    from itertools import islice

    if any(formats.idx_file(folder, split, "images") for split in formats.IDX_PREFIX):
        found = "IDX files"
    else:
        found = next((kind for kind in ("csv", "parquet") if any(folder.rglob(f"*.{kind}"))), "")
    if found:
        return (
            f"{folder} holds {found.upper() if found == 'csv' else found}, which does not say what its classes are "
            "called: name its data set, as --dataset fashion-mnist."
        )
    if loose := sum(map(pictorial, folder.iterdir())):
        return f"{folder} holds {loose:,} pictures but no class folders. Give {SHAPE}."
    if deep := next((path for path in islice(folder.rglob("*/*/*"), 10_000) if pictorial(path)), None):
        return (
            f"{folder} has pictures further in, as {deep}. Give {deep.parent.parent}, if its folders are the classes."
        )
    endings = sorted(
        {path.suffix.lower() for path in islice(folder.rglob("*"), 10_000) if path.is_file() and visible(path)}
    )
    holds = f"only files that end in {listed(endings)}" if any(endings) else "no pictures"
    return f"{folder} holds {holds}. Give {SHAPE}; {', '.join(sorted(SUFFIXES))} are read."


# --- the pictures -------------------------------------------------------------------------------------------------


def scan(folder: Path, files: Sequence[Path]) -> dict[Path, Facts]:
    """The facts of each file, from the cache where it has not changed."""
    kept = cache_root() / "pictures" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}.json"
    before: dict[str, list] = {}
    with suppress(OSError, ValueError):
        before = json.loads(kept.read_text(encoding="utf-8"))
    facts = {}
    for path in tqdm(files, desc="checking pictures", unit=" pictures", leave=False, delay=1):
        known = before.get(str(path.relative_to(folder)))
        state = path.stat()
        if known and known[:2] == [state.st_size, state.st_mtime_ns]:
            facts[path] = Facts(*known)
        else:
            facts[path] = facts_of(path)
    with suppress(OSError):  # a cache that may not be written costs time alone
        now = {str(path.relative_to(folder)): list(asdict(fact).values()) for path, fact in facts.items()}
        if now != before:
            write_whole(kept, json.dumps(now))
    return facts


def facts_of(path: Path) -> Facts:
    """Read and decode one file."""
    state = path.stat()
    try:
        content = path.read_bytes()
    except OSError as error:
        return Facts(state.st_size, state.st_mtime_ns, "", problem=f"“{path.name}”: {error.strerror or error}.")
    known = (state.st_size, state.st_mtime_ns, hashlib.sha256(content).hexdigest())
    try:
        picture = open_picture(content)
    except PictureError as error:
        return Facts(*known, problem=str(error).replace("What was given", f"“{path.name}”"))
    return Facts(*known, *picture.size, grey=is_grey(picture))


def is_grey(picture: Image.Image) -> bool:
    """Whether red, green and blue are the same all over an RGB picture."""
    pixels = np.asarray(picture.resize((64, 64), Image.Resampling.BOX), np.int16)
    return int(np.ptp(pixels, axis=2).max()) <= GREY_TOLERANCE


def divided(places: Sequence[tuple[int, Path, Facts]]) -> list[str]:
    """The split of each picture of an undivided set, (label, path, facts): about a fifth of each class is the test
    split, told by the pictures' bytes, so that copies stay together.

    A class of two or more different pictures has one at least in each split; a single one stays in training. What a
    class lacks in the test split is taken from the lowest digests: a picture that is added later then moves none
    from training, where a model may have learned it, into the test split.
    """
    digests: dict[int, set[str]] = {}
    for label, _, facts in places:
        digests.setdefault(label, set()).add(facts.digest)
    tested = {}
    for label, found in digests.items():
        chosen = {digest for digest in found if int(digest[:2], 16) % 5 == 0}
        if len(found) > 1 and not chosen:
            chosen = {min(found)}
        if chosen == found:
            chosen = chosen - {max(found)}
        tested[label] = chosen
    return ["test" if facts.digest in tested[label] else "train" for label, _, facts in places]


# --- what the user should know ------------------------------------------------------------------------------------


def unread(bad: Sequence[Path], facts: Mapping[Path, Facts], total: int, folder: Path) -> list[str]:
    """That files were skipped, and which."""
    if not bad:
        return []
    names = listed([str(path.relative_to(folder)) for path in bad])
    return [f"{len(bad):,} of {total:,} pictures cannot be read and are skipped: {names}. {facts[bad[0]].problem}"]


def left_out(folder: Path, trained: Path, tested: Path | None, labels: Sequence[str]) -> list[str]:
    """That folders are no classes, as they hold no pictures that can be read."""
    notes = []
    for place in filter(None, (trained, tested)):
        inner = [normal(path.name) for path in sorted(place.iterdir()) if path.is_dir() and visible(path)]
        if empty := [name for name in inner if name not in labels]:
            what = "hold" if len(empty) > 1 else "holds"
            notes.append(
                f"{listed(empty)} in {place.name} {what} no pictures that can be read, and no class is made of it."
            )
    if trained != folder:
        others = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and visible(path)]
        if others := [name for name in others if folder / name not in (trained, tested)]:
            notes.append(f"{listed(others)} beside {trained.name} is left out.")
    return notes


def unmeasured(labels: Sequence[str], pictures: Sequence[OwnPicture]) -> list[str]:
    """That classes cannot be measured, or not be learned."""
    splits = {label: {picture.split for picture in pictures if picture.label == i} for i, label in enumerate(labels)}
    notes = []
    if alone := [label for label in labels if splits[label] == {"train"}]:
        what = "have too few pictures" if len(alone) > 1 else "has too few pictures"
        notes.append(
            f"{listed(alone)} {what} for a test: trained on, but not measured. Give two different ones at least."
        )
    if unseen := [label for label in labels if splits[label] == {"test"}]:
        notes.append(f"{listed(unseen)}: in the test split alone, so never trained on.")
    return notes
