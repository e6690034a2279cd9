"""Registers the RecTrio classes with transformers' Auto classes, each at the moment the Auto class is imported.

So `AutoModel.from_pretrained` and `pipeline` know RecTrio after `import rectrio_models`, in either order of imports,
and a program that needs no transformers does not load it.
"""

import wrapt

AUTO = "transformers.models.auto"


@wrapt.when_imported(f"{AUTO}.configuration_auto")
def register_config(module) -> None:
    from rectrio_models import RecTrioConfig

    module.AutoConfig.register("rectrio", RecTrioConfig, exist_ok=True)


@wrapt.when_imported(f"{AUTO}.modeling_auto")
def register_model(module) -> None:
    from rectrio_models import RecTrioConfig, RecTrioModel

    module.AutoModel.register(RecTrioConfig, RecTrioModel, exist_ok=True)
    module.AutoModelForZeroShotImageClassification.register(RecTrioConfig, RecTrioModel, exist_ok=True)


@wrapt.when_imported(f"{AUTO}.image_processing_auto")
def register_image_processor(module) -> None:
    from rectrio_models import RecTrioConfig, RecTrioImageProcessor

    # one class for either backend: it needs neither
    backends = dict.fromkeys(("pil", "torchvision"), RecTrioImageProcessor)
    module.AutoImageProcessor.register(RecTrioConfig, image_processor_classes=backends, exist_ok=True)


@wrapt.when_imported(f"{AUTO}.tokenization_auto")
def register_tokenizer(module) -> None:
    from rectrio_models import RecTrioConfig, RecTrioTokenizer

    module.AutoTokenizer.register(RecTrioConfig, RecTrioTokenizer, exist_ok=True)


@wrapt.when_imported(f"{AUTO}.processing_auto")
def register_processor(module) -> None:
    from rectrio_models import RecTrioConfig, RecTrioProcessor

    module.AutoProcessor.register(RecTrioConfig, RecTrioProcessor, exist_ok=True)
