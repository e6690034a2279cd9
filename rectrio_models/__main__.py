"""python -m rectrio_models train | download | evaluate | bench | …: make a model, or fetch one, and measure it."""

import argparse
import shlex
import sys
from pathlib import Path

from rectrio_models.commands import add_encoder_options, encoder_options, run, say
from rectrio_models.datasets import OWN, DatasetRecord
from rectrio_models.errors import DataError, TrainingError


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 1 for a clear error, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m rectrio_models", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train V1, on a data set or on pictures of your own")
    train.add_argument("--dataset", help="a data set that RecTrio knows; without it, --data are pictures of your own")
    train.add_argument(
        "--data",
        type=Path,
        help="a folder of class folders, or a copy of the data set: IDX, a Kaggle CSV, image folders, parquet",
    )
    train.add_argument("--out", type=Path, required=True, help="the model folder to write")
    train.add_argument("--data-note", default="", help="what these pictures are and where they come from, for the card")
    train.add_argument("--epochs", type=int)
    train.add_argument("--batch-size", type=int)
    train.add_argument("--validation", type=int, help="how many training pictures to hold out")
    train.add_argument("--learning-rate", type=float)
    train.add_argument("--seed", type=int)
    train.add_argument(
        "--hold-out",
        nargs="+",
        metavar="PATTERN",
        help="pictures to keep out, by class folder and file name: '*/p_*' keeps a source out whole",
    )
    train.add_argument("--device", default="auto", help="auto, cpu or cuda")
    train.add_argument(
        "--init-from", metavar="RELEASE", help="start from a release or a model folder; new classes may come"
    )
    own = train.add_argument_group("pictures of your own")
    own.add_argument("--descriptions", type=Path, metavar="FILE", help="instead of descriptions.yaml in --data")
    own.add_argument(
        "--image-size", type=int, metavar="N", help="of the pictures as the model sees them; from the data"
    )
    own.add_argument("--colour", choices=["auto", "grey", "rgb"], help="auto: from the data")
    again = train.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with the unfinished run in --out")
    again.add_argument("--fresh", action="store_true", help="throw the unfinished run in --out away")
    train.set_defaults(run=run_train)

    align = commands.add_parser("align", help="train V2 lite's head, which brings texts to where pictures lie")
    align.add_argument("--out", type=Path, required=True, help="the model folder to write")
    align.add_argument("--seed", type=int, default=0)
    align.set_defaults(run=run_align)

    evaluate = commands.add_parser("evaluate", help="measure retrieval on real pictures; figures go into the card")
    evaluate.add_argument(
        "--release", action="append", help="a release, a model folder or a Hub id; two or more are compared"
    )
    evaluate.add_argument("--dataset", help="what the model was trained on, by default; own: class folders in --data")
    evaluate.add_argument("--data", type=Path)
    evaluate.add_argument(
        "--split", choices=["train", "test", "all"], help="compare on this split; the gallery's by default"
    )
    evaluate.add_argument("--limit", type=int, help="compare on so many pictures, as many of each class")
    evaluate.add_argument("--queries", type=Path, nargs="+", default=[], metavar="FILE", help="query files, JSON Lines")
    evaluate.add_argument("--json", type=Path, help="write the figures here instead of into the card")
    add_encoder_options(evaluate)
    evaluate.set_defaults(run=run_evaluate)

    bench = commands.add_parser("bench", help="measure speed beside PyTorch; figures go into the card")
    bench.add_argument("--release", default="v1-fashion", help="a release, a model folder or a Hub id")
    bench.add_argument("--data", type=Path, help="pictures to measure on, where the gallery is not in this repository")
    bench.add_argument(
        "--random-weights",
        action="store_true",
        help="measure a CLIP of ViT-B/32's size with random weights, where the real ones are not to be had",
    )
    bench.add_argument("--json", type=Path, help="write the figures here instead of into the card")
    bench.set_defaults(run=run_bench)

    runs = commands.add_parser("runs", help="measure a release over further training runs; figures go into the card")
    runs.add_argument("--release", default="v1-fashion", help="a release or a model folder")
    runs.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="models of the same recipe")
    runs.add_argument("--data", type=Path)
    runs.add_argument("--json", type=Path, help="write the figures here instead of into the card")
    runs.set_defaults(run=run_runs)

    card = commands.add_parser("card", help="write a model's card from its measured figures")
    card.add_argument("--release", default="v1-fashion", help="a release or a model folder")
    card.set_defaults(run=run_card)

    prepare = commands.add_parser("prepare", help="write a data set as image folders or parquet")
    prepare.add_argument("--dataset", default="fashion-mnist")
    prepare.add_argument("--data", type=Path, help="an IDX folder, a Kaggle CSV, an image folder or parquet")
    prepare.add_argument("--out", type=Path, required=True)
    prepare.add_argument("--split", choices=["train", "test"], help="write this split alone")
    prepare.add_argument("--form", choices=["folders", "parquet"], default="folders")
    prepare.set_defaults(run=run_prepare)

    export = commands.add_parser("export", help="export a model's towers for OpenVINO ahead of time")
    export.add_argument("--release", default="v1-fashion", help="a release, a model folder or a Hub id")
    add_encoder_options(export)
    export.set_defaults(run=run_export)

    download = commands.add_parser("download", help="fetch a model of the Hub, or its newest files, ahead of time")
    download.add_argument("release", help="a release, as v2-clip, or a Hub id")
    download.set_defaults(run=run_download)

    return run(parser.parse_args(argv))


