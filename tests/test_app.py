"""The page through its API: right answers, one sentence for every bad input, and a server that lives on."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.hostile import animated, bomb, encoded, noise, rotated
from tests.serving import APP, serve


@pytest.fixture(scope="module")
def served(tiny_folder, clip_folder, tmp_path_factory):
    given = ["--release", str(tiny_folder), "--beside", str(clip_folder), "--dataset", "fashion-mnist"]
    given += ["--precision", "f32"]
    with serve(tmp_path_factory.mktemp("app"), *given) as page:
        yield page


@pytest.fixture(scope="module")
def client(served):
    return Client(served.url, verbose=False)


@pytest.fixture(autouse=True)
def lives_on(served):
    """After each test the server runs, and no traceback has been printed."""
    yield
    assert served.process.poll() is None
    assert "Traceback" not in served.output


def test_search_answers_with_hits_and_timings(client):
    answer = client.predict("a pair of boots", 7, api_name="/search")
    assert len(answer["hits"]) == 7
    assert set(answer["hits"][0]) == {"row", "label", "score", "probability"}
    assert answer["hits"][0]["probability"] is None, "it is not calibrated"
    assert answer["matches"] is True
    assert answer["milliseconds"]["encode"] > 0
    assert answer["notices"] == []


def test_the_page_shows_captioned_pictures_and_both_latencies(client):
    pictures, line, *_ = client.predict("a pair of boots", 5, api_name="/search_text")
    assert len(pictures) == 5
    assert all(re.fullmatch(r".+ · -?\d\.\d\d", picture["caption"]) for picture in pictures)
    assert Image.open(pictures[0]["image"]).size == (28, 28)
    assert re.fullmatch(
        r"\*\*5 results\*\* · text encoded in [\d.]+ ms · 10,000 pictures searched in [\d.]+ ms", line
    ), line


def test_every_event_can_be_called_by_name(client):
    names = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert not client.view_api(return_format="dict", print_info=False)["unnamed_endpoints"]
    wanted = {
        "/search",
        "/more_like_this",
        "/search_text",
        "/search_image",
        "/more_like_text_result",
        "/more_like_image_result",
        "/compare",
        "/compare_text",
        "/compare_picture",
        "/compare_both",
        "/what_is_this",
    }
    assert wanted <= set(names)


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_text_is_one_sentence(text, client):
    for endpoint in ("/search", "/search_text"):
        with pytest.raises(AppError, match=r"The query is empty\. Type what you look for"):
            client.predict(text, 5, api_name=endpoint)


def test_ten_thousand_words_are_answered_with_a_notice(client):
    pictures, line, *_ = client.predict("boots and bags " * 3334, 3, api_name="/search_text")
    assert len(pictures) == 3
    assert "only its beginning, 64 tokens, was read" in line


def test_an_emoji_is_answered(client):
    assert len(client.predict("👖", 3, api_name="/search")["hits"]) == 3


def test_zero_results_are_refused(client):
    for k in (0, None, "5", 2.5):
        with pytest.raises(AppError, match="it must be a whole number, 1 or more"):
            client.predict("boots", k, api_name="/search")


def test_what_is_no_text_is_refused(client):
    for query in (None, 5):
        with pytest.raises(AppError, match="A query is a text or a picture"):
            client.predict(query, 5, api_name="/search")


def test_a_data_url_is_not_decoded(client):
    picture = {"path": None, "url": "data:image/png;base64,AAAA", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError):
        client.predict(picture, 4, api_name="/search_image")


def image_search(client, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    return client.predict(handle_file(str(tmp_path / name)), 4, api_name="/search_image")


GOOD = {
    "one pixel.png": lambda photo: encoded(Image.new("RGB", (1, 1)), "PNG"),
    "cmyk.jpg": lambda photo: encoded(photo.convert("CMYK"), "JPEG"),
    "animated.gif": animated,
    "rotated.jpg": rotated,
    "wide.webp": lambda photo: encoded(Image.new("RGB", (3000, 2)), "WEBP"),
}
BAD = {
    "a pdf.png": (lambda: b"%PDF-1.7 and so on", "is not a picture; PNG, JPEG"),
    "cut.jpg": (lambda: encoded(noise(), "JPEG")[:900], "is damaged or cut short"),
    "bomb.png": (bomb, "far more than the 50 million pixels that are decoded at most"),
    "empty.png": (lambda: b"", "is not a picture"),
    "drawing.svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
}


@pytest.mark.parametrize("name", GOOD)
def test_odd_pictures_are_answered(name, client, tmp_path, photo):
    pictures, line, *_ = image_search(client, tmp_path, name, GOOD[name](photo))
    assert len(pictures) == 4
    assert "picture encoded in" in line


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_one_sentence(name, client, tmp_path):
    make, message = BAD[name]
    with pytest.raises(AppError, match=message):
        image_search(client, tmp_path, name, make())


def test_no_picture_begins_again(client):
    pictures, line, *_ = client.predict(None, 4, api_name="/search_image")
    assert len({picture["caption"] for picture in pictures}) == 10
    assert line.startswith("Give a picture of your own")


def test_more_like_an_item_of_the_gallery(client):
    hits = client.predict(42, 5, api_name="/more_like_this")["hits"]
    assert len(hits) == 5
    assert 42 not in [hit["row"] for hit in hits]
    with pytest.raises(AppError, match="items 0 to 9,999; item 10,000 is not one"):
        client.predict(10_000, 5, api_name="/more_like_this")


def test_a_click_without_a_place_is_one_sentence(client):
    with pytest.raises(AppError, match="Click on a picture"):
        client.predict(4, api_name="/more_like_text_result")


def test_two_encoders_answer_side_by_side(client, tiny_folder, clip_folder):
    told = client.predict("a pair of boots", 6, api_name="/compare")
    assert [side["encoder"] for side in told["sides"]] == [tiny_folder.name, clip_folder.name]
    rows = [[hit["row"] for hit in side["hits"]] for side in told["sides"]]
    assert rows[0] == [hit["row"] for hit in client.predict("a pair of boots", 6, api_name="/search")["hits"]]
    assert told["overlap"] == len(set(rows[0]) & set(rows[1])) / 6
    for side, other in zip(told["sides"], reversed(rows), strict=True):
        for hit in side["hits"]:
            assert hit["other_rank"] == (other.index(hit["row"]) + 1 if hit["row"] in other else None)


def test_the_compare_tab_shows_both_columns(client, tiny_folder, clip_folder, photo, tmp_path):
    names = [str(tiny_folder), str(clip_folder)]
    _, shared, left, left_pictures, right, right_pictures = client.predict(
        "a pair of boots", *names, "Ankle boot", 5, api_name="/compare_text"
    )
    assert re.match(r"\*\*overlap@5: \d+%\*\*", shared)
    assert re.match(rf"### {tiny_folder.name}\nencoded in [\d.]+ ms.* · \d found here alone · \*\*\d+% right", left)
    assert clip_folder.name in right
    assert len(left_pictures) == len(right_pictures) == 5
    assert re.fullmatch(r".+ · -?\d\.\d\d · [+-][\d.]+ σ · (◆ only here|there no\. \d)", left_pictures[0]["caption"])
    (tmp_path / "photo.png").write_bytes(encoded(photo, "PNG"))
    given = ("", handle_file(str(tmp_path / "photo.png")), *names, "", 3)
    _, shared, left, *_ = client.predict(*given, api_name="/compare_picture")
    assert "right" not in left
    again = client.predict(*given, api_name="/compare_both")  # the button asks the same again
    assert again[0] == shared


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("",), "The query is empty"),
        ((10_000,), "item 10,000 is not one"),
        (("boots", 3, "/etc"), "“/etc” is no encoder of this page"),
        (("boots", 3, "someone/model"), "“someone/model” is no encoder of this page"),
    ],
)
def test_bad_comparisons_are_one_sentence(given, message, client):
    with pytest.raises(AppError, match=message):
        client.predict(*given, api_name="/compare")


def test_a_picture_is_named_by_labels_of_ones_own(client, clip_folder, photo, tmp_path):
    (tmp_path / "photo.png").write_bytes(encoded(photo, "PNG"))
    picture = handle_file(str(tmp_path / "photo.png"))
    verdict, line = client.predict(picture, "a cat, a dog\na car", str(clip_folder), api_name="/what_is_this")
    assert {entry["label"] for entry in verdict["confidences"]} == {"a cat", "a dog", "a car"}
    assert sum(entry["confidence"] for entry in verdict["confidences"]) == pytest.approx(1, abs=1e-4)
    assert line.startswith(f"**{clip_folder.name}** · told in")
    with pytest.raises(AppError, match="two labels or more"):
        client.predict(picture, "a cat", str(clip_folder), api_name="/what_is_this")
    with pytest.raises(AppError, match="2,000 labels are given; at most 1,000 are taken"):
        client.predict(picture, "\n".join(map(str, range(2000))), str(clip_folder), api_name="/what_is_this")


def test_two_hundred_queries_at_once_are_not_mixed_up(served, client):
    """Eight clients, each with 25 queries of its own, half of them comparisons: every answer is its own query's."""
    queries = [f"{noun} number {i}" for i in range(20) for noun in ("boots", "a bag", "a dress", "a shirt", "jeans")]
    alone = {}
    for query in queries:
        alone["/search", query] = client.predict(query, 5, api_name="/search")["hits"]
        alone["/compare", query] = [side["hits"] for side in client.predict(query, 5, api_name="/compare")["sides"]]
    assert len({str(hits) for hits in alone.values()}) > 100, "the queries have different answers"

    def ask(number: int) -> None:
        mine = Client(served.url, verbose=False)
        for query in queries[number::8]:
            assert mine.predict(query, 5, api_name="/search")["hits"] == alone["/search", query]
            sides = mine.predict(query, 5, api_name="/compare")["sides"]
            assert [side["hits"] for side in sides] == alone["/compare", query]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))


