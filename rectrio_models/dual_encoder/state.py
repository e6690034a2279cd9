"""All that changes while training, and the checkpoint it goes on from."""

import json
from collections import defaultdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel

from rectrio_models.dual_encoder.concepts import Concepts
from rectrio_models.dual_encoder.modeling_rectrio import RecTrioModel
from rectrio_models.dual_encoder.optimizer import Optimizer
from rectrio_models.dual_encoder.plan import Plan
from rectrio_models.dual_encoder.teacher import Pupil
from rectrio_models.errors import TrainingError


class State:
    """All that changes while training."""

    def __init__(self, model: RecTrioModel, concepts: Concepts, pupil: Pupil | None, *, pictures: int):
        self.model, self.concepts, self.pupil = model, concepts, pupil
        # what is averaged, and kept at its best: pictures and concepts that grew together are measured together
        self.learned = torch.nn.ModuleDict({"model": model, "concepts": concepts})
        # whether a text is about anything there is, by its embedding; only the text epochs need it
        self.judge = torch.nn.Linear(model.config.projection_dim, 1).to(model.device)
        self.losses = torch.full((pictures,), torch.inf)  # of each picture when it was last shown
        self.best: dict[str, torch.Tensor] = {}  # the averaged weights after the best epoch so far

    def begin(self, plan: Plan, epoch: int) -> None:
        """Begin the stage that an epoch belongs to: choose what is trained, and average and optimize it anew."""
        texts, plain = plan.stage(epoch) == "texts", plan.stage(epoch) == "plain"
        for part in (self.model.image_tower, self.model.image_projection):
            part.requires_grad_(not texts)
        for part in (self.model.text_tower, self.model.text_projection):
            part.requires_grad_(texts)
        self.average = moving_average(self.learned, plan.finish_average if plain else plan.average)
        self.optimizer = Optimizer(plan, self.model, *([self.judge] if texts else [self.concepts, self.pupil]))

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """What changes as a module, by its name in a checkpoint."""
        names = ("learned", "average", "judge", "pupil")
        return {name: module for name in names if (module := getattr(self, name)) is not None}

    def learn(self, loss: torch.Tensor, rate: float) -> None:
        """One step of the optimizer at a learning rate, and of the average."""
        self.optimizer.step(loss, rate)
        self.average.update_parameters(self.learned)

    def keep_best(self) -> None:
        """Keep the averaged weights as the best."""
        self.best = {name: value.clone() for name, value in self.average.module.state_dict().items()}

    def save(self, path: Path, log: dict) -> None:
        """Write the state after an epoch into one file, whole or not at all."""
        tensors = {"losses": self.losses}
        parts = {name: module.state_dict() for name, module in self.modules.items()}
        parts |= {"best": self.best, "optimizer": self.optimizer.tensors()}
        for part, values in parts.items():
            # clones, as a file may hold each tensor once and the best weights can be the averaged ones
            tensors |= {
                f"{part}.{name}": value.clone(memory_format=torch.contiguous_format) for name, value in values.items()
            }
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}")
        try:
            save_file(tensors, draft, metadata={"log": json.dumps(log)})
        except SafetensorError as error:
            raise TrainingError(
                f"{path} cannot be written ({error}). Free some space, then go on with --resume."
            ) from error
        draft.replace(path)

    def load(self, plan: Plan, path: Path) -> dict:
        """Take the state up again; returns the log so far."""
        log = checkpoint_log(path)
        self.begin(plan, len(log["epochs"]) - 1)
        parts = defaultdict(dict)
        for name, value in load_file(path).items():
            if name == "losses":
                self.losses.copy_(value)
            else:
                part, rest = name.split(".", 1)
                parts[part][rest] = value
        for name, module in self.modules.items():
            module.load_state_dict(parts[name])
        self.best = parts["best"]
        self.optimizer.load(parts["optimizer"])
        return log


def moving_average(module: torch.nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of the weights that is short at first, so as to forget the random start."""

    @torch.no_grad()
    def update(averaged: list[torch.Tensor], current: list[torch.Tensor], number: torch.Tensor) -> None:
        share = 1 - min(decay, (1 + int(number)) / (10 + int(number)))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share)
            else:  # batch norm's count of batches
                mean.copy_(value)

    return AveragedModel(module, multi_avg_fn=update, use_buffers=True)


def checkpoint_log(path: Path) -> dict:
    """The log inside a checkpoint; raises TrainingError when that is damaged."""
    try:
        with safe_open(path, "pt") as file:
            return json.loads(file.metadata()["log"])
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise TrainingError(f"{path} is damaged ({error}). Delete it and train anew.") from error
