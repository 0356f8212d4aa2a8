"""From facts to a sentence: restaurants (E2E NLG) and explanations (e-CARE)."""

from prep.sources.declarations import Carve, FileSource, FileSpec, HubSource, Layout
from prep.tasks.task import Task

_TRAINING_SHARE = 0.8  # of a file that is all there is
_ALL_SPLITS = {"train": "train", "validation": "validation", "test": "test"}


def _csv_files(train: str, validation: str, test: str) -> dict[str, FileSpec]:
    names = {"train": train, "validation": validation, "test": test}
    return {split: FileSpec(name, "csv") for split, name in names.items()}


E2E_NLG = Task(
    name="e2e_nlg",
    kind="generation",
    description="Describe a restaurant of which some facts are given (E2E NLG).",
    fields=("mr", "ref"),
    inputs="e2e_nlg meaning: {mr}",
    targets="{ref}",
    metrics=("bleu", "rouge_l"),
    language="en",
    hf=HubSource(
        "GEM/e2e_nlg",
        splits=_ALL_SPLITS,
        rename={"meaning_representation": "mr", "target": "ref"},
    ),
    source=FileSource(
        folders=("e2e_nlg", "e2e_cleaned", "cleaned-data"),
        layouts=(
            Layout(_csv_files("train-fixed.no-ol.csv", "devel-fixed.no-ol.csv", "test-fixed.csv")),
            Layout(_csv_files("trainset.csv", "devset.csv", "testset_w_refs.csv")),
            Layout(
                {"validation": FileSpec("devel-fixed.no-ol.csv", "csv")},
                carve=Carve("train", "validation", _TRAINING_SHARE),
            ),
        ),
    ),
)

E_CARE_EXPLANATION = Task(
    name="e_care_explanation",
    kind="generation",
    description="Why does the cause have the effect? Write the explanation (e-CARE).",
    fields=("cause", "effect", "conceptual_explanation"),
    inputs="e_care_explanation cause: {cause} effect: {effect}",
    targets="{conceptual_explanation}",
    metrics=("bleu", "rouge_l"),
    language="en",
    source=FileSource(
        folders=("ecare", "e_care", "Explanation_Generation"),
        layouts=(
            *(
                Layout(
                    {
                        "train": FileSpec(f"{prefix}train.jsonl", "jsonl"),
                        "validation": FileSpec(f"{prefix}dev.jsonl", "jsonl"),
                    }
                )
                for prefix in ("eg_", "")
            ),
            Layout(
                {"validation": FileSpec("eg_dev.jsonl", "jsonl")},
                carve=Carve("train", "validation", _TRAINING_SHARE),
            ),
        ),
    ),
)

TASKS = (E2E_NLG, E_CARE_EXPLANATION)
