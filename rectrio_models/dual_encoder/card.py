"""What the card of a V1 model says, from its training log: what it is, its use, its training, its limits."""

import json
from pathlib import Path

from rectrio_models.card import Parts
from rectrio_models.datasets import DatasetRecord, dataset_record
from rectrio_models.errors import ModelError


def parts(folder: Path, name: str, release: str) -> Parts:
    """The parts of a card; raises ModelError when the folder has no training log."""
    log_path = folder / "training.json"
    if not log_path.is_file():
        raise ModelError(f"{folder} has no training.json, so there is nothing to write a card from.")
    log = json.loads(log_path.read_text(encoding="utf-8"))
    record = dataset_record(log["plan"]["dataset"])
    return Parts(
        metadata={
            "license": "mit",
            "library_name": "transformers",
            "tags": ["image-search", "dual-encoder", "trained-from-scratch"],
            "datasets": [record.hub_id],
        },
        sections=[about(name, record), use(name, release, record), training(log, record)],
        limits=limits(record),
        code=Path(__file__).parent,
    )


def about(name: str, record: DatasetRecord) -> str:
    """What the model is."""
    classes = ", ".join(record.labels)
    return f"""# {name}

A small dual encoder that finds pictures of {record.title} by text and by picture: a 4-block convolutional network
for pictures and a BiLSTM for text, in one space, trained from scratch.
It knows {len(record.labels)} classes: {classes}."""


def use(name: str, release: str, record: DatasetRecord) -> str:
    """How to run it."""
    return f"""## Use

Without RecTrio, by the code this folder carries:

```python
from transformers import pipeline

classify = pipeline("zero-shot-image-classification", model="{name}", trust_remote_code=True)
classify("picture.png", candidate_labels=["a pair of boots", "a summer dress"], hypothesis_template="{{}}")
```

With RecTrio, on OpenVINO and with an index:

```python
from index_builders import open_searcher

for hit in open_searcher(release="{release}", dataset="{record.name}").search("a pair of boots", 10):
    print(hit.item.label, hit.score)
```"""


def training(log: dict, record: DatasetRecord) -> str:
    """How it was trained."""
    plan, place = log["plan"], log["environment"]
    precision = "bfloat16 in the convolutions" if place["bfloat16"] else "float32"
    return f"""## Training

`python -m rectrio_models train --dataset {record.name} --out DIR`: {plan["epochs"]} epochs and {plan["finish"]}
finishing ones in {log["seconds"] / 60:.1f} minutes on {place["machine"]}
({place["instructions"]}, {precision}), seed {plan["seed"]}, {log["parameters"]:,} parameters.

- Loss: the pairwise sigmoid of SigLIP ([arXiv 2303.15343](https://arxiv.org/abs/2303.15343)), for which every picture
  and every text of the same class are a positive pair, as in UniCL
  ([arXiv 2204.03610](https://arxiv.org/abs/2204.03610)).
- Text: sentences drawn anew for every step from templates over nouns, cuts, materials, uses and wearers, and ten
  written descriptions a class, with words dropped and misspelt.
- Pictures: moved by up to {plan["shift"]} pixels, mirrored, partly blacked out; easy ones are left out of most epochs
  (InfoBatch, [arXiv 2303.04947](https://arxiv.org/abs/2303.04947)).
- AdamW, learning rate {plan["learning_rate"]} after a warm-up, then down in a straight line to 0.
- The finishing epochs start from the best weights so far and show every picture plain.
- {plan["validation"]:,} of the training pictures are held out; of the averaged weights after each epoch, those that
  did best on them are kept (epoch {log["best_epoch"]}).

![loss and validation accuracy by epoch](training.png)"""


def limits(record: DatasetRecord) -> str:
    """What it cannot do."""
    return f"""## Limits

- It has seen {record.title} alone. Whatever it is shown or asked for, it answers with the nearest of what it knows;
  the score says how near.
- It reads English. The held-out sentences are kept out of training as sentences; most of their words are not, so
  words that training never had may fare worse.
- Pictures are fitted into the square it was trained on and prepared as the data set's own were: one subject, on a
  plain ground."""
