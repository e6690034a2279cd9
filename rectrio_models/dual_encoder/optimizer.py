"""The optimizer of a training run: Muon for the filters of the image tower, AdamW for everything else."""

import torch
from torch import nn

from rectrio_models.dual_encoder.device import has_bfloat16
from rectrio_models.dual_encoder.muon import Muon
from rectrio_models.dual_encoder.plan import Plan


class Optimizer:
    """Steps what is to be trained in some modules.

    Muon turns the momentum of a matrix into the nearest orthogonal one, so that every direction of it moves as far; a
    filter bank (out, in, h, w) is a matrix of (out, h · w · in). Garments and photos alike are learned in fewer epochs
    with it than with AdamW alone. Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks
    (2024), as torch.optim has it, or in float32. Biases, batch norms and the logit's scale and bias are not decayed.
    """

    def __init__(self, plan: Plan, *modules: nn.Module | None):
        self.muon = plan.muon
        self.parameters = [p for module in modules if module for p in module.parameters() if p.requires_grad]
        self.filters = [p for p in self.parameters if p.ndim == 4] if plan.muon else []
        # the same memory, channels last, seen as matrices: Muon takes nothing else
        self.matrices = [nn.Parameter(p.data.permute(0, 2, 3, 1).view(len(p), -1)) for p in self.filters]
        others = [p for p in self.parameters if p.ndim != 4 or not plan.muon]
        groups = [
            {"params": [p for p in others if p.ndim > 1], "weight_decay": plan.weight_decay},
            {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.parts: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups)]
        if self.matrices:
            kind = torch.optim.Muon if has_bfloat16(self.matrices[0].device) else Muon
            self.parts.append(kind(self.matrices, weight_decay=plan.weight_decay, momentum=0.9))

    def step(self, loss: torch.Tensor, rate: float) -> None:
        """One step down the gradient of a loss, at a learning rate."""
        for part, times in zip(self.parts, (1, self.muon), strict=False):
            for group in part.param_groups:
                group["lr"] = rate * times
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        for bank, matrix in zip(self.filters, self.matrices, strict=True):
            matrix.grad = bank.grad.permute(0, 2, 3, 1).reshape(matrix.shape)
        for part in self.parts:
            part.step()

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return self.parts[0].param_groups[0]["lr"]

    def tensors(self) -> dict[str, torch.Tensor]:
        """The moments, by the numbers of the part and of the parameter and by their name."""
        return {
            f"{place}.{number}.{name}": value
            for place, part in enumerate(self.parts)
            for number, moments in part.state_dict()["state"].items()
            for name, value in moments.items()
        }

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take up what `tensors` gave."""
        states: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in self.parts]
        for key, value in tensors.items():
            place, number, name = key.split(".")
            states[int(place)].setdefault(int(number), {})[name] = value
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})
