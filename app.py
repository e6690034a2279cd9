"""The page: search a gallery by text or by picture, and see two encoders answer side by side.

python app.py [--release v1-fashion] [--beside v2] [--data DIR] [--host 127.0.0.1] [--port 7860] [--share]
              [--auth USER:PASSWORD]
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from index_builders import Answer, Comparison, Hit, Searcher, Searchers, compare
from index_builders.comparison import Side
from rectrio_models.commands import add_encoder_options, encoder_options, sentence_of
from rectrio_models.datasets import DATASETS, OWN
from rectrio_models.errors import QueryError, RecTrioError
from rectrio_models.network import reachable
from rectrio_models.pictures import open_picture
from rectrio_models.releases import RELEASES, dataset_of, record_for, resolve, title_of

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
RESULTS = "Results: click on one for more like it"
PROGRESS = gr.Progress(track_tqdm=True)  # shows the progress bars of what an event does
CSS = """
.gradio-container { width: 100% !important; max-width: 1200px !important; margin: 0 auto !important; }
.results .grid-wrap { height: auto !important; min-height: 0 !important; max-height: none !important;
  overflow: visible !important; }
.results .grid-container { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)) !important; gap: .75rem; }
.results .thumbnail-lg { aspect-ratio: auto; height: auto; display: flex; flex-direction: column; }
.results .thumbnail-lg img { aspect-ratio: 1; width: 100%; height: auto; }
.results .caption-label { position: static; max-width: 100%; border: 0; font-size: .8rem; text-align: center;
  white-space: normal; }
.results .thumbnail-item:focus-visible { outline: 3px solid var(--color-accent); outline-offset: 2px; }
.prose { overflow-wrap: anywhere; }
.results img, .picture img { image-rendering: pixelated; }
.picture img { width: 100%; height: 100%; object-fit: contain; }
.said:has(.nothing) ~ .results img { opacity: .45; filter: grayscale(1); }
.said:has(.nothing) ~ .results .thumbnail-item:is(:hover, :focus-visible) img { opacity: 1; filter: none; }
#say-nothing:has(input:not(:checked)) ~ * .nothing { display: none; }
#say-nothing:has(input:not(:checked)) ~ * .results img { opacity: 1 !important; filter: none !important; }
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
    except OSError as error:
        raise gr.Error(sentence_of(error), print_exception=False) from error


def verdict_on(answer: Answer) -> str:
    """What stands above results that are only the nearest; nothing, above those that match."""
    said = "<strong>Nothing in this gallery matches.</strong> These are only the nearest."
    return "" if answer.matches else f'<p class="nothing" role="status">{said}</p>\n\n'


def score_of(hit: Hit) -> str:
    """A hit's cosine, and how probable it is that it is what was asked for."""
    return f"{hit.score:.2f}" if hit.probability is None else f"{hit.score:.2f} · {hit.probability:.0%}"


def show(answer: Answer, searcher: Searcher, what: str) -> tuple[list, str, list[int]]:
    """What a results area displays: captioned pictures, the line above them, and their rows in the gallery."""
    pictures = [(hit.item.image, f"{hit.item.label} · {score_of(hit)}") for hit in answer.hits]
    line = verdict_on(answer) + (
        f"**{len(answer.hits)} results** · {what} encoded in {1000 * answer.encode_seconds:.1f} ms · "
        f"{len(searcher.gallery):,} pictures searched in {1000 * answer.search_seconds:.1f} ms"
    )
    notices = "".join(f"\n\n{notice}" for notice in answer.notices)
    return pictures, line + notices, [hit.item.row for hit in answer.hits]


def show_side(side: Side, searcher: Searcher) -> tuple[str, list]:
    """What one column of a comparison displays: the line above, and captioned pictures."""
    answer = side.answer
    alone = side.other_ranks.count(None)
    right = "" if side.precision is None else f" · **{side.precision:.0%} right**"
    line = (
        f"### {side.title}\n{verdict_on(answer)}"
        f"encoded in {1000 * answer.encode_seconds:.1f} ms, {len(searcher.gallery):,} pictures "
        f"searched in {1000 * answer.search_seconds:.1f} ms · {alone} found here alone{right}"
    )
    line += "".join(f"\n\n{notice}" for notice in answer.notices)
    captioned = [
        (hit.item.image, f"{hit.item.label} · {score_of(hit)} · {score:+.1f} σ · {place_there(rank)}")
        for hit, score, rank in zip(answer.hits, side.standard_scores, side.other_ranks, strict=True)
    ]
    return line, captioned


