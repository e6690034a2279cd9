"""How every command line of RecTrio ends: with a status, and one sentence where it went wrong."""

import argparse
import sys
from collections.abc import Iterable

from rectrio_models.errors import RecTrioError


def add_encoder_options(parser: argparse.ArgumentParser) -> None:
    """The options that say how an encoder runs; `encoder_options` reads them back."""
    parser.add_argument(
        "--precision",
        default="auto",
        help="f32, bf16, int8, or auto: the fastest that holds; small models always run in f32",
    )
    parser.add_argument("--device", default="CPU", help="CPU, GPU, NPU or AUTO, as OpenVINO names them")


def encoder_options(args: argparse.Namespace) -> dict[str, str]:
    """What `load_encoder` takes of a command line."""
    return {"precision": args.precision, "device": args.device}


def say(notes: Iterable[str]) -> None:
    """What the user should know of the data, a line each."""
    for note in notes:
        print(f"Note: {note}", file=sys.stderr)


def sentence_of(error: OSError) -> str:
    """What to say of a disk that is full, or a folder that may not be written."""
    return f"{error.filename or 'A file'}: {error.strerror or error}."


def run(args: argparse.Namespace) -> int:
    """Call `args.run(args)`; returns the exit status: 0, 1 for a clear error, 130 when interrupted.

    A command that sets `args.stopped` has that said when it is interrupted.
    """
    try:
        args.run(args)
    except RecTrioError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(sentence_of(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(args.stopped if "stopped" in args else "Stopped. Nothing is left half done.", file=sys.stderr)
        return 130
    return 0
