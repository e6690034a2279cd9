"""A trained model to start another training from: `train --init-from`."""

from dataclasses import dataclass
from pathlib import Path

import torch

from rectrio_models.dual_encoder.configuration_rectrio import RecTrioConfig
from rectrio_models.dual_encoder.tokenization_rectrio import RecTrioTokenizer
from rectrio_models.errors import TrainingError
from rectrio_models.releases import RELEASES, is_hub_id, model_folder, read_json


@dataclass(frozen=True)
class StartingPoint:
    """What a run takes over from a model: all but the classes."""

    config: RecTrioConfig
    tokenizer: RecTrioTokenizer  # its subwords are bytes at worst, so it spells any new word
    weights: dict[str, torch.Tensor]
    image_processor: dict  # its fields in processor_config.json

    def statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each channel, (C,) of 0 to 1, as the model was trained with."""
        return torch.tensor(self.image_processor["image_mean"]), torch.tensor(self.image_processor["image_std"])

    @property
    def photos(self) -> bool:
        """Whether it was trained on photos."""
        return self.image_processor.get("stretch", False)


def starting_point(folder: Path) -> StartingPoint:
    """Read a model folder; raises ModelError where it is damaged, and TrainingError where it is none of V1's kind."""
    from rectrio_models.dual_encoder.inference import load_torch

    kind = read_json(folder / "config.json").get("model_type")
    if kind != RecTrioConfig.model_type:
        raise TrainingError(
            f"{folder.name} is a model of the type “{kind}”; training starts from a RecTrio model (V1)."
        )
    model = load_torch(folder)
    return StartingPoint(
        config=model.config,
        tokenizer=RecTrioTokenizer.from_pretrained(folder, local_files_only=True),
        weights={name: value.clone() for name, value in model.state_dict().items()},
        image_processor=read_json(folder / "processor_config.json")["image_processor"],
    )


def start_named(release: str) -> tuple[Path, str]:
    """The folder of a model to start from, and what a log calls it, which is no path."""
    folder = model_folder(release)
    return folder, release if release in RELEASES or is_hub_id(release) else folder.resolve().name
