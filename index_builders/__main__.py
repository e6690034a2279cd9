"""python -m index_builders build | search | calibrate | …: make the index of a gallery, ask it, measure it."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rectrio_models.commands import add_encoder_options, encoder_options, run, say

if TYPE_CHECKING:
    from index_builders.searcher import Searcher
    from rectrio_models.datasets import DatasetRecord


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 1 for a clear error, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m index_builders", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="encode a gallery and write its index")
    build.add_argument("--release", default="v1-fashion", help="a release, a model folder or a Hub id")
    build.add_argument("--dataset", help="whose gallery; the release's own by default")
    build.add_argument("--data", type=Path, help="a copy of the data set, or a folder of class folders of your own")
    build.add_argument("--kind", default="flat", help="flat: exact search")
    build.add_argument("--out", type=Path, help="the index folder; the user's cache by default")
    add_encoder_options(build)
    build.set_defaults(run=run_build)

    search = commands.add_parser("search", help="find pictures by a text or by a picture")
    search.add_argument("text", nargs="?", help="what to look for")
    search.add_argument("--image", type=Path, help="look for pictures like this one")
    search.add_argument("--release", default="v1-fashion", help="a release, a model folder or a Hub id")
    search.add_argument("--dataset", help="whose gallery; the release's own by default")
    search.add_argument("--data", type=Path, help="search a folder of class folders of your own")
    search.add_argument("--index", type=Path, help="an index folder that `build --out` wrote, instead")
    search.add_argument("-k", type=int, default=12, help="how many results (12)")
    search.add_argument(
        "--nearest", action="store_true", help="do not say when nothing matches: list the nearest as ever"
    )
    search.add_argument("--json", action="store_true", help="print one JSON object")
    add_encoder_options(search)
    search.set_defaults(run=run_search)

    calibrate = commands.add_parser("calibrate", help="fit how probable a hit is, and when nothing matches")
    calibrate.set_defaults(run=run_calibrate)
    refusals = commands.add_parser("refusals", help="measure what is refused and caught; figures go into the card")
    refusals.add_argument("present", type=Path, help="texts for which the gallery has pictures, as JSON Lines")
    refusals.add_argument("absent", type=Path, help="texts for which it has none")
    refusals.add_argument("--absent-pictures", type=Path, metavar="DIR", help="pictures of which it has none")
    refusals.add_argument("--json", type=Path, help="write the figures here instead of into the card")
    refusals.set_defaults(run=run_refusals)
    for command in (calibrate, refusals):
        command.add_argument("--release", default="v1-fashion", help="a release, a model folder or a Hub id")
        command.add_argument("--dataset", help="whose gallery; the release's own by default")
        command.add_argument("--data", type=Path, help="the gallery's pictures, where they are not in this repository")
        add_encoder_options(command)

    bench = commands.add_parser("bench", help="measure indexing, searching and the page; figures go into the card")
    bench.add_argument("--release", default="v1-fashion", help="a release")
    bench.add_argument("--json", type=Path, help="write the figures here instead of into the model folder")
    bench.set_defaults(run=run_bench)

    return run(parser.parse_args(argv))


def run_build(args: argparse.Namespace) -> None:
    from index_builders.build import build_index
    from index_builders.searcher import open_searcher
    from rectrio_models.releases import load_encoder, record_for

    record = record_for(args.release, args.dataset, data=args.data, default="fashion-mnist")
    say(getattr(record, "notes", ()))
    if args.out is None:
        searcher = open_searcher(args.release, record.name, data=args.data, kind=args.kind, **encoder_options(args))
        print(f"{len(searcher.gallery):,} pictures are indexed by {searcher.title}.")
        return
    encoder = load_encoder(args.release, gallery=record.name, data=args.data, **encoder_options(args))
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
        else open_searcher(args.release, args.dataset, data=args.data, **options)
    )
    answer = searcher.answer(query, args.k)
    if args.json:
        print(json.dumps({"encoder": searcher.title, **answer.as_dict()}, ensure_ascii=False))
        return
    if not answer.matches and not args.nearest:
        print("Nothing in this gallery matches; the nearest are:")
    for place, hit in enumerate(answer.hits, 1):
        likely = "" if hit.probability is None else f"  {hit.probability:4.0%}"
        print(f"{place:3}  {hit.score:6.3f}{likely}  {hit.item.label}  (item {hit.item.row})")
    for notice in answer.notices:
        print(notice)
    print(
        f"{searcher.title}: encode {1000 * answer.encode_seconds:.2f} ms, search {1000 * answer.search_seconds:.2f} ms"
    )


def run_calibrate(args: argparse.Namespace) -> None:
    from index_builders.calibrate import calibrate
    from rectrio_models.calibration import calibration_file

    searcher, dataset = searcher_of(args)
    found, path = calibrate(searcher, dataset, data=args.data), calibration_file(searcher.encoder, dataset.name)
    found.write(path)
    for kind, curve in (("text", found.text), ("picture", found.picture)):
        then = (
            f"nothing matches where the best hit is less than {curve.refuse_below:.0%} probable"
            if curve.refuse_below
            else "they are told apart too seldom for any to be refused"
        )
        print(f"{kind}: of {curve.present:,} present and {curve.absent:,} absent queries; {then}")
    print(f"The calibration is in {path}.")


def run_refusals(args: argparse.Namespace) -> None:
    from index_builders.calibrate import measure_refusals
    from rectrio_models.errors import DataError
    from rectrio_models.figures import refuse_hub_folder
    from rectrio_models.releases import card_folder, held_out_by, resolve

    if args.data and not args.json and not held_out_by(args.release):
        raise DataError("Figures measured on a copy of your own do not go into the card: add --json FILE.")
    folder = card_folder(args.release)
    refuse_hub_folder(resolve(args.release), folder, args.json)
    searcher, dataset = searcher_of(args)
    figures = measure_refusals(
        searcher, dataset, args.present, args.absent, pictures=args.absent_pictures, data=args.data
    )
    print(figures.table())
    figures.keep(folder, args.json)


def searcher_of(args: argparse.Namespace) -> tuple["Searcher", "DatasetRecord"]:
    """The searcher that a command's options name, and its data set."""
    from index_builders.searcher import open_searcher
    from rectrio_models.releases import record_for

    dataset = record_for(args.release, args.dataset, data=args.data)
    return open_searcher(args.release, dataset.name, data=args.data, **encoder_options(args)), dataset


def run_bench(args: argparse.Namespace) -> None:
    from index_builders.bench import bench
    from rectrio_models.releases import model_folder

    figures = bench(args.release)
    print(figures.table())
    figures.keep(model_folder(args.release), args.json)


if __name__ == "__main__":
    sys.exit(main())
