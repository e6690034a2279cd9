"""The page, served from a process of its own for the tests that talk to it."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

APP = Path(__file__).parent.parent / "app.py"


@dataclass
class Served:
    """A running page: its address and, so far, its output."""

    url: str
    log: Path
    process: subprocess.Popen = field(repr=False)

    @property
    def output(self) -> str:
        return self.log.read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def serve(folder: Path, *options: str) -> Iterator[Served]:
    """Run app.py until the block ends; its output goes into a file in `folder`."""
    port, log = free_port(), folder / "app.log"
    command = [sys.executable, str(APP), "--port", str(port), *options]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        served = Served(f"http://127.0.0.1:{port}", log, process)
        try:
            for _ in range(1200):
                if "RecTrio is at" in served.output:
                    break
                assert process.poll() is None, served.output
                time.sleep(0.1)
            else:
                raise AssertionError(f"The page did not come up: {served.output}")
            yield served
        finally:
            process.terminate()
            process.wait(timeout=30)
