"""The speed of an encoder beside PyTorch on the same weights: `python -m rectrio_models bench --release v1-fashion`.

Both run in one process, in turns, so that a slow time of the machine meets both; figures are medians.
"""

import statistics
import time
from collections.abc import Callable

from rectrio_models.datasets import DATASETS
from rectrio_models.descriptions import descriptions_of
from rectrio_models.encoder import Encoder
from rectrio_models.figures import Figure, Figures, origin
from rectrio_models.formats import pictures_of
from rectrio_models.releases import RELEASES, load_encoder, model_folder

RUNS = 500  # of a batch of one
TURN = 50  # runs of the one before it is the other's turn
THROUGHPUT_RUNS = 5  # of the whole batch
BATCH = 1000  # pictures


def bench(release: str, *, dataset: str | None = None) -> Figures:
    """Measure an encoder, processor included, on pictures and sentences of a data set it was not trained on."""
    name = dataset or (RELEASES[release].dataset if release in RELEASES else "fashion-mnist")
    record = DATASETS[name]
    pictures = list(pictures_of(record.load_gallery().select(range(BATCH))))
    sentences = [text for texts in descriptions_of(name).held_out.values() for text in texts]
    load_encoder(release)  # which exports the towers, where the cache has none
    started = time.perf_counter()
    encoder = load_encoder(release)
    loading = time.perf_counter() - started
    eager = load_encoder(release, backend="torch")

    def picture(which: Encoder, run: int) -> None:
        which.encode_images([pictures[run % len(pictures)]])

    def sentence(which: Encoder, run: int) -> None:
        which.encode_text([sentences[run % len(sentences)]])

    def batch(which: Encoder, run: int) -> None:
        which.encode_images(pictures)

    figures = [Figure("load", "load the towers from the cache", loading, n=1, unit="s")]
    for key, what, work, runs, divisor in (
        ("picture", "encode one picture", picture, RUNS, 1),
        ("sentence", "encode one sentence", sentence, RUNS, 1),
        ("batch", f"encode a picture, {BATCH:,} at once", batch, THROUGHPUT_RUNS, BATCH),
    ):
        ours, theirs = in_turns(encoder, eager, work, runs)
        figures += [
            Figure(f"{key}_ms", f"{what}, OpenVINO", 1000 * ours / divisor, n=runs, data=record.title, unit="ms"),
            Figure(
                f"{key}_ratio", f"{what}, times faster than PyTorch", theirs / ours, n=runs, data=record.title, unit="×"
            ),
        ]
    size = sum(file.stat().st_size for file in model_folder(release).glob("*.safetensors")) / 1e6
    figures.append(Figure("size", "weights on disk", size, n=1, unit="MB"))
    return Figures("bench", origin(encoder, f"python -m rectrio_models bench --release {release}"), figures)


def in_turns(first: Encoder, second: Encoder, work: Callable[[Encoder, int], None], runs: int) -> tuple[float, float]:
    """The median seconds of `work` with either encoder, in turns of TURN runs, each after a warm-up of its own: the
    idle threads of the one go on spinning for a while, and would slow the other."""
    seconds: tuple[list[float], list[float]] = ([], [])
    turn = min(TURN, runs)
    for begin in range(0, runs, turn):
        for encoder, kept in ((first, seconds[0]), (second, seconds[1])):
            for run in range(begin - max(1, turn // 5), begin + turn):
                started = time.perf_counter()
                work(encoder, run)
                if run >= begin:
                    kept.append(time.perf_counter() - started)
    return statistics.median(seconds[0]), statistics.median(seconds[1])
