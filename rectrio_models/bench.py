"""The speed of an encoder beside PyTorch on the same weights: `python -m rectrio_models bench --release v1-fashion`.

All run in one process, in turns, so that a slow time of the machine meets all of them; figures are medians. What a
process costs as a whole (loading, memory) is measured in processes of its own.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from rectrio_models.encoder import Encoder
from rectrio_models.errors import ModelError
from rectrio_models.figures import Figure, Figures, origin
from rectrio_models.formats import pictures_of
from rectrio_models.releases import load_encoder, model_folder, record_for
from rectrio_models.towers import PRECISIONS

SECONDS = 8.0  # that each encoder spends on one kind of work, at about
TURNS = 5  # into which that time is cut, each encoder's after another's
BATCH = 64  # pictures at once
WARM_UP = 0.15  # share of a turn whose runs do not count
LOADS = 3
TEN_WORDS = "a pair of warm black boots for walking in snow"

# loads an encoder and asks it once, in a process of its own: prints the peak memory in MB
LOAD = """
import sys
from pathlib import Path
from PIL import Image
from rectrio_models import load_encoder
release, backend, precision = sys.argv[1:]
encoder = load_encoder(release, backend=backend, precision=precision, checked=False)
encoder.encode_text(["a pair of boots"])
encoder.encode_images([Image.new("RGB", (320, 240))])
status = Path("/proc/self/status")  # on Linux, as getrusage has the parent's peak there
if status.exists():
    print(next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1e3)
elif sys.platform == "win32":
    import psutil
    print(psutil.Process().memory_info().peak_wset / 1e6)
else:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


def bench(release: str, *, dataset: str | None = None, data: Path | None = None, seconds: float = SECONDS) -> Figures:
    """Measure an encoder in every precision that it runs in, processor included, on pictures of a data set, or of a
    copy of it."""
    record = record_for(release, dataset, data=data, default="fashion-mnist")
    gallery = record.load_gallery(data=data)
    pictures = list(pictures_of(gallery.select([row % len(gallery) for row in range(BATCH)])))
    sentences = [text for text, _ in record.descriptions().queries()]
    encoders = {"PyTorch": load_encoder(release, backend="torch")}
    for precision in PRECISIONS:
        try:
            encoder = load_encoder(release, precision=precision, checked=False)
        except ModelError as error:
            print(f"{precision} is left out: {error}", file=sys.stderr)
            continue
        if encoder.precision == precision:  # one that knows f32 alone is measured once
            encoders[f"OpenVINO {precision}"] = encoder

    def picture(which: Encoder, run: int) -> None:
        which.encode_images([pictures[run % len(pictures)]])

    def sentence(which: Encoder, run: int) -> None:
        which.encode_text([sentences[run % len(sentences)]])

    def ten_words(which: Encoder, run: int) -> None:
        which.encode_text([TEN_WORDS])

    def batch(which: Encoder, run: int) -> None:
        which.encode_images(pictures)

    figures = []
    kinds = (
        ("picture", "encode one picture", picture, 1),
        ("sentence", "encode one sentence", sentence, 1),
        ("ten_words", "encode a text of ten words", ten_words, 1),
        ("batch", f"encode a picture, {BATCH:,} at once", batch, BATCH),
    )
    for key, what, work, divisor in tqdm(kinds, desc=f"measuring {release}", leave=False):
        figures += timed(key, what, in_turns(encoders, work, seconds), divisor, record.title)
    figures += processes(release, [name.split()[-1] for name in encoders if name != "PyTorch"])
    size = sum(file.stat().st_size for file in weights_of(model_folder(release))) / 1e6
    figures.append(Figure("size", "weights on disk", size, n=1, unit="MB"))
    encoder = next(encoder for name, encoder in encoders.items() if name != "PyTorch")
    return Figures(
        "bench",
        origin(encoder, f"python -m rectrio_models bench --release {release}" + (" --data DIR" if data else "")),
        figures,
    )


