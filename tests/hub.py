"""A small stand-in for the Hub over HTTP, for the calls that `huggingface_hub` makes: what a repository holds, what a
file is, and its bytes, whole or from somewhere on. It can break off in the middle of a file, as networks do."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A running stand-in: its address, its repositories, and what was asked of it."""

    url: str = ""
    repositories: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    answers_all: int | None = None  # a status that everything is answered with, and a page
    break_after: int | None = None  # bytes of a file after which the connection breaks, once
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serve_hub() -> Iterator[Hub]:
    """Run the stand-in until the block ends."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            path = self.path.split("?")[0].strip("/")
            repository = next((name for name in hub.repositories if name in path), None)
            if hub.answers_all and path:
                return self.reply(hub.answers_all, b"<html>Welcome to the hotel</html>", {}, body)
            if not path:
                return self.reply(200, b"a hub", {}, body)
            if repository is None:
                return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
            if repository in hub.gated:
                return self.reply(403, b"", {"X-Error-Code": "GatedRepo"}, body)
            folder = hub.repositories[repository]
            if path.startswith("api/models/"):
                files = [{"rfilename": str(f.relative_to(folder))} for f in sorted(folder.rglob("*")) if f.is_file()]
                info = {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": files, "tags": []}
                return self.reply(200, json.dumps(info).encode(), {"Content-Type": "application/json"}, body)
            file = folder / path.split(f"/resolve/{'main' if '/main/' in path else COMMIT}/")[-1]
            if not file.is_file():
                return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
            return self.send_file(file, body)

        def send_file(self, file: Path, body: bool) -> None:
            content = file.read_bytes()
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "Accept-Ranges": "bytes"}
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.reply(206 if start else 200, content[start:], headers, body)

        def reply(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for name, value in {**headers, "X-Repo-Commit": COMMIT, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body and hub.break_after is not None and len(content) > hub.break_after:
                self.wfile.write(content[: hub.break_after])
                hub.break_after = None
                self.close_connection = True
            elif body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
