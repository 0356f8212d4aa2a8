"""Tasks of the SuperGLUE benchmark (Wang et al. 2019), fields in T5's alphabetical order."""

from prep.sources import FileSource, FileSpec, Layout
from prep.task import Task


def _jsonl_splits(**files: str) -> dict[str, FileSpec]:
    return {split: FileSpec(name, "jsonl") for split, name in files.items()}


_OFFICIAL = Layout(_jsonl_splits(train="train.jsonl", validation="val.jsonl"))

BOOLQ = Task(
    name="boolq",
    kind="classification",
    description="Is the answer to the question, given the passage, yes?",
    fields=("passage", "question", "label"),
    inputs="boolq passage: {passage} question: {question}",
    targets="{label}",
    labels={"False": "False", "True": "True"},
    metrics=("accuracy",),
    source=FileSource(
        folders=("boolq", "BoolQ"),
        layouts=(
            Layout(
                _jsonl_splits(train="train.jsonl", validation="dev32.jsonl", test="val.jsonl"),
                note=(
                    "FewGLUE: 32 rows to train on and 32 (dev32.jsonl) to validate with; the"
                    " official validation set, val.jsonl, is the test split"
                ),
            ),
            _OFFICIAL,
        ),
    ),
)

CB = Task(
    name="cb",
    kind="classification",
    description="Does the speaker's text entail the clause (CommitmentBank)?",
    fields=("hypothesis", "premise", "label"),
    inputs="cb hypothesis: {hypothesis} premise: {premise}",
    targets="{label}",
    labels={
        "entailment": "entailment",
        "contradiction": "contradiction",
        "neutral": "neutral",
    },
    metrics=("f1", "accuracy"),
    source=FileSource(folders=("cb", "CB"), layouts=(_OFFICIAL,)),
)

COPA = Task(
    name="copa",
    kind="multiple_choice",
    description="Which of two alternatives is the more plausible cause or effect?",
    fields=("choice1", "choice2", "premise", "question", "label"),
    inputs="copa choice1: {choice1} choice2: {choice2} premise: {premise} question: {question}",
    targets="{label}",
    labels={"0": "choice1", "1": "choice2"},
    metrics=("accuracy",),
    source=FileSource(folders=("copa", "COPA"), layouts=(_OFFICIAL,)),
)

TASKS = (BOOLQ, CB, COPA)
