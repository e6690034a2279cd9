"""The folder that a run writes into: a checkpoint while it lasts, a model in Hub form when it is done."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rectrio_models.dual_encoder.configuration_rectrio import RecTrioConfig
from rectrio_models.dual_encoder.modeling_rectrio import RecTrioModel
from rectrio_models.dual_encoder.plan import Plan
from rectrio_models.dual_encoder.processing_rectrio import RecTrioProcessor
from rectrio_models.dual_encoder.state import checkpoint_log
from rectrio_models.errors import TrainingError
from rectrio_models.figures import MEASURED

LOG, CURVE, CHECKPOINT = "training.json", "training.png", "checkpoint.safetensors"


def unfinished_run(plan: Plan, out: Path, *, resume: bool, fresh: bool) -> bool:
    """Whether there is a checkpoint in `out` to go on from; raises TrainingError where that is not what was asked."""
    checkpoint = out / CHECKPOINT
    if not checkpoint.exists():
        check_folder(out)
        if resume:
            raise TrainingError(f"{out} holds no unfinished run to resume. Leave --resume out.")
        if (out / "model.safetensors").exists() and not fresh:
            raise TrainingError(f"{out} holds a finished model. Train over it with --fresh, or give another --out.")
        return False
    begun = checkpoint_log(checkpoint)
    total = sum(begun["plan"].get(kind, 0) for kind in ("epochs", "finish", "text_epochs"))
    done = f"{out} holds an unfinished run, {len(begun['epochs'])} of {total} epochs done."
    if fresh:
        return False  # the first new checkpoint takes the place of the old
    if not resume:
        raise TrainingError(f"{done} Go on with --resume, or begin anew with --fresh.")
    if changed := [name for name, value in plan.as_json().items() if begun["plan"].get(name) != value]:
        was = ", ".join(f"{name.replace('_', ' ')} {begun['plan'].get(name)}" for name in changed)
        raise TrainingError(f"{done} It was begun with {was}: resume with the same, or begin anew with --fresh.")
    return True


def check_folder(out: Path) -> None:
    """Raise TrainingError when `out` holds files of anything else than a RecTrio model."""
    if out.is_dir():
        for left in out.glob(".draft-*"):  # of a run that was killed while it wrote its model
            shutil.rmtree(left)
        (out / f".{CHECKPOINT}").unlink(missing_ok=True)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        kind = json.loads((out / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        kind = None
    if kind != RecTrioConfig.model_type:
        raise TrainingError(f"{out} holds something else than a RecTrio model. Give a new or an empty folder.")


def save_model_folder(
    model: RecTrioModel, processor: RecTrioProcessor, log: dict, out: Path, *, more: Mapping[str, str]
) -> None:
    """Write the model in Hub form, with its code (`trust_remote_code`), the log and its curve, and more texts by the
    names of their files.

    The old weights and what was measured with them go first, the new weights come last: a folder that was left in
    between is refused for want of weights, and never answers with a mixture.
    """
    model.config.auto_map = {
        "AutoConfig": "configuration_rectrio.RecTrioConfig",
        "AutoModel": "modeling_rectrio.RecTrioModel",
        "AutoModelForZeroShotImageClassification": "modeling_rectrio.RecTrioModel",
    }
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=out) as folder:
        draft = Path(folder)
        processor.save_pretrained(draft)
        model.save_pretrained(draft)
        (draft / LOG).write_text(json.dumps(log, indent=1) + "\n")
        plot_curve(log, draft / CURVE)
        for name, text in more.items():
            (draft / name).write_text(text, encoding="utf-8")
        for old in ("model.safetensors", *(f"{name}.json" for name in MEASURED)):
            (out / old).unlink(missing_ok=True)
        for file in sorted(draft.iterdir(), key=lambda file: file.suffix == ".safetensors"):
            file.chmod(0o644)
            file.replace(out / file.name)


def plot_curve(log: dict, path: Path) -> None:
    """Loss and validation accuracy by epoch, as a PNG."""
    from matplotlib.figure import Figure

    entries = [entry for entry in log["epochs"] if entry["stage"] != "texts"]  # whose loss is another
    epochs = [entry["epoch"] for entry in entries]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    left.plot(epochs, [entry["loss"] for entry in entries], color="tab:gray", label="training loss")
    if validated := [entry for entry in entries if entry["validation_accuracy"] is not None]:
        accuracies = [100 * entry["validation_accuracy"] for entry in validated]
        right.plot([entry["epoch"] for entry in validated], accuracies, color="tab:blue", label="accuracy")
    if finishing := [entry for entry in entries if entry["validation_top_1"] is not None]:
        top_1 = [100 * entry["validation_top_1"] for entry in finishing]
        right.plot([entry["epoch"] for entry in finishing], top_1, color="tab:orange", label="same class at rank 1")
    right.axvline(log["best_epoch"], color="tab:blue", linestyle=":")
    left.set(xlabel="epoch", ylabel="training loss (grey)")
    right.set(ylabel="validation: class accuracy, % (blue), rank 1 (orange)")
    figure.savefig(path, dpi=120, metadata={"Software": None})
