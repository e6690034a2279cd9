"""The texts that training shows: drawn anew for every step, each with the class it is about and what it asks of the
pictures."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from rectrio_models.attributes import ATTRIBUTES, MEASURES, wanted
from rectrio_models.descriptions import Descriptions, TextGenerator
from rectrio_models.descriptions.lexicon import Lexicon, lexicon_of, with_absent
from rectrio_models.dual_encoder.concepts import Concepts
from rectrio_models.dual_encoder.modeling_rectrio import RecTrioModel
from rectrio_models.dual_encoder.plan import Plan
from rectrio_models.dual_encoder.tokenization_rectrio import RecTrioTokenizer
from rectrio_models.errors import DataError
from rectrio_models.wordnet import read_wordnet

NOTHING = -1  # the class of a text about nothing that the data set holds; no picture has it


@dataclass(frozen=True)
class Texts:
    """A batch of texts."""

    input_ids: torch.Tensor  # (T, tokens)
    attention_mask: torch.Tensor  # (T, tokens)
    labels: torch.Tensor  # (T,), NOTHING among them
    asked: torch.Tensor  # (T, measures): 1 where the upper end of an attribute is asked for, -1 the lower, 0 neither

    def to(self, device: torch.device) -> "Texts":
        """The same on another device."""
        return Texts(*(tensor.to(device) for tensor in (self.input_ids, self.attention_mask, self.labels, self.asked)))

    def embed(self, model: RecTrioModel, groups: int = 4) -> torch.Tensor:
        """Unit vectors, (T, D). Texts of like length go together, as one long text makes all of its batch long."""
        lengths = self.attention_mask.sum(dim=1)
        order = lengths.argsort()
        parts = []
        for rows in order.chunk(groups):
            longest = int(lengths[rows].max())
            parts.append(model.get_text_features(self.input_ids[rows, :longest], self.attention_mask[rows, :longest]))
        return torch.cat(parts)[order.argsort()]


def fitting(wants: Texts | Concepts, image_labels: torch.Tensor, ranks: torch.Tensor | None) -> torch.Tensor:
    """How well pictures fit each of T texts or concepts, 0 to 1, (I, T): those of another class not at all, those of
    its own by how they show what it asks for, the best quarter of the class wholly and the worst not at all.

    image_labels: (I,); ranks: (I, measures) of `ranks_in_class`, None for a data set without attributes.
    """
    same = (image_labels[:, None] == wants.labels[None, :]).float()
    if ranks is None:
        return same
    ends, asks = wants.asked > 0, wants.asked != 0  # (T, measures)
    places = torch.where(ends, ranks[:, None], 1 - ranks[:, None])  # (I, T, measures)
    return same * torch.where(asks, (2 * places - 0.5).clamp(0, 1), 1.0).prod(dim=2)


class TextSource:
    """Draws labelled texts for a data set: of the classes that have pictures, `present`, and of nothing."""

    def __init__(self, plan: Plan, descriptions: Descriptions, labels: tuple[str, ...], *, present: Sequence[int]):
        self.plan, self.labels, self.present = plan, labels, present
        self.attributes = ATTRIBUTES.get(plan.dataset, ())
        lexicon = lexicon_for(plan, descriptions)
        self.generator = TextGenerator(with_absent(descriptions, lexicon), lexicon, self.attributes)

    def draw(self, rng: random.Random, count: int) -> list[tuple[str, int]]:
        """Texts, each with the number of its class."""
        numbers = [NOTHING if rng.random() < self.plan.absent else rng.choice(self.present) for _ in range(count)]
        return [(self.generator.draw(None if n == NOTHING else self.labels[n], rng), n) for n in numbers]

    def batches(self, tokenizer: RecTrioTokenizer, epoch: int) -> Iterator[Texts]:
        """The batches of an epoch, the same for the same plan and epoch."""
        rng = random.Random(f"{self.plan.seed} {epoch}")
        for _ in range(self.plan.text_steps):
            texts, numbers = zip(*self.draw(rng, self.plan.text_batch), strict=True)
            batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
            asked = torch.from_numpy(np.stack([self.asked(*drawn) for drawn in zip(texts, numbers, strict=True)]))
            yield Texts(batch["input_ids"], batch["attention_mask"], torch.tensor(numbers), asked)

    def asked(self, text: str, number: int) -> np.ndarray:
        """What a text asks of each of MEASURES, float32 (measures,)."""
        if number == NOTHING or not self.attributes:
            return np.zeros(len(MEASURES), np.float32)
        ends = wanted(text, self.labels[number], self.attributes)
        return np.array([{None: 0, True: 1, False: -1}[ends.get(measure)] for measure in MEASURES], np.float32)


def lexicon_for(plan: Plan, descriptions: Descriptions) -> Lexicon | None:
    """WordNet sorted for the data set; None where it is not wanted, not installed, or knows none of the classes."""
    if not plan.wordnet:
        return None
    try:
        return lexicon_of(plan.dataset, descriptions, read_wordnet())
    except DataError as error:
        tqdm.write(f"Training without WordNet's names and definitions: {error}")
        return None
