"""Models by their Hub id: fetched over HTTP from a stand-in, kept, resumed, and everything that can fail on the way.

Each case runs in a process of its own, as `huggingface_hub` reads its settings when it is imported.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from tests.hub import serve_hub


@pytest.fixture(scope="module")
def folder(clip_folder):
    return clip_folder


@pytest.fixture
def hub(folder):
    with serve_hub() as hub:
        hub.repositories["someone/tiny-clip"] = folder
        yield hub


def command(*words, home, **environment):
    """Run `python -m rectrio_models …` with a Hub cache of its own."""
    settings = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_ENDPOINT")}
    settings |= {"HF_HOME": str(home), "PYTHONUNBUFFERED": "1", **environment}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "rectrio_models", *words], env=settings, capture_output=True, text=True, check=False
    )
    done.seconds = time.monotonic() - started
    return done


def assert_one_sentence(done, *parts):
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr, done.stderr


EXPORT = ("export", "--precision", "f32", "--release")


def test_a_model_is_fetched_by_name_kept_and_used_without_a_network(hub, tmp_path):
    fetched = command("download", "someone/tiny-clip", home=tmp_path, HF_ENDPOINT=hub.url)
    assert fetched.returncode == 0, fetched.stderr
    assert "someone/tiny-clip is in" in fetched.stdout
    assert any("GET" in asked and "model.safetensors" in asked for asked in hub.asked)
    asked = len(hub.asked)
    done = command(*EXPORT, "someone/tiny-clip", home=tmp_path, HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert len(hub.asked) == asked, "what is in the cache is used without asking"
    offline = command(*EXPORT, "someone/tiny-clip", home=tmp_path, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr


def test_a_download_that_broke_off_goes_on(hub, folder, tmp_path):
    hub.break_after = 1_000_000
    environment = {"home": tmp_path, "HF_ENDPOINT": hub.url}
    first = command("download", "someone/tiny-clip", **environment)
    assert hub.break_after is None, "it did break off"
    if first.returncode:  # the library may have mended it by itself
        assert_one_sentence(first, "broke off", "go on with: python -m rectrio_models download someone/tiny-clip")
    done = command("download", "someone/tiny-clip", **environment)
    assert done.returncode == 0, done.stderr
    (kept,) = tmp_path.rglob("snapshots/*/model.safetensors")
    assert kept.read_bytes() == (folder / "model.safetensors").read_bytes()


def test_the_best_form_of_the_weights_is_fetched_and_no_code(hub, folder, tmp_path):
    hub.repositories["someone/tiny-clip"] = everything = shutil.copytree(folder, tmp_path / "everything")
    for name in ("pytorch_model.bin", "open_clip_model.safetensors", "modeling_evil.py"):
        (everything / name).write_bytes(b"x")
    assert command("download", "someone/tiny-clip", home=tmp_path, HF_ENDPOINT=hub.url).returncode == 0
    fetched = {path.name for path in tmp_path.rglob("snapshots/*/*")}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
    assert not fetched & {"pytorch_model.bin", "open_clip_model.safetensors", "modeling_evil.py"}


def test_what_another_program_fetched_in_part_is_fetched_whole(hub, tmp_path):
    environment = {"home": tmp_path, "HF_ENDPOINT": hub.url}
    assert command("download", "someone/tiny-clip", **environment).returncode == 0
    for name in ("tokenizer.json", "processor_config.json"):
        (kept,) = tmp_path.rglob(f"snapshots/*/{name}")
        kept.unlink()
    assert command(*EXPORT, "someone/tiny-clip", **environment).returncode == 0
    again = command("download", "someone/tiny-clip", home=tmp_path, HF_HUB_OFFLINE="1")
    assert "already; the Hub is out of reach" in again.stdout


@pytest.mark.parametrize(
    ("status", "message"), [(401, "refuses the token"), (429, "asks to wait"), (500, "broke off"), (200, "broke off")]
)
def test_what_the_hub_answers_instead_is_one_sentence(status, message, hub, tmp_path):
    """An old token, too many questions, a broken server, and a portal that answers everything with a page."""
    hub.answers_all = status
    done = command(*EXPORT, "someone/tiny-clip", home=tmp_path, HF_ENDPOINT=hub.url)
    assert_one_sentence(done, message)


def test_what_is_not_there_is_one_sentence(hub, tmp_path):
    done = command(*EXPORT, "someone/no-such-clip", home=tmp_path, HF_ENDPOINT=hub.url)
    assert_one_sentence(done, "someone/no-such-clip is not on the Hub, or it is private")


def test_what_is_gated_says_where_to_ask(hub, tmp_path):
    hub.gated.add("someone/tiny-clip")
    done = command(*EXPORT, "someone/tiny-clip", home=tmp_path, HF_ENDPOINT=hub.url)
    assert_one_sentence(done, "is given to those alone who ask", f"{hub.url}/someone/tiny-clip")


def test_what_is_no_clip_is_one_sentence(hub, tmp_path):
    repository = tmp_path / "bert"
    repository.mkdir()
    (repository / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (repository / "model.safetensors").write_bytes(b"x")
    hub.repositories["someone/bert"] = repository
    done = command(*EXPORT, "someone/bert", home=tmp_path / "home", HF_ENDPOINT=hub.url)
    assert_one_sentence(done, "of the type “bert”; RecTrio opens")


@pytest.mark.parametrize("how", ["refused", "silent", "offline"])
def test_a_hub_out_of_reach_is_one_sentence_within_seconds(how, tmp_path):
    """Three seconds, and what it takes to start the command on a busy machine."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        port = server.getsockname()[1]
        environment = {"HF_ENDPOINT": f"http://127.0.0.1:{port}"}
        if how == "refused":
            server.close()
        if how == "offline":
            environment["HF_HUB_OFFLINE"] = "1"
        done = command(*EXPORT, "v2-clip", home=tmp_path, **environment)
    assert_one_sentence(
        done,
        "openai/clip-vit-base-patch32 is not on this machine, and the Hub is out of reach",
        "HF_HUB_OFFLINE is set" if how == "offline" else f"127.0.0.1:{port} cannot be reached",
        "python -m rectrio_models download openai/clip-vit-base-patch32",
    )
    assert done.seconds < 10
