"""Where the tasks of SuperGLUE are found, the same for all of them."""

from prep.sources.declarations import Carve, FileSpec, HubSource, Layout, TfdsSource

_TRAINING_SHARE = 0.8  # of a validation file that is all there is


def jsonl_splits(**files: str) -> dict[str, FileSpec]:
    """Name the JSON Lines file of each split."""
    return {split: FileSpec(name, "jsonl") for split, name in files.items()}


OFFICIAL = Layout(jsonl_splits(train="train.jsonl", validation="val.jsonl"))

VALIDATION_ALONE = Layout(
    jsonl_splits(validation="val.jsonl"), carve=Carve("train", "validation", _TRAINING_SHARE)
)


def in_tfds(config: str) -> TfdsSource:
    """Name a task in TensorFlow Datasets."""
    return TfdsSource("super_glue", config)


def on_hub(config: str) -> HubSource:
    """Name a task on the Hugging Face hub."""
    return HubSource("aps/super_glue", config)