def run_train(args: argparse.Namespace) -> None:
    args.stopped = f"\nStopped. Finished epochs are kept: the same command with --resume goes on, in {args.out}."
    from rectrio_models.dual_encoder.training import train

    given = {name: getattr(args, name) for name in ("epochs", "batch_size", "validation", "learning_rate", "seed")}
    given["hold_out"] = args.hold_out and tuple(args.hold_out)
    given = {name: value for name, value in given.items() if value is not None}
    made = own_run(args, given) if args.dataset in (None, OWN) else known_run(args, given)
    plan = made.pop("plan")
    options = {"resume": args.resume, "fresh": args.fresh, "data_note": args.data_note}
    train(plan, args.out, data=args.data, device=args.device, **options, **made)
    from rectrio_models.card import write_card

    write_card(args.out)
    more = ["--data", str(args.data)] if plan.dataset == OWN else []
    measure = shlex.join(["--release", str(args.out), *more])
    print(f"The model is in {args.out}. Measure it: python -m rectrio_models evaluate {measure}")


def known_run(args: argparse.Namespace, given: dict) -> dict:
    """What `train` takes for a data set that RecTrio knows."""
    from rectrio_models.dual_encoder.plan import START_RATES, plan_for
    from rectrio_models.dual_encoder.starting import start_named, starting_point

    if args.descriptions or args.image_size or args.colour:
        raise TrainingError(
            "--descriptions, --image-size and --colour are for pictures of your own: leave --dataset out."
        )
    if not args.init_from:
        return {"plan": plan_for(args.dataset, **given)}
    folder, name = start_named(args.init_from)
    plan = plan_for(args.dataset, **START_RATES | given | {"init_from": name, "photos": starting_point(folder).photos})
    return {"plan": plan, "init_from": folder}


def own_run(args: argparse.Namespace, given: dict) -> dict:
    """What `train` takes for pictures of the user's own; says what was chosen, and what is amiss with the pictures."""
    from rectrio_models.datasets import DATASETS
    from rectrio_models.dual_encoder.own_plan import check_place, choose
    from rectrio_models.dual_encoder.starting import start_named, starting_point
    from rectrio_models.own_data import own_data

    if args.data is None:
        raise DataError(
            "Say what to train on: --data DIR, a folder with a folder of pictures for each class, or --dataset "
            f"{' or '.join(DATASETS)}."
        )
    check_place(args.out, args.data)
    folder, name = start_named(args.init_from) if args.init_from else (None, "")
    start = starting_point(folder) if folder else None
    record = own_data(args.data, descriptions=args.descriptions, model=folder)
    chosen = choose(
        record, image_size=args.image_size, colour=args.colour or "auto", start=start, init_from=name, **given
    )
    say([*record.notes, *record.lost])
    print(chosen.why)
    return {"plan": chosen.plan, "config": chosen.config, "record": record, "init_from": folder}


def run_align(args: argparse.Namespace) -> None:
    from rectrio_models.lite.training import Plan, align

    print(f"The head is in {align(Plan(seed=args.seed), args.out)}.")


def run_evaluate(args: argparse.Namespace) -> None:
    from rectrio_models.captions import CAPTIONED
    from rectrio_models.evaluation import evaluate
    from rectrio_models.figures import refuse_hub_folder
    from rectrio_models.releases import card_folder, held_out_by, load_encoder, record_for, resolve, trained_on

    releases = list(dict.fromkeys(map(resolve, args.release or ["v1-fashion"])))
    if args.dataset in CAPTIONED:
        run_comparison(args, releases)
        return
    dataset = record_for(releases[0], args.dataset, data=args.data, default="fashion-mnist")
    say(getattr(dataset, "notes", ()))
    if len(releases) > 1 or args.limit or args.split:
        run_comparison(args, releases, dataset)
        return
    folder = card_folder(releases[0])
    refuse_hub_folder(releases[0], folder, args.json)
    hold_out = held_out_by(releases[0])
    if hold_out and not args.data and dataset.one_split:
        raise DataError(f"{releases[0]} was measured on pictures held out of a folder: name it with --data DIR.")
    as_trained = hold_out or (dataset.name == OWN and trained_on(folder) == OWN)
    if args.data and not args.json and not as_trained:
        raise DataError("Figures measured on a copy of your own do not go into the card: add --json FILE.")
    encoder = load_encoder(releases[0], gallery=dataset.name, data=args.data, **encoder_options(args))
    figures = evaluate(encoder, dataset, data=args.data, hold_out=hold_out, queries=args.queries)
    print(figures.table())
    figures.keep(folder, args.json)


