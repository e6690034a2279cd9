"""python -m index_builders build | search | bench: make the index of a gallery, ask it, measure it."""

import argparse
import json
import sys
from pathlib import Path

from rectrio_models.commands import add_encoder_options, encoder_options, run


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 1 for a clear error, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m index_builders", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="encode a gallery and write its index")
    build.add_argument("--release", default="v1-fashion", help="a release, a model folder or a Hub id")
    build.add_argument("--dataset", default="fashion-mnist", help="whose gallery")
    build.add_argument("--data", type=Path, help="read the pictures from here instead of the data set's own gallery")
    build.add_argument("--kind", default="flat", help="flat: exact search")
    build.add_argument("--out", type=Path, help="the index folder; the user's cache by default")
    add_encoder_options(build)
    build.set_defaults(run=run_build)

    search = commands.add_parser("search", help="find pictures by a text or by a picture")
    search.add_argument("text", nargs="?", help="what to look for")
    search.add_argument("--image", type=Path, help="look for pictures like this one")
    search.add_argument("--release", default="v1-fashion", help="a release, a model folder or a Hub id")
    search.add_argument("--dataset", help="whose gallery; the release's own by default")
    search.add_argument("--index", type=Path, help="an index folder that `build --out` wrote, instead")
    search.add_argument("-k", type=int, default=12, help="how many results (12)")
    search.add_argument("--json", action="store_true", help="print one JSON object")
    add_encoder_options(search)
    search.set_defaults(run=run_search)

    bench = commands.add_parser("bench", help="measure indexing, searching and the page; figures go into the card")
    bench.add_argument("--release", default="v1-fashion", help="a release")
    bench.add_argument("--json", type=Path, help="write the figures here instead of into the model folder")
    bench.set_defaults(run=run_bench)

    return run(parser.parse_args(argv))


def run_build(args: argparse.Namespace) -> None:
    from index_builders.build import build_index
    from index_builders.searcher import open_searcher
    from rectrio_models.datasets import dataset_record
    from rectrio_models.errors import QueryError
    from rectrio_models.releases import load_encoder

    if args.out is None:
        if args.data:
            raise QueryError("An index of your own pictures needs a place: add --out FOLDER.")
        searcher = open_searcher(args.release, args.dataset, kind=args.kind, **encoder_options(args))
        print(f"{len(searcher.gallery):,} pictures are indexed by {searcher.title}.")
        return
    record = dataset_record(args.dataset)
    encoder = load_encoder(args.release, gallery=args.dataset, data=args.data, **encoder_options(args))
    build_index(encoder, record, args.out, kind=args.kind, data=args.data)
    print(f"The index is in {args.out}. Ask it: python -m index_builders search --index {args.out} TEXT")


def run_search(args: argparse.Namespace) -> None:
    from index_builders.searcher import open_searcher, open_searcher_at
    from rectrio_models.errors import QueryError
    from rectrio_models.pictures import open_picture

    if (args.text is None) == (args.image is None):
        raise QueryError("Give a text or --image FILE, and not both.")
    query = args.text if args.image is None else open_picture(args.image)
    options = encoder_options(args)
    searcher = (
        open_searcher_at(args.index, device=args.device)
        if args.index
        else open_searcher(args.release, args.dataset, **options)
    )
    answer = searcher.answer(query, args.k)
    if args.json:
        print(json.dumps({"encoder": searcher.title, **answer.as_dict()}, ensure_ascii=False))
        return
    for place, hit in enumerate(answer.hits, 1):
        print(f"{place:3}  {hit.score:6.3f}  {hit.item.label}  (item {hit.item.row})")
    for notice in answer.notices:
        print(notice)
    print(
        f"{searcher.title}: encode {1000 * answer.encode_seconds:.2f} ms, search {1000 * answer.search_seconds:.2f} ms"
    )


def run_bench(args: argparse.Namespace) -> None:
    from index_builders.bench import bench
    from rectrio_models.releases import model_folder

    figures = bench(args.release)
    print(figures.table())
    figures.keep(model_folder(args.release), args.json)


if __name__ == "__main__":
    sys.exit(main())
