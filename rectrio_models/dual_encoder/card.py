"""What the card of a V1 model says, from its training log: what it is, its use, its training, its limits."""

import json
from pathlib import Path

from rectrio_models.attributes import ATTRIBUTES
from rectrio_models.card import Parts
from rectrio_models.datasets import OWN, DatasetRecord, dataset_record
from rectrio_models.errors import ModelError


def parts(folder: Path, name: str, release: str) -> Parts:
    """The parts of a card; raises ModelError when the folder has no training log, or one of an earlier RecTrio."""
    log_path = folder / "training.json"
    if not log_path.is_file():
        raise ModelError(f"{folder} has no training.json, so there is nothing to write a card from.")
    log = json.loads(log_path.read_text(encoding="utf-8"))
    if "mix" not in log["plan"]:
        raise ModelError(
            f"{folder} was trained by an earlier RecTrio, whose training no card describes: train it anew."
        )
    record = record_in(log)
    return Parts(
        metadata={
            "language": ["en", *(() if record.name == OWN else record.descriptions().languages)],
            "license": "mit",
            "library_name": "transformers",
            "tags": ["image-search", "dual-encoder", "trained-from-scratch"],
            **({} if log.get("data_note") or not record.hub_id else {"datasets": [record.hub_id]}),
        },
        sections=[about(name, log, record), use(name, release, record), training(log, record)],
        limits=limits(record, log["plan"]),
        code=Path(__file__).parent,
        expected=(
            "evaluation",
            "bench",
            *(("gallery",) if record.gallery else ()),
            *(() if record.name == OWN else (f"refusals-{record.name}",)),
        ),
    )


def record_in(log: dict) -> DatasetRecord:
    """The data set of a training log; of the user's own pictures, what the log says of them."""
    if log["plan"]["dataset"] != OWN:
        return dataset_record(log["plan"]["dataset"])
    told = log["data"]
    return DatasetRecord(name=OWN, title=told["title"], labels=tuple(told["labels"]), hub_id="", hub_files="")


def about(name: str, log: dict, record: DatasetRecord) -> str:
    """What the model is."""
    classes = ", ".join(record.labels)
    scratch = f"from {log['plan']['init_from']}" if log["plan"]["init_from"] else "from scratch"
    return f"""# {name}

A small dual encoder that finds pictures of {record.title} by text and by picture: a 4-block convolutional network
for pictures and a BiLSTM for text, in one space, trained {scratch}.
It knows {len(record.labels)} classes: {classes}."""


def use(name: str, release: str, record: DatasetRecord) -> str:
    """How to run it."""
    queries = ["a pair of boots", "a summer dress"] if record.name == "fashion-mnist" else list(record.labels[:2])
    place = 'data="DIR"' if record.name == OWN else f'dataset="{record.name}"'
    asked = json.dumps(queries[0], ensure_ascii=False)
    return f"""## Use

Without RecTrio, by the code this folder carries:

```python
from transformers import pipeline

classify = pipeline("zero-shot-image-classification", model="{name}", trust_remote_code=True)
classify("picture.png", candidate_labels={json.dumps(queries, ensure_ascii=False)}, hypothesis_template="{{}}")
```

With RecTrio, on OpenVINO and with an index:

```python
from index_builders import open_searcher

for hit in open_searcher(release="{release}", {place}).search({asked}, 10):
    print(hit.item.label, hit.score)
```"""


def training(log: dict, record: DatasetRecord) -> str:
    """How it was trained."""
    plan, place = log["plan"], log["environment"]
    command = "--data DIR --out DIR2" if record.name == OWN else f"--dataset {record.name} --out DIR"
    command += f" --init-from {plan['init_from']}" if plan["init_from"] else ""
    precision = "bfloat16 in the convolutions" if place["bfloat16"] else "float32"
    return f"""## Training

{trained_on(log, record)}

`python -m rectrio_models train {command}{options(plan)}`: {epochs(plan)}
in {log["seconds"] / 60:.1f} minutes on {place["machine"]}
({place["instructions"]}, {precision}), seed {plan["seed"]}, {log["parameters"]:,} parameters.

- Pictures come first: they learn from a vector for each class and, where there are attributes, for each of those; the
  vectors are thrown away. Then the text tower learns to find the finished pictures.
- Loss: the pairwise sigmoid of SigLIP ([arXiv 2303.15343](https://arxiv.org/abs/2303.15343)), for which every picture
  and every vector, later text, of the same class are a positive pair, as in UniCL
  ([arXiv 2204.03610](https://arxiv.org/abs/2204.03610)).
{pictures(plan)}
{texts(plan, record)}
- {optimizer(plan)} after a warm-up, then down in a straight line to 0.
{choice(log)}

![loss and validation accuracy by epoch](training.png)"""


def trained_on(log: dict, record: DatasetRecord) -> str:
    """Which pictures it has seen."""
    held = log["plan"]["hold_out"]
    out = f" Held out altogether, and measured: {', '.join(f'`{pattern}`' for pattern in held)}." if held else ""
    begun = f"from the weights of {log['plan']['init_from']}" if log["plan"]["init_from"] else "from scratch"
    return f"Trained {begun} on {log.get('data_note') or f'the training split of {record.title}'}.{out}"