def run_comparison(args: argparse.Namespace, releases: list[str], dataset: DatasetRecord | None = None) -> None:
    from rectrio_models.captions import CAPTIONED
    from rectrio_models.comparison import compare_encoders, compare_on_captions, keep_comparison
    from rectrio_models.releases import load_encoder, title_of

    if args.data and not args.json:
        raise DataError("Figures measured on a copy of your own do not go into the comparison: add --json FILE.")
    captioned = CAPTIONED[args.dataset] if dataset is None else None
    if captioned and (args.limit or args.split):
        raise DataError(f"{captioned.title} are compared on as a whole: leave --limit and --split out.")
    gallery = {} if captioned else {"gallery": dataset.name, "data": args.data}
    encoders = [load_encoder(name, **gallery, **encoder_options(args)) for name in releases]
    if captioned:
        found = compare_on_captions(encoders, captioned, data=args.data)
    else:
        found = compare_encoders(encoders, dataset, split=args.split, data=args.data, limit=args.limit)
    for name, figures in found.items():
        print(f"\n{title_of(name)}\n{figures.table()}")
    print(f"\nThe comparison is in {keep_comparison(found, dataset.name if dataset else args.dataset, args.json)}.")


def run_bench(args: argparse.Namespace) -> None:
    from rectrio_models.bench import bench
    from rectrio_models.figures import refuse_hub_folder
    from rectrio_models.releases import card_folder

    folder = card_folder(args.release)
    refuse_hub_folder(args.release, folder, args.json)
    if args.random_weights:
        from rectrio_models.clip.random_weights import random_clip

        figures = bench(str(random_clip()))
        command = f"python -m rectrio_models bench --release {args.release} --random-weights"
        figures.origin.update(command=command, weights="random, of ViT-B/32's size")
    else:
        figures = bench(args.release, data=args.data)
    print(figures.table())
    figures.keep(folder, args.json)


def run_runs(args: argparse.Namespace) -> None:
    from rectrio_models.datasets import dataset_record
    from rectrio_models.figures import refuse_hub_folder
    from rectrio_models.releases import card_folder, dataset_of
    from rectrio_models.runs import measure_runs

    folder = card_folder(args.release)
    refuse_hub_folder(args.release, folder, args.json)
    figures = measure_runs(args.release, args.folders, dataset_record(dataset_of(args.release)), data=args.data)
    print(figures.table())
    figures.keep(folder, args.json)


def run_card(args: argparse.Namespace) -> None:
    from rectrio_models.card import write_card
    from rectrio_models.comparison_card import write_comparison
    from rectrio_models.releases import card_folder

    print(f"{write_card(card_folder(args.release))} is written.")
    print(f"{write_comparison()} is written.")


def run_prepare(args: argparse.Namespace) -> None:
    from rectrio_models.datasets import dataset_record
    from rectrio_models.prepare import prepare

    written = prepare(dataset_record(args.dataset), args.out, data=args.data, form=args.form, split=args.split)
    print(f"{args.out}: " + ", ".join(f"{number:,} pictures ({split})" for split, number in written.items()))


def run_export(args: argparse.Namespace) -> None:
    from rectrio_models.releases import load_encoder

    load_encoder(args.release, **encoder_options(args))
    print(f"The towers of {args.release} are ready.")


def run_download(args: argparse.Namespace) -> None:
    args.stopped = f"\nStopped. What has come is kept: python -m rectrio_models download {args.release} goes on."
    from rectrio_models.hub import cached, fetch
    from rectrio_models.network import hub_reachable
    from rectrio_models.releases import RELEASES, V2, is_hub_id, model_folder

    known = RELEASES.get(V2 if args.release == "v2" else args.release)
    hub_id = known.hub_id if known else args.release
    if not is_hub_id(hub_id):
        print(f"{args.release} is in {model_folder(args.release)}; there is nothing to fetch.")
        return
    here = cached(hub_id)
    if here and not hub_reachable():
        print(f"{args.release} is in {here} already; the Hub is out of reach, so newer files could not be asked for.")
        return
    print(f"{args.release} is in {fetch(hub_id)}.")
    print(f"Make its towers ready: python -m rectrio_models export --release {args.release}")


if __name__ == "__main__":
    sys.exit(main())