def timed(key: str, what: str, taken: dict[str, list[float]], divisor: int, data: str) -> list[Figure]:
    """The figures of one kind of work: what each encoder took, and how many times faster than PyTorch that is."""
    medians = {name: statistics.median(seconds) / divisor for name, seconds in taken.items()}
    figures = []
    for name, median in medians.items():
        of = name.split()[-1].lower()  # f32, bf16, int8, pytorch
        n = len(taken[name])
        figures.append(Figure(f"{key}_ms_{of}", f"{what}, {name}", 1000 * median, n=n, data=data, unit="ms"))
        if name != "PyTorch":
            figures.append(
                Figure(
                    f"{key}_ratio_{of}",
                    f"{what}, {name}, times faster than PyTorch",
                    medians["PyTorch"] / median,
                    n=n,
                    data=data,
                    unit="×",
                )
            )
    return figures


def in_turns(
    encoders: dict[str, Encoder], work: Callable[[Encoder, int], None], seconds: float
) -> dict[str, list[float]]:
    """The seconds of each run of `work` by encoder, in turns, each after a warm-up of its own: the idle threads of one
    go on spinning for a while, and would slow the next."""
    taken: dict[str, list[float]] = {name: [] for name in encoders}
    for turn, name in itertools.product(range(TURNS), encoders):
        began, runs = time.perf_counter(), 0
        while runs < 2 or time.perf_counter() - began < seconds / TURNS:
            started = time.perf_counter()
            work(encoders[name], len(taken[name]) + turn)
            runs += 1
            if runs > 1 and time.perf_counter() - began > WARM_UP * seconds / TURNS:
                taken[name].append(time.perf_counter() - started)
        if not taken[name]:
            taken[name].append(time.perf_counter() - started)
    return taken


def processes(release: str, precisions: Sequence[str]) -> list[Figure]:
    """What starting costs, in processes of their own: the first time, from the cache, and in memory."""
    figures = []
    with tempfile.TemporaryDirectory() as empty:
        cold, _ = start(release, "openvino", precisions[0], cache=empty)
    figures.append(
        Figure("load_cold", "a new process to its first answers, the towers not exported yet", cold, n=1, unit="s")
    )
    eager: tuple[float, float] | None = None
    for backend, precision in [("torch", "f32"), *(("openvino", precision) for precision in precisions)]:
        runs = [start(release, backend, precision) for _ in range(LOADS)]
        of = "PyTorch" if backend == "torch" else f"OpenVINO {precision}"
        seconds, megabytes = (statistics.median(values) for values in zip(*runs, strict=True))
        key = of.split()[-1].lower()
        figures += [
            Figure(f"load_s_{key}", f"a new process to its first answers, {of}", seconds, n=LOADS, unit="s"),
            Figure(f"memory_{key}", f"peak memory of that process, {of}", megabytes, n=LOADS, unit="MB"),
        ]
        if eager:
            sooner, less = eager[0] / seconds, eager[1] / megabytes
            figures += [
                Figure(f"load_ratio_{key}", f"{of} starts times sooner than PyTorch", sooner, n=LOADS, unit="×"),
                Figure(f"memory_ratio_{key}", f"{of} takes times less memory than PyTorch", less, n=LOADS, unit="×"),
            ]
        eager = eager or (seconds, megabytes)
    return figures


def start(release: str, backend: str, precision: str, *, cache: str | None = None) -> tuple[float, float]:
    """Seconds and peak MB of a process that loads an encoder and asks it a text and a picture."""
    environment = os.environ | ({"RECTRIO_CACHE": cache} if cache else {})
    command = [sys.executable, "-c", LOAD, release, backend, precision]
    started = time.perf_counter()
    done = subprocess.run(
        command, env=environment, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ModelError(f"{release} did not load in a process of its own: {done.stderr.strip().splitlines()[-1]}")
    return time.perf_counter() - started, json.loads(done.stdout.splitlines()[-1])


def weights_of(folder: Path) -> list[Path]:
    """The files of a model folder that hold its weights, in one form of those that it may have."""
    for pattern in ("*.safetensors", "*.bin"):
        if found := list(folder.glob(pattern)):
            return found
    return []