def place_there(rank: int | None) -> str:
    """Where the other encoder has the same picture."""
    return "◆ only here" if rank is None else f"there no. {rank}"


def show_comparison(comparison: Comparison, pair: tuple[Searcher, Searcher]) -> tuple[str, str, list, str, list]:
    """What the Compare tab displays: what both share, then each column."""
    k = max(len(side.answer.hits) for side in comparison.sides)
    line = (
        f"**overlap@{k}: {comparison.overlap:.0%}** of the pictures were found by both. σ makes the two scales alike: "
        "standard deviations above the cosine that the gallery's pictures have with this query on average."
    )
    columns = [show_side(side, searcher) for side, searcher in zip(comparison.sides, pair, strict=True)]
    return line, *columns[0], *columns[1]


def one_of_each(searcher: Searcher) -> list[int]:
    """The first row of every label: pictures to begin with."""
    first: dict[str, int] = {}
    for item in searcher.gallery:
        first.setdefault(item.label, item.row)
    return list(first.values())


def encoder_choices(dataset: str, *more: str) -> list[tuple[str, str]]:
    """Every encoder that can answer for a data set, as (title, name), and what else the command line named."""
    choices = [("V2: CLIP, else v2-lite", "v2")]
    choices += [(r.title, r.name) for r in RELEASES.values() if r.version == "V2" or r.dataset == dataset]
    return choices + [(title_of(name), name) for name in more if name not in {known for _, known in choices}]


def text_examples(searchers: Searchers, release: str) -> list[str]:
    """Texts to try: of Fashion-MNIST chosen ones, else a description of each of the first classes."""
    if searchers.dataset == "fashion-mnist":
        return TEXT_EXAMPLES
    record = record_for(release, searchers.dataset, data=searchers.data)
    words = record.descriptions().words
    return [words[label].descriptions[0] for label in record.labels[: len(TEXT_EXAMPLES)]]


