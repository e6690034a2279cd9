"""The plan and the shape of a model that suit pictures of the user's own: by their number, their size and whether they
are grey."""

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rectrio_models.dual_encoder.configuration_rectrio import RecTrioConfig
from rectrio_models.dual_encoder.plan import PLANS, SHAPES, START_RATES, Plan
from rectrio_models.dual_encoder.starting import StartingPoint
from rectrio_models.errors import TrainingError
from rectrio_models.own_data import OwnData

SIDES = (28, 32, 48, 64, 96, 144)  # of the pictures that a model is given
SAMPLE = 500  # pictures that are looked at
STEPS = 2000  # what a small set is trained for, if that takes no more than MOST_EPOCHS
MOST_EPOCHS = 200
TOKENIZER_TEXTS = 30_000
UNVALIDATED = 100  # fewer pictures than this are all trained on


@dataclass(frozen=True)
class Chosen:
    """What a run on the user's own pictures is made with, and why."""

    plan: Plan
    config: RecTrioConfig
    why: str


def choose(
    data: OwnData,
    *,
    image_size: int | None = None,
    colour: str = "auto",
    start: StartingPoint | None = None,
    **changes,
) -> Chosen:
    """The plan for pictures of the user's own, with changes to its fields; with a `start`, in that model's form.

    Raises TrainingError for a size or a colour that cannot be had, and DataError where there is one class alone.
    """
    data.check_classes()
    shown = [picture.facts for picture in data.pictures if picture.split == "train"]
    sample = shown[:: math.ceil(len(shown) / SAMPLE)]
    middle = median(min(facts.width, facts.height) for facts in sample)
    grey = all(facts.grey for facts in sample)
    if start:
        config, photos = start.config, start.photos
        asked = {"auto": config.num_channels, "grey": 1, "rgb": 3}[colour]
        if (image_size or config.image_size, asked) != (config.image_size, config.num_channels):
            raise TrainingError(
                f"The model to start from takes {form(config)}: leave --image-size and --colour out, or train anew."
            )
        why = "as the model it starts from"
    else:
        side = image_size or max((side for side in SIDES if side <= middle), default=SIDES[0])
        if not 16 <= side <= 224:
            raise TrainingError(f"The image size is {side}; it must be 16 to 224 pixels.")
        channels = 1 if colour == "grey" or (colour == "auto" and grey) else 3
        photos = channels == 3 or side > 32
        config = RecTrioConfig(image_size=side, num_channels=channels, **(photo_shape(side) if photos else {}))
        shade = "all are grey" if grey else "some are in colour"
        why = f"of {len(sample):,} looked at, {shade}, and half have a shorter side of {middle:g} pixels or more"
    # mixed pictures take more steps than a small set is learned in
    fields = (
        {"mix": 0.0} | sizes(len(shown), photos=photos) | (photo_fields if photos else plain_fields)(config.image_size)
    )
    if start:
        fields |= START_RATES
    fields |= {"tokenizer_texts": TOKENIZER_TEXTS, "text_epochs": 4, "text_steps": 150, "text_batch": 128} | changes
    fields.setdefault("epochs", epochs(len(shown) - fields["validation"], fields["batch_size"], photos=photos))
    plan = Plan(dataset=data.name, photos=photos, **fields)
    line = (
        f"{data.title}: {len(data.labels):,} classes, {len(shown):,} pictures to train on, "
        f"{plan.validation or 'none'} of them held out; {form(config)} ({why}); "
        f"{plan.epochs} epochs in batches of {plan.batch_size}, learning rate {plan.learning_rate:g}."
    )
    return Chosen(plan, config, line)


def form(config: RecTrioConfig) -> str:
    """What pictures a model takes."""
    return f"{'grey' if config.num_channels == 1 else 'colour'} pictures of {config.image_size} × {config.image_size}"


def sizes(pictures: int, *, photos: bool) -> dict[str, int]:
    """The fields of a plan that follow from the number of pictures: each step sees a quarter of them at most."""
    validation = min(1000, pictures // 10) if pictures >= UNVALIDATED else 0
    batch = max(2, min(64 if photos else 256, (pictures - validation) // 4))
    return {"validation": validation, "batch_size": batch}


def epochs(shown: int, batch: int, *, photos: bool) -> int:
    """More epochs of fewer pictures."""
    wanted = math.ceil(STEPS / max(1, shown // batch))
    return max(60 if photos else 24, min(MOST_EPOCHS, wanted))


def photo_shape(side: int) -> dict:
    """The shape of the animals' model, which divides small pictures' sides less often."""
    shape = {name: value for name, value in SHAPES["animals"].items() if name not in ("image_size", "num_channels")}
    return shape | {"stem_stride": 2 if side >= 64 else 1}


def photo_fields(side: int) -> dict:
    """The plan of the animals' model, without a teacher."""
    last = side * 2 // 3 // 8 * 8 if side >= 96 else side
    return {
        **{name: PLANS["animals"][name] for name in ("learning_rate", "muon", "warmup", "finish", "prune")},
        "average": 0.998,
        "erase": side // 2,
        "first_side": last * 2 // 3 // 8 * 8 if side >= 64 else 0,
        "last_side": last,
    }


def plain_fields(side: int) -> dict:
    """The plan of Fashion-MNIST's model, for small grey pictures of another size."""
    return {"erase": side * 2 // 7}


def check_place(out: Path, data: Path) -> None:
    """Raise TrainingError where a model would be written among the pictures, as if it were a class."""
    if out.expanduser().resolve().is_relative_to(data.expanduser().resolve()):
        raise TrainingError(f"{out} lies among the pictures of {data}. Give a place outside for the model.")
