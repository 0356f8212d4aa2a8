"""Tasks in Russian: of Russian SuperGLUE, XNLI, tweets, headlines, news and acceptability."""

from prep.sources.declarations import Carve, FileSource, FileSpec, HubSource, Layout
from prep.sources.row import Row
from prep.tasks.task import Rewording, Task


def _russian_superglue(folder: str) -> FileSource:
    files = {
        "train": FileSpec("train.jsonl", "jsonl"),
        "validation": FileSpec("val.jsonl", "jsonl"),
    }
    return FileSource((folder.lower(), folder), (Layout(files),))


def _hub(config: str) -> HubSource:
    return HubSource("RussianNLP/russian_super_glue", config)


DANETQA = Task(
    name="danetqa",
    kind="classification",
    description="Is the answer to the question, given the passage, yes (Russian)?",
    fields=("passage", "question", "label"),
    inputs="danetqa passage: {passage} question: {question}",
    targets="{label}",
    labels={"False": "False", "True": "True", "false": "False", "true": "True"},
    metrics=("accuracy",),
    document="{passage}",
    hf=_hub("danetqa"),
    source=_russian_superglue("DaNetQA"),
)

PARUS = Task(
    name="parus",
    kind="multiple_choice",
    description="Which of two alternatives is the more plausible cause or effect (Russian)?",
    fields=("choice1", "choice2", "premise", "question", "label"),
    inputs="parus choice1: {choice1} choice2: {choice2} premise: {premise} question: {question}",
    encoder=Rewording(
        choices=tuple(
            f"parus choice: {{{field}}} premise: {{premise}} question: {{question}}"
            for field in ("choice1", "choice2")
        )
    ),
    targets="{label}",
    labels={"0": "choice1", "1": "choice2"},
    metrics=("accuracy",),
    hf=_hub("parus"),
    source=_russian_superglue("PARus"),
)

TERRA = Task(
    name="terra",
    kind="classification",
    description="Does the premise entail the hypothesis (Russian)?",
    fields=("hypothesis", "premise", "label"),
    inputs="terra hypothesis: {hypothesis} premise: {premise}",
    targets="{label}",
    labels={"entailment": "entailment", "not_entailment": "not_entailment"},
    metrics=("accuracy",),
    hf=_hub("terra"),
    source=_russian_superglue("TERRa"),
)


def keep_russian(row: Row) -> Row | None:
    """Leaves rows of other languages out; the evaluation files of XNLI have fifteen.

    Args:
        row: A row, with a field "language" where its file has several.

    Returns:
        The row, or None.
    """
    return row if row.get("language", "ru") == "ru" else None


_XNLI_NAMES = {"sentence1": "premise", "sentence2": "hypothesis", "gold_label": "label"}

XNLI_RU = Task(
    name="xnli_ru",
    kind="classification",
    description="Does the premise entail the hypothesis (XNLI, Russian)?",
    fields=("hypothesis", "premise", "label"),
    columns=("hypothesis", "premise", "label"),
    row_functions=(keep_russian,),
    inputs="xnli_ru hypothesis: {hypothesis} premise: {premise}",
    targets="{label}",
    labels={
        "entailment": "entailment",
        "neutral": "neutral",
        "contradiction": "contradiction",
        "contradictory": "contradiction",
    },
    metrics=("accuracy",),
    hf=HubSource(
        "facebook/xnli",
        "ru",
        splits={"train": "train", "validation": "validation", "test": "test"},
    ),
    source=FileSource(
        folders=("xnli_ru", "xnli"),
        layouts=(
            Layout(
                {
                    "train": FileSpec(
                        "multinli.train.ru.tsv", "tsv", rename={"hypo": "hypothesis"}
                    ),
                    "validation": FileSpec("xnli.dev.tsv", "tsv", rename=_XNLI_NAMES),
                    "test": FileSpec("xnli.test.tsv", "tsv", rename=_XNLI_NAMES),
                }
            ),
        ),
    ),
)

_TWEET_COLUMNS = (
    *("id", "date", "author", "text", "label", "replies", "retweets", "favourites"),
    *("statuses", "followers", "friends", "lists"),
)

RU_TWITTER = Task(
    name="ru_twitter",
    kind="classification",
    description="Is the mood of the tweet good (RuTweetCorp)?",
    fields=("text", "label"),
    inputs="ru_twitter text: {text}",
    targets="{label}",
    labels={"-1": "negative", "1": "positive"},
    metrics=("accuracy", "f1"),
    source=FileSource(
        folders=("ru_twitter", "rutweetcorp"),
        layouts=(
            Layout(
                {
                    "train": FileSpec(
                        "positive.csv",
                        "csv",
                        columns=_TWEET_COLUMNS,
                        delimiter=";",
                        parts=("negative.csv",),
                    )
                },
                carve=Carve("validation", "train", 0.1),
            ),
        ),
    ),
)

_HEADLINE_RESULTS = (
    *("bad", "same", "rel", "left_right_cause", "right_left_cause"),
    *("left_right_cancel", "right_left_cancel"),
)


def _headline_files(train: str, validation: str, test: str) -> dict[str, FileSpec]:
    names = {"train": train, "validation": validation, "test": test}
    return {split: FileSpec(name, "tsv") for split, name in names.items()}


HEADLINE_CAUSE = Task(
    name="headline_cause",
    kind="classification",
    description="How are two headlines related: does one cause, or cancel, the other?",
    fields=("left_title", "right_title", "result"),
    inputs="headline_cause left: {left_title} right: {right_title}",
    targets="{result}",
    labels={word: word for word in _HEADLINE_RESULTS},
    metrics=("f1", "accuracy"),
    source=FileSource(
        folders=("headline_cause", "headlinecause"),
        layouts=(
            Layout(_headline_files("train.tsv", "validation.tsv", "test.tsv")),
            Layout(
                _headline_files(
                    "markup_26283812.tsv", "markup_26271195.tsv", "markup_26265392.tsv"
                ),
                note="three pools of the crowd's answers serve as train, validation and test",
            ),
        ),
    ),
)

LENTA = Task(
    name="lenta",
    kind="generation",
    description="Write the headline of a news article (Lenta.ru).",
    fields=("text", "title"),
    inputs="lenta text: {text}",
    targets="{title}",
    metrics=("rouge_l", "bleu"),
    language="ru",
    source=FileSource(
        folders=("lenta",),
        layouts=(
            Layout(
                {"train": FileSpec("lenta-ru-news.csv", "csv")},
                carve=Carve("validation", "train", 0.01),
            ),
        ),
    ),
)

RUCOLA = Task(
    name="rucola",
    kind="classification",
    description="Is the Russian sentence acceptable (RuCoLA)?",
    fields=("sentence", "label"),
    inputs="rucola sentence: {sentence}",
    targets="{label}",
    labels={"0": "unacceptable", "1": "acceptable"},
    metrics=("matthews", "accuracy"),
    hf=HubSource("RussianNLP/rucola", rename={"acceptable": "label"}),
    source=FileSource(
        folders=("rucola", "RuCoLA"),
        layouts=(
            Layout(
                {
                    split: FileSpec(f"{name}.csv", "csv", rename={"acceptable": "label"})
                    for split, name in (
                        ("train", "in_domain_train"),
                        ("validation", "in_domain_dev"),
                        ("test", "out_of_domain_dev"),
                    )
                },
                note="test is out_of_domain_dev.csv: sentences that machines made",
            ),
        ),
    ),
)

TASKS = (DANETQA, PARUS, TERRA, XNLI_RU, RU_TWITTER, HEADLINE_CAUSE, LENTA, RUCOLA)
