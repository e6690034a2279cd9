"""The page: search a gallery by text or by picture.

python app.py [--release v1-fashion] [--host 127.0.0.1] [--port 7860] [--share] [--auth USER:PASSWORD]
"""

import argparse
import os
import sys
from collections.abc import Callable

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from index_builders import Answer, Searcher, open_searcher
from rectrio_models.datasets import DATASETS
from rectrio_models.errors import RecTrioError
from rectrio_models.network import reachable
from rectrio_models.pictures import open_picture
from rectrio_models.releases import RELEASES

TEXT_EXAMPLES = [
    "a pair of boots",
    "something to carry my laptop in",
    "long-sleeved shirt with a collar",
    "summer dress",
    "trousres for the office",
    "sandals for the beach",
]
SHARE_SERVICE = "https://api.gradio.app"
MAX_UPLOAD = "25mb"
MOST_RESULTS = 60
CSS = """
.gradio-container { max-width: 1200px !important; margin: 0 auto !important; }
.results .grid-wrap { height: auto !important; min-height: 0 !important; max-height: none !important; }
.results .grid-container { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)) !important; gap: .75rem; }
.results .thumbnail-lg { aspect-ratio: auto; height: auto; display: flex; flex-direction: column; }
.results .thumbnail-lg img { aspect-ratio: 1; width: 100%; height: auto; }
.results .caption-label { position: static; max-width: 100%; border: 0; font-size: .8rem; text-align: center;
  white-space: normal; }
.results .thumbnail-item:focus-visible { outline: 3px solid var(--color-accent); outline-offset: 2px; }
.prose { overflow-wrap: anywhere; }
.results img, #picture img { image-rendering: pixelated; }
#picture img { width: 100%; height: 100%; object-fit: contain; }
#search { flex-grow: 0; align-self: end; min-width: 7rem; }
@media (max-width: 640px) {
  .results .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)) !important; gap: .4rem; }
  .results .caption-label { font-size: .7rem; padding: .2rem; }
}
"""


def decode_upload(payload):
    """An uploaded file as an upright RGB picture, or one sentence why not; gradio's own decoder takes anything."""
    if payload is None:
        return None
    if payload.path is None:
        raise gr.Error("Pictures are uploaded as files; a data URL is not read.", print_exception=False)
    return in_one_sentence(lambda: open_picture(payload.path))


def in_one_sentence(ask: Callable):
    """What `ask` returns; what it refuses is shown to the visitor as its sentence."""
    try:
        return ask()
    except RecTrioError as error:
        raise gr.Error(str(error), print_exception=False) from error


def show(answer: Answer, searcher: Searcher, what: str) -> tuple[list, str, list[int]]:
    """What a results area displays: captioned pictures, the line above them, and their rows in the gallery."""
    pictures = [(hit.item.image, f"{hit.item.label} · {hit.score:.2f}") for hit in answer.hits]
    line = (
        f"**{len(answer.hits)} results** · {what} encoded in {1000 * answer.encode_seconds:.1f} ms · "
        f"{len(searcher.gallery):,} pictures searched in {1000 * answer.search_seconds:.1f} ms"
    )
    notices = "".join(f"\n\n{notice}" for notice in answer.notices)
    return pictures, line + notices, [hit.item.row for hit in answer.hits]


def one_of_each(searcher: Searcher) -> list[int]:
    """The first row of every label: pictures to begin with."""
    first: dict[str, int] = {}
    for item in searcher.gallery:
        first.setdefault(item.label, item.row)
    return list(first.values())


