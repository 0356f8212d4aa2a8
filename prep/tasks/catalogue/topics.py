"""One text, one class: reviews (IMDB, Yelp), questions (TREC), posts (Stack Overflow quality)."""

from prep.sources.declarations import Carve, FileSource, FileSpec, HubSource, Layout, TfdsSource
from prep.sources.row import Row, RowError
from prep.tasks.task import Rewording, Task

# What is carved out of train where the publication has no validation set: about 1,000 rows.
_IMDB_SHARE, _YELP_SHARE, _TREC_SHARE = 0.04, 0.002, 0.1
_TRAIN_AND_TEST = {"train": "train", "test": "test"}
_POLARITY = {"0": "negative", "1": "positive"}


def _with_validation(train: FileSpec, test: FileSpec, share: float) -> Layout:
    return Layout({"train": train, "test": test}, carve=Carve("validation", "train", share))


def _reviews(split: str) -> FileSpec:
    """Declare one file per review, in a folder per label, as IMDB's authors give them away."""
    parts = (f"{split}/pos",)
    return FileSpec(f"{split}/neg", "folder", parts=parts, rename={"folder": "label"})


IMDB = Task(
    name="imdb",
    kind="classification",
    description="Is the film review positive (IMDB)?",
    fields=("text", "label"),
    inputs="imdb text: {text}",
    targets="{label}",
    labels={
        **{"negative": "negative", "positive": "positive", **_POLARITY},
        **{"neg": "negative", "pos": "positive"},
    },
    metrics=("accuracy",),
    hyperformer=Rewording(inputs="{text}"),
    tfds=TfdsSource("imdb_reviews", "plain_text", splits=_TRAIN_AND_TEST),
    hf=HubSource("stanfordnlp/imdb", splits=_TRAIN_AND_TEST),
    source=FileSource(
        folders=("imdb", "aclImdb"),
        layouts=(
            _with_validation(_reviews("train"), _reviews("test"), _IMDB_SHARE),
            _with_validation(
                FileSpec("train.jsonl", "jsonl"), FileSpec("test.jsonl", "jsonl"), _IMDB_SHARE
            ),
            _with_validation(
                FileSpec("train.csv", "csv"), FileSpec("test.csv", "csv"), _IMDB_SHARE
            ),
            _with_validation(
                FileSpec("train-00000-of-00001.parquet", "parquet"),
                FileSpec("test-00000-of-00001.parquet", "parquet"),
                _IMDB_SHARE,
            ),
            Layout(
                {
                    "train": FileSpec(
                        "IMDB Dataset.csv", "csv", rename={"review": "text", "sentiment": "label"}
                    )
                },
                carve=Carve("validation", "train", 0.5),
                note="one file of 50,000 reviews, halved",
            ),
        ),
    ),
)

_YELP_COLUMNS = ("label", "text")

YELP_POLARITY = Task(
    name="yelp_polarity",
    kind="classification",
    description="Is the review positive (Yelp, two classes)?",
    fields=("text", "label"),
    inputs="yelp_polarity sentence: {text}",
    targets="{label}",
    labels={"1": "negative", "2": "positive"},
    metrics=("accuracy",),
    tfds=TfdsSource("yelp_polarity_reviews", splits=_TRAIN_AND_TEST, labels=_POLARITY),
    hf=HubSource("fancyzhx/yelp_polarity", splits=_TRAIN_AND_TEST, labels=_POLARITY),
    source=FileSource(
        folders=("yelp_polarity", "yelp_review_polarity_csv"),
        layouts=(
            _with_validation(
                FileSpec("train.csv", "csv", columns=_YELP_COLUMNS),
                FileSpec("test.csv", "csv", columns=_YELP_COLUMNS),
                _YELP_SHARE,
            ),
        ),
    ),
)

# In the order of the numbers that HyperFormer writes.
_TREC_LABELS = {
    "DESC": "description",
    "ENTY": "entity",
    "ABBR": "abbreviation",
    "HUM": "human",
    "NUM": "number",
    "LOC": "location",
}
_TREC_HUB_ORDER = ("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM")


def split_question(row: Row) -> Row:
    """Takes a line such as "NUM:date When did Hawaii become a state ?" apart.

    Args:
        row: A row with the field "line".

    Returns:
        A row with the fields text and label.

    Raises:
        RowError: If the line does not begin with a class.
    """
    labels, _, text = row["line"].partition(" ")
    coarse, colon, _ = labels.partition(":")
    if not colon:
        raise RowError("no class", repr(labels))
    return {"text": text, "label": coarse}


TREC = Task(
    name="trec",
    kind="classification",
    description="What kind of answer does the question ask for (TREC, six classes)?",
    fields=("text", "label"),
    inputs="trec sentence: {text}",
    targets="{label}",
    labels=_TREC_LABELS,
    metrics=("accuracy",),
    tfds=TfdsSource("trec", splits=_TRAIN_AND_TEST, rename={"label-coarse": "label"}),
    hf=HubSource(
        "CogComp/trec",
        splits=_TRAIN_AND_TEST,
        rename={"coarse_label": "label"},
        labels={str(_TREC_HUB_ORDER.index(value)): word for value, word in _TREC_LABELS.items()},
    ),
    source=FileSource(
        folders=("trec", "TREC"),
        layouts=(
            _with_validation(
                FileSpec("train_5500.label", "lines", encoding="latin-1"),
                FileSpec("TREC_10.label", "lines", encoding="latin-1"),
                _TREC_SHARE,
            ),
        ),
        row_functions=(split_question,),
    ),
)

STACK_OVERFLOW_QUALITY = Task(
    name="stack_overflow_quality",
    kind="classification",
    description="How good is the question: none (closed), low (edited by others) or high?",
    fields=("Title", "Body", "Y"),
    inputs="quality: {Title}</s>{Body}",
    targets="{Y}",
    labels={"LQ_CLOSE": "none", "LQ_EDIT": "low", "HQ": "high"},
    metrics=("accuracy", "f1"),
    hyperformer=Rewording(inputs="title: {Title} body: {Body}"),
    truncation="head_tail",
    source=FileSource(
        folders=("stack_overflow_quality",),
        layouts=(
            Layout(
                {"train": FileSpec("train.csv", "csv"), "validation": FileSpec("valid.csv", "csv")}
            ),
            Layout(
                {"train": FileSpec("data.csv", "csv")}, carve=Carve("validation", "train", 0.25)
            ),
        ),
    ),
)

TASKS = (IMDB, YELP_POLARITY, TREC, STACK_OVERFLOW_QUALITY)