def results_area(value=None, line: str = "", rows: list[int] | None = None, *, label: str = RESULTS):
    """A place for results: the gallery, the line above it, and the rows that it shows."""
    status = gr.Markdown(line, elem_classes="said")
    gallery = gr.Gallery(
        value,
        show_label=False,
        label=label,
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


def picture_input(label: str, name: str) -> gr.Image:
    """A place to give a picture, decoded safely."""
    picture = gr.Image(
        label=label,
        sources=["upload", "clipboard", "webcam"],
        type="pil",
        height=280,
        format="png",
        buttons=[],
        elem_id=name,
        elem_classes="picture",
    )
    picture.preprocess = decode_upload
    return picture


def how_many(value: int = 12) -> gr.Slider:
    """The slider of how many results to show."""
    return gr.Slider(1, MOST_RESULTS, value=value, step=1, label="Results", scale=1, min_width=220)


def build_page(searchers: Searchers, *, release: str, beside: str = "v2") -> gr.Blocks:
    """The page over one data set's searchers, not yet launched: `release` answers, and is compared with `beside`."""
    searcher = searchers[release]
    starters = one_of_each(searcher)
    labels = searcher.gallery.labels
    choices = encoder_choices(searchers.dataset, release, beside)
    examples_to_try = text_examples(searchers, release)

    def opened(name: str) -> Searcher:
        """The searcher of a choice."""
        if name not in {known for _, known in choices}:  # a visitor opens no folders and fetches no models
            raise QueryError(f"“{name}” is no encoder of this page; {', '.join(known for _, known in choices)} are.")
        return searchers[name]

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

    def compare_both(query: str, picture, first: str, second: str, label: str, k: int, progress=PROGRESS):
        progress(0, desc="Opening both encoders; the first time, they index the gallery")

        def ask():
            pair = (opened(first), opened(second))
            asked = picture if picture is not None and not query.strip() else query
            return show_comparison(compare(pair, asked, k, label=label or None), pair)

        return in_one_sentence(ask)

    def compare_text(query: str, *rest, progress=PROGRESS):
        return None, *compare_both(query, None, *rest, progress=progress)

    def compare_picture(query: str, picture, *rest, progress=PROGRESS):
        if picture is None:
            return query, *nothing_compared()
        return "", *compare_both("", picture, *rest, progress=progress)

    def compare_again(query: str, picture, *rest, progress=PROGRESS):
        if not query.strip() and picture is None:
            return nothing_compared()
        return compare_both(query, picture, *rest, progress=progress)

    def nothing_compared():
        return "", "", [], "", []

    def name_it(picture, names: str, which: str, progress=PROGRESS):
        if picture is None:
            return None, "Give a picture."
        progress(0, desc="Opening the encoder")

        def ask():
            answering = opened(which)
            started = time.perf_counter()
            likely = answering.encoder.zero_shot([picture], split_labels(names))[0]
            taken = 1000 * (time.perf_counter() - started)
            line = f"**{answering.title}** · told in {taken:.1f} ms, prompts included"
            return dict(zip(split_labels(names), map(float, likely), strict=True)), line

        return in_one_sentence(ask)

    def search(query: str, k: int = 12) -> dict:
        """Search by text: `{"hits": [{"row", "label", "score", "probability"}, …], "matches", "milliseconds", …}`."""
        return in_one_sentence(lambda: searcher.answer(query, k)).as_dict()

    def like(row: int, k: int = 12) -> dict:
        """Search by a picture of the gallery, named by its row; answers as `search` does."""
        return in_one_sentence(lambda: searcher.like(row, k)).as_dict()

    def compare_named(
        query: str | int, k: int = 12, first: str = release, second: str = beside, label: str = ""
    ) -> dict:
        """Ask two encoders a text or a row: `{"overlap", "sides": [{"encoder", "precision", "hits", …}, …]}`."""
        return in_one_sentence(
            lambda: compare((opened(first), opened(second)), query, k, label=label or None)
        ).as_dict()

    with gr.Blocks(title="RecTrio", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown(f"# RecTrio\nSearch {len(searcher.gallery):,} pictures by text or by picture. {searcher.title}.")
        gr.Checkbox(  # CSS alone heeds it, so that what is shown already changes too
            True,
            label="Say when nothing in the gallery matches",
            interactive=True,
            container=False,
            elem_id="say-nothing",
        )
        with gr.Tabs(selected="text") as tabs:
            with gr.Tab("Text search", id="text"):
                with gr.Row():
                    query = gr.Textbox(
                        label="What are you looking for?",
                        placeholder=examples_to_try[0],
                        autofocus=True,
                        max_lines=1,
                        scale=4,
                        min_width=240,
                        elem_id="query",
                    )
                    text_k = how_many()
                    button = gr.Button("Search", variant="primary", elem_id="search")
                examples = gr.Examples(
                    examples_to_try, inputs=query, label="Try", api_name="load_example", cache_examples=False
                )
                text_results = results_area()
            with gr.Tab("Image search", id="image"), gr.Row():
                with gr.Column(scale=1, min_width=240):
                    picture = picture_input("A picture to start from", "picture")
                    image_k = how_many()
                with gr.Column(scale=3, min_width=280):
                    image_results = results_area(*start_again())
            with gr.Tab("Compare", id="compare"):
                gr.Markdown("One query, two encoders, the same pictures: by text, or by a picture of yours.")
                with gr.Row():
                    with gr.Column(scale=3, min_width=280):
                        both_query = gr.Textbox(
                            label="What are you looking for?",
                            placeholder=examples_to_try[0],
                            max_lines=1,
                            elem_id="both-query",
                        )
                        with gr.Row():
                            first = gr.Dropdown(choices, value=release, label="Left", min_width=240, elem_id="left")
                            second = gr.Dropdown(choices, value=beside, label="Right", min_width=240, elem_id="right")
                        with gr.Row():
                            label = gr.Dropdown(
                                [("not told", ""), *((name, name) for name in labels)],
                                value="",
                                label="What would be right",
                                info="counts how many of the results have this label",
                            )
                            both_k = how_many()
                        both_button = gr.Button("Compare", variant="primary", elem_id="compare-both")
                    with gr.Column(scale=1, min_width=240):
                        both_picture = picture_input("or a picture", "both-picture")
                shared = gr.Markdown()
                with gr.Row():
                    with gr.Column(min_width=300, elem_id="left-results"):
                        left_line = gr.Markdown(elem_classes="said")
                        left_gallery, _, _ = results_area(label="Left")
                    with gr.Column(min_width=300, elem_id="right-results"):
                        right_line = gr.Markdown(elem_classes="said")
                        right_gallery, _, _ = results_area(label="Right")
            with gr.Tab("What is this?", id="what"):
                gr.Markdown(
                    "Any picture, and labels of your own: which of them fits, without any training (zero-shot)."
                )
                with gr.Row():
                    with gr.Column(scale=1, min_width=280):
                        unknown = picture_input("The picture", "unknown")
                        names = gr.Textbox(", ".join(labels), label="Labels, with commas between", elem_id="labels")
                        which = gr.Dropdown(choices, value=beside, label="Encoder")
                        what_button = gr.Button("What is this?", variant="primary", elem_id="what-is-this")
                    with gr.Column(scale=1, min_width=280):
                        what_line = gr.Markdown()
                        verdict = gr.Label(label="Likely", num_top_classes=10, show_label=False, elem_id="verdict")

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
        columns = [shared, left_line, left_gallery, right_line, right_gallery]
        rest = [first, second, label, both_k]
        asked = [both_query, both_picture, *rest]
        compare_events = [
            both_button.click(compare_both, asked, columns, api_name="compare_both"),
            both_k.release(compare_again, asked, columns, api_name="compare_number"),
            *(
                choice.input(compare_again, asked, columns, api_name=f"compare_{name}")
                for name, choice in (("left", first), ("right", second), ("label", label))
            ),
            both_query.submit(compare_text, [both_query, *rest], [both_picture, *columns], api_name="compare_text"),
            both_picture.input(
                compare_picture, [both_query, both_picture, *rest], [both_query, *columns], api_name="compare_picture"
            ),
        ]
        what_event = what_button.click(name_it, [unknown, names, which], [verdict, what_line], api_name="what_is_this")
        what_event.failure(lambda: (None, ""), None, [verdict, what_line], api_name="clear_what_is_this")
        for name, events, clear, areas in (
            ("text_results", text_events, nothing, [*text_results]),
            ("image_results", image_events, nothing, [*image_results]),
            ("comparison", compare_events, nothing_compared, columns),
        ):
            for number, event in enumerate(events):
                event.failure(clear, None, areas, api_name=f"clear_{name}_{number}")
        for name, (gallery, _, rows), k in (
            ("more_like_text_result", text_results, text_k),
            ("more_like_image_result", image_results, image_k),
        ):
            gallery.select(more_like_this, [rows, k], [tabs, picture, *image_results], api_name=name)
        gr.api(search, api_name="search")
        gr.api(like, api_name="more_like_this")
        gr.api(compare_named, api_name="compare")
    return page


def split_labels(text: str) -> list[str]:
    """The labels in a line of text, at its commas and line ends."""
    return [label.strip() for label in re.split(r"[,\n]", text) if label.strip()]


def port_number(text: str) -> int:
    """A port from 1 to 65535, for argparse."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"“{text}” is no port; a port is a number from 1 to 65535")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    """Open the page and serve it until interrupted; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python app.py", description=__doc__.splitlines()[0])
    parser.add_argument("--release", default="v1-fashion", help="a release, a model folder or a Hub id")
    parser.add_argument("--beside", default="v2", help="what it is compared with: v2 is CLIP, or v2-lite without it")
    parser.add_argument("--dataset", choices=[*DATASETS, OWN], help="whose gallery; the release's own by default")
    parser.add_argument("--data", type=Path, help="a folder of class folders of your own, or a copy of the data set")
    add_encoder_options(parser)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 serves the whole network")
    parser.add_argument("--port", type=port_number, default=os.environ.get("PORT") or "7860")
    parser.add_argument("--share", action="store_true", help="make a public link, good for a week")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="ask visitors for this")
    args = parser.parse_args(argv)
    user, _, password = (args.auth or "").partition(":")
    if args.auth is not None and not (user and password):
        parser.error(f"--auth takes USER:PASSWORD; “{args.auth}” has no " + ("password." if user else "user."))
    try:
        release = resolve(args.release)
        dataset = args.dataset or dataset_of(release, data=args.data)
        searchers = Searchers(dataset, data=args.data, **encoder_options(args))
        page = build_page(searchers, release=release, beside=args.beside)
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
