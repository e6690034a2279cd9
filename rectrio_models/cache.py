"""Where derived files live (compiled towers, built indexes), and how a folder or file is written whole or not at all.

The place is the user's cache folder, or `RECTRIO_CACHE` where that is set. All of it can be deleted at any time.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock


def cache_root() -> Path:
    """The folder that holds everything RecTrio derives and can derive again."""
    return Path(os.environ.get("RECTRIO_CACHE") or platformdirs.user_cache_dir("rectrio"))


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target`; it takes the target's place when the block ends without an error.

    A process killed inside the block leaves `target` as it was. A reader sees the old folder, the new one, or
    (for the moment between two renames) none; never a mixture.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield draft
        old = draft.with_name(f"{draft.name}-old")
        if target.exists():
            target.rename(old)
        draft.chmod(0o755)  # mkdtemp makes folders that their owner alone can read
        try:
            draft.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_whole(target: Path, content: str | bytes) -> None:
    """Write a file beside `target` and rename it into place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}-{os.getpid()}")
    draft.write_bytes(content.encode() if isinstance(content, str) else content)
    draft.replace(target)


@contextmanager
def one_at_a_time(target: Path) -> Iterator[None]:
    """Hold the lock of `target`, so that two processes do not derive the same thing twice."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        yield


def made_once(target: Path, make: Callable[[Path], None], *, proof: str = "") -> Path:
    """The folder `target`, filled by `make` where it is not there yet, or its file `proof` is not; whole or not at all.

    What is there is looked for before the lock is taken, so that a cache that may not be written can be used.
    """
    if not (target / proof).exists():
        with one_at_a_time(target):
            if not (target / proof).exists():  # nobody else has made it meanwhile
                with whole_folder(target) as draft:
                    make(draft)
    return target


def sha256_of(paths: Iterable[Path], *, salt: str = "") -> str:
    """SHA-256 over a text and the names and bytes of files, in the order given, as 64 hex digits."""
    digest = hashlib.sha256(salt.encode())
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def content_hash(path: Path) -> str:
    """SHA-256 of a large file as 64 hex digits, remembered for as long as neither its size nor its time changes.

    A file of the Hub's cache need not be read at all: it is a link to a blob whose name is that hash.
    """
    real = path.resolve()
    if real.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", real.name):
        return real.name
    facts = real.stat()
    key = hashlib.sha256(f"{real}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ino}".encode()).hexdigest()
    remembered = cache_root() / "hashes" / key
    if remembered.is_file():
        return remembered.read_text()
    found = sha256_of([real])
    write_whole(remembered, found)
    return found
