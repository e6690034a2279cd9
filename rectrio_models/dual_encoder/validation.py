"""How a model does, while it is trained, on the pictures that are held out."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from rectrio_models.descriptions import Descriptions
from rectrio_models.dual_encoder.device import has_bfloat16
from rectrio_models.dual_encoder.modeling_rectrio import RecTrioModel
from rectrio_models.dual_encoder.pictures import Pixels
from rectrio_models.dual_encoder.tokenization_rectrio import RecTrioTokenizer


@torch.inference_mode()
def validate(
    model: RecTrioModel,
    classes: torch.Tensor,
    present: Sequence[int],
    pixels: Pixels,
    held_out: torch.Tensor,
    gallery: torch.Tensor,
) -> tuple[float | None, float | None]:
    """The share of the held-out pictures whose nearest class is their own, and the share whose nearest picture of a
    gallery is of their class; None where there are no pictures to measure with.

    classes: embeddings, (classes, D), of the classes numbered `present`; held_out, gallery: rows of `pixels`.
    """
    if not len(held_out):
        return None, None
    queries, right = embed_pictures(model, pixels, held_out), pixels.about(held_out)[0]
    accuracy = share_right(queries, right, classes, torch.tensor(present, device=right.device))
    if not len(gallery):
        return accuracy, None
    return accuracy, share_right(queries, right, embed_pictures(model, pixels, gallery), pixels.about(gallery)[0])


def share_right(queries: torch.Tensor, labels: torch.Tensor, among: torch.Tensor, theirs: torch.Tensor) -> float:
    """The share of embeddings, (q, D), whose nearest of others, (n, D), has their label; labels are (q,) and (n,)."""
    nearest = torch.cat([(part @ among.T).argmax(dim=1) for part in queries.split(500)])
    return float((theirs[nearest] == labels).float().mean())


@torch.inference_mode()
def class_embeddings(model: RecTrioModel, tokenizer: RecTrioTokenizer, descriptions: Descriptions) -> torch.Tensor:
    """The mean embedding of each class's descriptions, (classes, D), of unit length."""
    model.eval()
    classes = []
    for words in descriptions.words.values():
        batch = tokenizer(list(words.descriptions), padding=True, return_tensors="pt").to(model.device)
        classes.append(model.get_text_features(**batch).mean(dim=0))
    return F.normalize(torch.stack(classes), dim=1)


@torch.inference_mode()
def embed_pictures(model: RecTrioModel, pixels: Pixels, rows: torch.Tensor) -> torch.Tensor:
    """The embeddings of pictures as a search shows them, float32 (len(rows), D), to bfloat16's exactness where that is
    faster."""
    model.eval()
    device = pixels.labels.device
    with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
        parts = [model.get_image_features(pixels.batch(at)).float() for at in rows.to(device).split(1000)]
    return torch.cat(parts).clone()
