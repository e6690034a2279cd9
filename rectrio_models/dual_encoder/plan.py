"""Plan: everything that decides what a training run ends with, but for the data."""

from dataclasses import asdict, dataclass

from rectrio_models.errors import TrainingError

# of a run that starts from trained weights: learning rates that leave what it knows in place, and whole pictures
START_RATES = {"learning_rate": 1e-3, "finish_rate": 5e-4, "text_rate": 3e-3, "muon": 0.0, "mix": 0.0}


@dataclass(frozen=True)
class Plan:
    """Everything that decides what a run ends with, but for the data."""

    dataset: str = "fashion-mnist"
    epochs: int = 45
    batch_size: int = 256  # pictures a step
    learning_rate: float = 5e-3  # at its highest
    muon: float = 10.0  # learning rate of the filters, by Muon, as a multiple of that of all else; 0 for AdamW alone
    weight_decay: float = 0.05
    warmup: float = 0.15  # share of the steps in which the learning rate rises; it falls to 0 in the rest
    average: float = 0.998  # decay of the weights' moving average, a step
    shift: int = 2  # pixels a picture is moved by, at most
    mix: float = 0.5  # share of the pictures that a piece of another is put into
    erase: int = 10  # side of the square that is blacked out in half of the pictures, at most
    first_side: int = 20  # side that pictures are shown at in the beginning; 0 for the last one from the start
    last_side: int = 0  # side that they are shown at in the end; 0 for the model's own
    grown: float = 0.6  # share of the epochs after which they have the last side
    finish: int = 2  # further epochs without augmentation, from the best weights on
    finish_rate: float = 1.5e-3  # their learning rate, at its highest
    finish_average: float = 0.99  # and the decay of their moving average, a step
    prune: float = 0.5  # share of the easy pictures that an epoch leaves out
    prune_until: float = 0.875  # share of the epochs after which every picture is shown again
    text_epochs: int = 15  # further ones for the text tower alone, on the finished pictures
    text_steps: int = 600  # steps in each
    text_batch: int = 256  # texts, and as many pictures, in each step
    text_rate: float = 4e-3  # their learning rate, at its highest
    validation: int = 1000  # training pictures that are held out to choose the best epoch
    tokenizer_texts: int = 100_000  # texts that the tokenizer learns its subwords from
    vocab_size: int = 8192
    absent: float = 0.2  # share of the texts that are about nothing the data set holds
    judge: float = 0.25  # weight of the loss of telling them from the others by their embeddings alone
    wordnet: bool = True  # draw names and definitions out of WordNet too, where it is installed
    hold_out: tuple[str, ...] = ()  # pictures kept out altogether, as patterns of their “class/file.jpg”
    seed: int = 0
    init_from: str = ""  # the model whose weights it starts from, by name; nothing for a random start
    photos: bool = False  # whether the pictures are photos; all that follows is of photos alone
    crop: float = 0.35  # smallest share of a photo's area that is shown
    colour: float = 0.4  # how much brightness, contrast and saturation change, at most
    grey: float = 0.15  # share of the photos that are shown grey
    coarse: float = 0.3  # share that is shown less sharp than it could be
    noise: float = 0.05  # standard deviation of the noise in a pixel of 0 to 1, at most
    balance: float = 0.5  # a photo is drawn with its class's size to the minus this: 0 as they are, 1 classes alike
    teach_features: float = 0.0  # weight of the loss between what the pupil reads and the teacher's features
    teach_classes: float = 0.0  # and of that to the teacher's ImageNet classes

    @property
    def total(self) -> int:
        """Epochs of every kind."""
        return self.epochs + self.finish + self.text_epochs

    def stage(self, epoch: int) -> str:
        """What an epoch, from 0 on, trains: the image tower on changed "pictures" or on "plain" ones, or the text
        tower on "texts"."""
        if epoch < self.epochs:
            return "pictures"
        return "plain" if epoch < self.epochs + self.finish else "texts"

    def rate_at(self, epochs: float) -> float:
        """The learning rate after so many epochs: up in a straight line, down to 0 in another; then down from that of
        the plain epochs; then up and down once more for the texts."""
        stage = self.stage(int(epochs))
        if stage == "plain":
            return self.finish_rate * (1 - (epochs - self.epochs) / self.finish)
        start, length, highest, warmup = (0, self.epochs, self.learning_rate, self.warmup)
        if stage == "texts":
            start, length, highest, warmup = (self.epochs + self.finish, self.text_epochs, self.text_rate, 0.05)
        done = (epochs - start) / length
        return highest * (done / warmup if done < warmup else (1 - done) / (1 - warmup))

    def side_at(self, epoch: int, full: int) -> int:
        """The side that pictures are shown at in an epoch, a multiple of 4 or, of photos, 8, where the model's own is
        `full`: a small one teaches the most a second in the beginning (Tan and Le, EfficientNetV2, arXiv 2104.00298,
        section 4). Crops make things look larger than whole photos do, so that photos are searched larger than they
        are learned from (Touvron et al., Fixing the train-test resolution discrepancy, arXiv 1906.06423)."""
        step = 8 if self.photos else 4
        last = self.last_side or full
        grown = epoch / (self.grown * self.epochs)
        if not 0 < self.first_side < last or grown >= 1:
            return last
        return int(self.first_side + (last - self.first_side) * grown) // step * step

    def as_json(self) -> dict:
        """The plan as it is written down and read again."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def __post_init__(self):
        for name in ("epochs", "batch_size", "text_epochs", "text_steps", "text_batch", "learning_rate"):
            if getattr(self, name) <= 0:
                raise TrainingError(f"{name.replace('_', ' ')} is {getattr(self, name)}; it must be over 0.")

    @property
    def taught(self) -> bool:
        """Whether a teacher is asked."""
        return bool(self.teach_features or self.teach_classes)


# What a data set's plan and model have that Fashion-MNIST's have not.
PLANS = {
    "animals": {
        "epochs": 120,
        "batch_size": 64,
        "learning_rate": 3e-3,
        "muon": 8.0,
        "warmup": 0.1,
        "average": 0.999,
        "mix": 0.0,
        "erase": 72,
        "finish": 0,
        "text_epochs": 20,
        "prune": 0.0,
        "validation": 1000,
        "photos": True,
        "first_side": 64,
        "last_side": 96,
        "teach_features": 5.0,
        "teach_classes": 1.0,
    },
}
SHAPES = {
    "animals": {
        "image_size": 144,
        "num_channels": 3,
        "mirror": False,  # half again as large a picture tells more, for the same time
        "stem_stride": 2,
        "widths": (32, 80, 160, 320),
        "strides": (2, 2, 2, 2),
        "embedding_width": 128,
        "hidden_width": 160,
    },
}


def plan_for(dataset: str, **changes) -> Plan:
    """The plan that suits a data set, with changes."""
    return Plan(**{"dataset": dataset, **PLANS.get(dataset, {}), **changes})