def test_nothing_outside_the_galleries_is_served(served):
    for path in ("/etc/passwd", str(APP), str(APP.parent / "requirements.txt")):
        assert httpx.get(f"{served.url}/gradio_api/file={path}").status_code in (403, 404)


def run_app(*options):
    return subprocess.run([sys.executable, str(APP), *options], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--release", "nothing"], "“nothing” is neither a release"),
        (["--auth", "me"], "“me” has no password"),
        (["--auth", ":secret"], "“:secret” has no user"),
        (["--port", "70000"], "“70000” is no port"),
    ],
)
def test_bad_options_are_one_sentence(options, message):
    done = run_app(*options)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_one_sentence(served, tiny_folder):
    port = served.url.rsplit(":", 1)[1]
    done = run_app("--release", str(tiny_folder), "--dataset", "fashion-mnist", "--port", port)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be served" in done.stderr
    assert "Traceback" not in done.stderr


def test_auth_and_share_without_a_network(tiny_folder, tmp_path):
    """--share with no network says so in one line and serves on; --auth lets nobody in without the password."""
    given = ["--release", str(tiny_folder), "--dataset", "fashion-mnist", "--auth", "me:secret", "--share"]
    with pytest.MonkeyPatch.context() as context:
        for name in ("HTTPS_PROXY", "https_proxy"):
            context.setenv(name, "http://127.0.0.1:9")  # nothing listens there
        with serve(tmp_path, *given) as page:
            assert page.output.count("No public link") == 1
            assert httpx.get(f"{page.url}/config").status_code == 401
            client = Client(page.url, auth=("me", "secret"), verbose=False)
            assert len(client.predict("boots", 3, api_name="/search")["hits"]) == 3
            assert "Traceback" not in page.output
