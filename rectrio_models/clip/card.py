"""What the card of V2's CLIP says: the weights are not ours, what RecTrio makes of them is."""

from pathlib import Path

from rectrio_models.card import Parts
from rectrio_models.clip import precision
from rectrio_models.encoder import PROMPTS
from rectrio_models.releases import RELEASES


def parts(folder: Path, name: str, release: str) -> Parts:
    """The parts of the card."""
    hub_id = RELEASES[release].hub_id
    return Parts(
        metadata={"license": "mit", "library_name": "openvino", "base_model": hub_id, "tags": ["image-search", "clip"]},
        sections=[about(name, hub_id), use(release), precisions()],
        limits=LIMITS,
        expected=("bench",),
    )


def about(name: str, hub_id: str) -> str:
    """What it is."""
    return f"""# {name}

[{hub_id}](https://huggingface.co/{hub_id}) (Radford et al., [arXiv 2103.00020](https://arxiv.org/abs/2103.00020)) as
RecTrio runs it: exported once by optimum-intel, and its graph cut into two OpenVINO models, so that a text never pays
for a picture nor a picture for a text. The weights are not here; they are fetched from the Hub. Any other CLIP of
transformers runs just so, by its Hub id or its folder."""


def use(release: str) -> str:
    """How to run it."""
    return f"""## Use

```sh
python -m rectrio_models download {release}
python -m index_builders search --release {release} "a pair of boots"
```

```python
from PIL import Image

from rectrio_models import load_encoder

encoder = load_encoder("{release}")
encoder.zero_shot([Image.open("picture.jpg")], ["a cat", "a dog", "neither"])
```

Labels are asked in {len(PROMPTS)} prompts each, whose embeddings are averaged."""


def precisions() -> str:
    """How the precision is chosen."""
    limits = precision.LIMITS
    return f"""## Precision

f32, bf16 where the CPU multiplies it, and int8 (NNCF's post-training quantisation, calibrated on
{precision.CALIBRATE} pictures and on texts of the gallery). bf16 and int8 are first held against f32 on
{precision.KEEP_OUT} other pictures. A precision is refused, with the figures, unless

- the cosine of its embeddings with those of f32 is at least {limits.image_cosine:g} for pictures and
  {limits.text_cosine:g} for texts, on average,
- {limits.overlap_at_10:.0%} of the ten best pictures of a text stay among the ten best,
- class accuracy loses no more than {limits.class_drop:.0%}.

Without `--precision`, the fastest that holds is taken."""


LIMITS = """## Limits

- CLIP reads English, and at most 77 tokens; of a longer query the rest is cut, and the page says so.
- PyTorch's times for texts are at 77 tokens, to which CLIP's own code pads; OpenVINO's at the texts' own length.
- What its authors say of its biases and of the uses it is not for holds here too:
  [the model card of CLIP](https://github.com/openai/CLIP/blob/main/model-card.md).
- Figures on random weights tell speed and memory, which the values do not change, and nothing of accuracy."""
