"""What pictures learn from before any text does: what they show, each as a point of its own."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from rectrio_models.attributes import MEASURES, Attribute

SHARE = 0.3  # of the weight of a class, what its attributes have together


class Concepts(nn.Module):
    """A unit vector for each class, and for each attribute of its pictures that can be asked for.

    Pictures are compared with these as they would be with texts, but need no embedding, which took a fifth of a
    step. The text tower learns afterwards, against the finished pictures, and these vectors are forgotten.

    names: of the classes, by number; present: the numbers of the classes that have pictures.
    """

    def __init__(self, names: Sequence[str], present: Sequence[int], attributes: Sequence[Attribute], dim: int):
        super().__init__()
        rows = []  # (class, what is asked of the measures, weight)
        for number in present:
            ends = sorted({(a.measure, 1.0 if a.high else -1.0) for a in attributes if names[number] in a.labels})
            rows.append((number, {}, 1 - SHARE if ends else 1.0))
            rows.extend((number, {measure: end}, SHARE / len(ends)) for measure, end in ends)
        numbers, asked, weights = zip(*rows, strict=True)
        asked = torch.tensor([[wanted.get(measure, 0.0) for measure in MEASURES] for wanted in asked])
        self.register_buffer("labels", torch.tensor(numbers), persistent=False)  # (K,)
        self.register_buffer("asked", asked, persistent=False)  # (K, measures), as in Texts
        self.register_buffer("weights", torch.tensor(weights), persistent=False)  # (K,)
        self.register_buffer("is_class", (asked == 0).all(dim=1), persistent=False)  # (K,)
        classes = torch.randn(max(present) + 1, dim) / dim**0.5
        self.vectors = nn.Parameter(classes[self.labels])  # (K, D); attributes begin where their class does

    @torch.no_grad()
    def start_from(self, classes: torch.Tensor) -> None:
        """Begin at given vectors of the classes that have pictures, in their order, (classes, D)."""
        self.vectors.copy_(classes[self.is_class.cumsum(0) - 1])

    def forward(self) -> torch.Tensor:
        """Unit vectors, (K, D)."""
        return F.normalize(self.vectors, dim=1)

    def classes(self) -> torch.Tensor:
        """Those of the classes that have pictures, in their order, (classes, D)."""
        return self()[self.is_class]