def build_page(searcher: Searcher, *, release: str) -> gr.Blocks:
    """The page over one searcher, not yet launched."""
    title = RELEASES[release].title if release in RELEASES else release
    starters = one_of_each(searcher)

    def search_text(query: str, k: int):
        return show(in_one_sentence(lambda: searcher.answer(query, k)), searcher, "text")

    def search_image(picture, k: int):
        if picture is None:
            return start_again()
        return show(in_one_sentence(lambda: searcher.answer(picture, k)), searcher, "picture")

    def more_like_this(rows: list[int], k: int, event: gr.EventData):
        try:
            row = rows[event.index]
        except (AttributeError, TypeError, IndexError) as error:  # called by name, without a click
            raise gr.Error("Click on a picture to see more like it.", print_exception=False) from error
        shown = show(in_one_sentence(lambda: searcher.like(row, k)), searcher, "picture")
        return gr.Tabs(selected="image"), searcher.gallery[row].image, *shown

    def start_again():
        captioned = [(searcher.gallery[row].image, searcher.gallery[row].label) for row in starters]
        return captioned, "Give a picture of your own, or click on one of these.", starters

    def nothing():
        return [], "", []

    def search(query: str, k: int = 12) -> dict:
        """Search by text: `{"hits": [{"row", "label", "score"}, …], "milliseconds": {…}, "notices": […]}`."""
        return in_one_sentence(lambda: searcher.answer(query, k)).as_dict()

    def like(row: int, k: int = 12) -> dict:
        """Search by a picture of the gallery, named by its row; answers as `search` does."""
        return in_one_sentence(lambda: searcher.like(row, k)).as_dict()

    def results(value=None, line: str = "", rows: list[int] | None = None):
        status = gr.Markdown(line)
        gallery = gr.Gallery(
            value,
            show_label=False,
            label="Results: click on one for more like it",
            columns=6,
            object_fit="contain",
            allow_preview=False,
            interactive=False,
            buttons=[],
            height="auto",
            format="png",
            elem_classes="results",
        )
        return gallery, status, gr.State(rows or [])

    def how_many():
        return gr.Slider(1, MOST_RESULTS, value=12, step=1, label="Results", scale=1, min_width=220)

    with gr.Blocks(title="RecTrio", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown(f"# RecTrio\nSearch {len(searcher.gallery):,} pictures by text or by picture. {title}.")
        with gr.Tabs(selected="text") as tabs:
            with gr.Tab("Text search", id="text"):
                with gr.Row():
                    query = gr.Textbox(
                        label="What are you looking for?",
                        placeholder="a pair of boots",
                        autofocus=True,
                        max_lines=1,
                        scale=4,
                        min_width=240,
                        elem_id="query",
                    )
                    text_k = how_many()
                    button = gr.Button("Search", variant="primary", elem_id="search")
                examples = gr.Examples(
                    TEXT_EXAMPLES, inputs=query, label="Try", api_name="load_example", cache_examples=False
                )
                text_results = results()
            with gr.Tab("Image search", id="image"), gr.Row():
                with gr.Column(scale=1, min_width=240):
                    picture = gr.Image(
                        label="A picture to start from",
                        sources=["upload", "clipboard", "webcam"],
                        type="pil",
                        height=280,
                        format="png",
                        buttons=[],
                        elem_id="picture",
                    )
                    picture.preprocess = decode_upload
                    image_k = how_many()
                with gr.Column(scale=3, min_width=280):
                    image_results = results(*start_again())

        text_events = [
            button.click(search_text, [query, text_k], [*text_results], api_name="search_text"),
            query.submit(search_text, [query, text_k], [*text_results], api_name="search_text_enter"),
            text_k.release(search_text, [query, text_k], [*text_results], api_name="search_text_number"),
            examples.load_input_event.then(
                search_text, [query, text_k], [*text_results], api_name="search_text_example"
            ),
        ]
        image_events = [
            picture.input(search_image, [picture, image_k], [*image_results], api_name="search_image"),
            image_k.release(search_image, [picture, image_k], [*image_results], api_name="search_image_number"),
        ]
        for number, event in enumerate(text_events):
            event.failure(nothing, None, [*text_results], api_name=f"clear_text_results_{number}")
        for number, event in enumerate(image_events):
            event.failure(nothing, None, [*image_results], api_name=f"clear_image_results_{number}")
        for name, (gallery, _, rows), k in (
            ("more_like_text_result", text_results, text_k),
            ("more_like_image_result", image_results, image_k),
        ):
            gallery.select(more_like_this, [rows, k], [tabs, picture, *image_results], api_name=name)
        gr.api(search, api_name="search")
        gr.api(like, api_name="more_like_this")
    return page


def port_number(text: str) -> int:
    """A port from 1 to 65535, for argparse."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"“{text}” is no port; a port is a number from 1 to 65535")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    """Open the page and serve it until interrupted; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python app.py", description=__doc__.splitlines()[0])
    parser.add_argument("--release", default="v1-fashion", help="a release, a model folder or a Hub id")
    parser.add_argument("--dataset", choices=list(DATASETS), help="whose gallery; the release's own by default")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 serves the whole network")
    parser.add_argument("--port", type=port_number, default=os.environ.get("PORT") or "7860")
    parser.add_argument("--share", action="store_true", help="make a public link, good for a week")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="ask visitors for this")
    args = parser.parse_args(argv)
    user, _, password = (args.auth or "").partition(":")
    if args.auth is not None and not (user and password):
        parser.error(f"--auth takes USER:PASSWORD; “{args.auth}” has no " + ("password." if user else "user."))
    try:
        searcher = open_searcher(args.release, args.dataset)
    except (RecTrioError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Nothing is left half done.", file=sys.stderr)
        return 130
    share = args.share and reachable(SHARE_SERVICE)
    if args.share and not share:
        print(f"No public link: {SHARE_SERVICE} cannot be reached. Serving this machine alone.", flush=True)
    for name in ("NO_PROXY", "no_proxy"):  # gradio asks its own server whether it is up
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
    page = build_page(searcher, release=args.release)
    try:
        page.queue(default_concurrency_limit=4).launch(
            server_name=args.host,
            server_port=args.port,
            auth=(user, password) if args.auth else None,
            share=share,
            quiet=True,
            ssr_mode=False,
            max_file_size=MAX_UPLOAD,
            theme=gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
            css=CSS,
            footer_links=["api", "settings"],
            prevent_thread_lock=True,
        )
    except OSError as error:
        print(f"Port {args.port} on {args.host} cannot be served: {error}. Give another --port.", file=sys.stderr)
        return 1
    print(f"RecTrio is at http://{args.host}:{args.port}  (Ctrl-C stops it)", flush=True)
    page.block_thread()
    return 0


if __name__ == "__main__":
    sys.exit(main())