def options(plan: dict) -> str:
    """What the command was told besides."""
    held = plan["hold_out"]
    return " --data DIR --hold-out " + " ".join(f"'{pattern}'" for pattern in held) if held else ""


def optimizer(plan: dict) -> str:
    """What stepped the weights, and how far."""
    rate = plan["learning_rate"]
    if not plan["muon"]:
        return f"AdamW, learning rate {rate}"
    return (
        f"Muon for the filters of the image tower, learning rate {plan['muon'] * rate:g}; AdamW for everything else, "
        f"{rate};\n  both"
    )


def texts(plan: dict, record: DatasetRecord) -> str:
    """What it learned to read from."""
    if record.name == OWN:
        told = """\
- Text: sentences drawn anew for every step from templates over what `descriptions.yaml` in this folder says of each
  class, with words dropped and misspelt; other words for a class as far as WordNet has them"""
    else:
        told = """\
- Text: drawn anew for every step from templates over nouns, looks, details, uses and wearers, and ten written
  descriptions a class, with words dropped and misspelt; in English, German, Spanish, French, Italian and
  Portuguese; and WordNet's names and definitions of each class"""
    absent = f"{plan['absent']:.0%} of the texts are about things that the\n  data set does not hold."
    if attributes := ", ".join(attribute.name for attribute in ATTRIBUTES.get(record.name, ())):
        absent += f"""
- Attributes: {attributes}.
  A text that asks for one fits the pictures of its class by where their pixels place them among each other."""
    judged = (
        """
- Beside the text tower, a linear judge learns to tell the texts about absent things by their embeddings, which
  makes them lie apart; it is thrown away."""
        if plan["judge"]
        else ""
    )
    return f"""{told}. {absent}
- The text tower takes {plan["text_epochs"] * plan["text_steps"]:,} steps of {plan["text_batch"]} texts,
  learning rate {plan["text_rate"]}.{judged}"""


def choice(log: dict) -> str:
    """How the weights that are kept were chosen."""
    if not log["plan"]["validation"]:
        return "- The pictures are too few to hold some out: the averaged weights of the last epoch are kept."
    return f"""\
- {log["plan"]["validation"]:,} of the training pictures are held out; of the averaged weights after each epoch, those
  that did best on them are kept (epoch {log["best_epoch"]})."""


def epochs(plan: dict) -> str:
    """How long it was trained."""
    finishing = f" and {plan['finish']} finishing ones" if plan["finish"] else ""
    return f"{plan['epochs']} epochs{finishing}, then the texts,"


def pictures(plan: dict) -> str:
    """What was done to the training pictures, and who else judged them."""
    mixed = (
        f"""
- {plan["mix"]:.0%} of them have a piece of another put into them, and fit what either fits by its share of the area
  (CutMix, [arXiv 1905.04899](https://arxiv.org/abs/1905.04899))."""
        if plan["mix"]
        else ""
    )
    if not plan["photos"]:
        small = ", shown small at first" if plan["first_side"] else ""
        return f"""\
- Pictures: moved by up to {plan["shift"]} pixels, mirrored, partly blacked out{small}; easy ones are left out of most
  epochs (InfoBatch, [arXiv 2303.04947](https://arxiv.org/abs/2303.04947)).{mixed}
- The finishing epochs start from the best weights so far and show every picture plain."""
    told = f"""\
- Pictures: cropped, mirrored, recoloured, blurred, made grey, noised and partly blacked out, anew each time; shown
  small at first; those of rare classes are drawn oftener.{mixed}"""
    if plan["last_side"]:
        told += f"""
- A search shows whole photos larger than the {plan["last_side"]} pixels of the last crops, as things look smaller in
  them ([arXiv 1906.06423](https://arxiv.org/abs/1906.06423))."""
    if not plan["teach_features"] and not plan["teach_classes"]:
        return told
    return f"""{told}
- Teacher, in training alone: EfficientNet-Lite0, which was trained on ImageNet; two linear readings of the embedding
  learn its features and its classes ([arXiv 1503.02531](https://arxiv.org/abs/1503.02531)) of the same crop
  ([arXiv 2101.05022](https://arxiv.org/abs/2101.05022))."""


def limits(record: DatasetRecord, plan: dict) -> str:
    """What it cannot do."""
    if record.name == OWN:
        return f"""## Limits

- It has seen {record.title} alone. Whatever it is shown or asked for, it answers with the nearest of what it knows;
  the score says how near.
- It reads the words that `descriptions.yaml` has for a class, and few others."""
    prepared = (
        """Photos are stretched to the square it was trained on: it knows one animal or thing, large in the picture."""
        if plan["photos"]
        else """Pictures are fitted into the square it was trained on and prepared as the data set's own were: one
  subject, on a plain ground."""
    )
    return f"""## Limits

- It has seen pictures of the classes of {record.title} alone. Whatever it is shown or asked for, it embeds near
  something that it knows. How often a search takes that for a match stands above, where it was measured.
- It reads English, German, Spanish, French, Italian and Portuguese, as far as its word lists go: a word that training
  never had is guessed from its letters. The held-out sentences are kept out of training as sentences; most of their
  words are not.
- {prepared}"""
