"""How long a gallery takes to index and to search, and the page to answer: `python -m index_builders bench`."""

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from index_builders.build import build_index
from index_builders.searcher import open_searcher
from rectrio_models.datasets import dataset_record
from rectrio_models.errors import ModelError
from rectrio_models.figures import Figure, Figures, origin
from rectrio_models.releases import RELEASES

APP = Path(__file__).parent.parent / "app.py"
APP_RUNS = 3
PATIENCE = 120  # seconds the page may take to answer


def bench(release: str) -> Figures:
    """Measure building the gallery's index, a search in it, and the page's start; medians."""
    if release not in RELEASES:
        raise ModelError(f"“{release}” is no release with a gallery; {', '.join(RELEASES)} is.")
    searcher = open_searcher(release)
    record = dataset_record(RELEASES[release].dataset)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        build_index(searcher.encoder, record, Path(folder) / "index")
        building = time.perf_counter() - started
    answers = [searcher.answer(text, 12) for text, _ in record.descriptions().queries()]
    searching = statistics.median(answer.search_seconds for answer in answers)
    starting = statistics.median(first_answer(release) for _ in range(APP_RUNS))
    gallery = f"{record.title}, {len(searcher.gallery):,} pictures"
    return Figures(
        "gallery",
        origin(searcher.encoder, f"python -m index_builders bench --release {release}"),
        [
            Figure("index", "encode and index the gallery", building, n=1, data=gallery, unit="s"),
            Figure(
                "search", "search the gallery for 12 results", 1000 * searching, n=len(answers), data=gallery, unit="ms"
            ),
            Figure(
                "app",
                "the page, its index built, from start to first answered search",
                starting,
                n=APP_RUNS,
                data=gallery,
                unit="s",
            ),
        ],
    )


def first_answer(release: str) -> float:
    """Seconds from starting the page, its index built, to the answer of its first search."""
    import httpx

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # free once the server is closed
    started = time.perf_counter()
    command = [sys.executable, str(APP), "--release", release, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            call = f"http://127.0.0.1:{port}/gradio_api/call/search"
            while time.perf_counter() - started < PATIENCE and process.poll() is None:
                try:
                    event = httpx.post(call, json={"data": ["a pair of boots", 12]}).json()["event_id"]
                except (httpx.TransportError, ValueError, KeyError):  # not listening yet, or not ready
                    time.sleep(0.05)
                    continue
                if "event: complete" in httpx.get(f"{call}/{event}", timeout=PATIENCE).text:
                    return time.perf_counter() - started
                break
        finally:
            process.terminate()
    raise ModelError(f"The page did not answer. Start it to see why: python app.py --release {release}")
