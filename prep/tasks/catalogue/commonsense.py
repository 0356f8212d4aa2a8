"""Choosing by common sense: the answer, the ending, the cause or the effect that fits best."""

from prep.sources.declarations import Carve, FileSource, FileSpec, HubSource, Layout, TfdsSource
from prep.sources.row import Row, RowError
from prep.tasks.task import Rewording, Task

_CHOICES = ("A", "B", "C", "D", "E")
_TRAINING_SHARE = 0.8  # of a file that is all there is


def _layouts(train: str, dev: str) -> tuple[Layout, Layout]:
    """Declare the official pair, or the second file alone with a training part carved out of it."""
    validation = FileSpec(dev, "jsonl")
    return (
        Layout({"train": FileSpec(train, "jsonl"), "validation": validation}),
        Layout({"validation": validation}, carve=Carve("train", "validation", _TRAINING_SHARE)),
    )


def word_commonsense_question(row: Row) -> str:
    """Words a question with its five lettered choices.

    Args:
        row: A row as the authors publish it: {"question": {"stem": …, "choices": […]}}.

    Returns:
        The text for the encoder.

    Raises:
        RowError: If the choices are not lettered A to E.
    """
    stem, choices = _stem_and_choices(row)
    return f"commonsense_qa question: {stem} choices: {choices}"


def word_commonsense_question_plainly(row: Row) -> str:
    """Words a question as HyperFormer does, without the word "choices".

    Args:
        row: A row as the authors publish it.

    Returns:
        The text for the encoder.

    Raises:
        RowError: If the choices are not lettered A to E.
    """
    stem, choices = _stem_and_choices(row)
    return f"question: {stem} {choices}"


def word_commonsense_choices(row: Row) -> tuple[str, ...]:
    """Word a question with each of its five choices.

    Args:
        row: A row as the authors publish it.

    Returns:
        The texts for the encoder, in the order of the letters.

    Raises:
        RowError: If the choices are not lettered A to E.
    """
    stem, choices = _stem_and_lettered(row)
    return tuple(f"commonsense_qa question: {stem} answer: {text}" for text in choices.values())


def _stem_and_choices(row: Row) -> tuple[str, str]:
    stem, choices = _stem_and_lettered(row)
    return stem, " ".join(f"{letter}: {text}" for letter, text in choices.items())


def _stem_and_lettered(row: Row) -> tuple[str, dict[str, str]]:
    question = row["question"]
    text_of = {choice["label"]: choice["text"] for choice in question["choices"]}
    if tuple(text_of) != _CHOICES:
        raise RowError("wrong choices", f"expected A to E, found {', '.join(text_of)}")
    return question["stem"], text_of


def nest_question(row: Row) -> Row:
    """Gives a row of Hugging Face's the form of the authors' files.

    Args:
        row: {"question": text, "choices": {"label": [...], "text": [...]}, "answerKey": letter}.

    Returns:
        The row with the choices inside the question.
    """
    pairs = zip(row["choices"]["label"], row["choices"]["text"], strict=True)
    choices = [{"label": label, "text": text} for label, text in pairs]
    return {**row, "question": {"stem": row["question"], "choices": choices}}


COMMONSENSE_QA = Task(
    name="commonsense_qa",
    kind="multiple_choice",
    description="Which of five answers fits the question?",
    fields=("question", "answerKey"),
    inputs=word_commonsense_question,
    targets="{answerKey}",
    labels={letter: letter for letter in _CHOICES},
    metrics=("accuracy",),
    hyperformer=Rewording(inputs=word_commonsense_question_plainly),
    encoder=Rewording(choices=word_commonsense_choices),
    hf=HubSource("tau/commonsense_qa", row_functions=(nest_question,)),
    source=FileSource(
        folders=("commonsenseqa", "commonsense_qa", "CommonsenseQA"),
        layouts=_layouts("train_rand_split.jsonl", "dev_rand_split.jsonl"),
    ),
)

E_CARE = Task(
    name="e_care",
    kind="multiple_choice",
    description="Which of two hypotheses is the cause, or the effect, of the premise?",
    fields=("premise", "ask-for", "hypothesis1", "hypothesis2", "label"),
    inputs=(
        "e_care choice1: {hypothesis1} choice2: {hypothesis2} premise: {premise}"
        " question: {ask-for}"
    ),
    encoder=Rewording(
        choices=tuple(
            f"e_care choice: {{{field}}} premise: {{premise}} question: {{ask-for}}"
            for field in ("hypothesis1", "hypothesis2")
        )
    ),
    targets="{label}",
    labels={"0": "choice1", "1": "choice2"},
    metrics=("accuracy",),
    source=FileSource(
        folders=("ecare", "e_care", "Causal_Reasoning"),
        layouts=(
            *_layouts("cr_train.jsonl", "cr_dev.jsonl"),
            *_layouts("train.jsonl", "dev.jsonl"),
        ),
    ),
)


def number_social_label(row: Row) -> Row:
    """Adds the label that the files of Social IQa keep in a file of their own.

    Args:
        row: A row of a table that has a column "label".

    Returns:
        The row, blanks and line feeds around the label taken off.
    """
    return {**row, "label": str(row["label"]).strip()}


SOCIAL_I_QA = Task(
    name="social_i_qa",
    kind="multiple_choice",
    description="Which of three answers fits what people would do or feel (Social IQa)?",
    fields=("question", "context", "answerA", "answerB", "answerC", "label"),
    columns=("question", "context", "answerA", "answerB", "answerC", "label"),
    row_functions=(number_social_label,),
    inputs=(
        "social_i_qa question: {question} context: {context} answerA: {answerA}"
        " answerB: {answerB} answerC: {answerC}"
    ),
    encoder=Rewording(
        choices=tuple(
            f"social_i_qa question: {{question}} context: {{context}} answer: {{{field}}}"
            for field in ("answerA", "answerB", "answerC")
        )
    ),
    targets="{label}",
    labels={"1": "answerA", "2": "answerB", "3": "answerC"},
    metrics=("accuracy",),
    hf=HubSource("allenai/social_i_qa"),
    source=FileSource(
        folders=("social_i_qa", "socialiqa"), layouts=_layouts("train.jsonl", "dev.jsonl")[:1]
    ),
)

COSMOS_QA = Task(
    name="cosmos_qa",
    kind="multiple_choice",
    description="Which of four answers reads between the lines of the text (Cosmos QA)?",
    fields=("question", "context", "answer0", "answer1", "answer2", "answer3", "label"),
    inputs=(
        "cosmos_qa question: {question} context: {context} answer0: {answer0}"
        " answer1: {answer1} answer2: {answer2} answer3: {answer3}"
    ),
    encoder=Rewording(
        choices=tuple(
            f"cosmos_qa question: {{question}} context: {{context}} answer: {{answer{number}}}"
            for number in range(4)
        )
    ),
    targets="{label}",
    labels={str(number): f"answer{number}" for number in range(4)},
    metrics=("accuracy",),
    tfds=TfdsSource("cosmos_qa"),
    hf=HubSource("allenai/cosmos_qa"),
    source=FileSource(
        folders=("cosmos_qa", "cosmosqa"),
        layouts=(
            Layout(
                {"train": FileSpec("train.csv", "csv"), "validation": FileSpec("valid.csv", "csv")}
            ),
            _layouts("train.jsonl", "valid.jsonl")[0],
        ),
    ),
)

WINOGRANDE = Task(
    name="winogrande",
    kind="multiple_choice",
    description="Which of two names belongs into the gap (WinoGrande)?",
    fields=("sentence", "option1", "option2", "answer"),
    inputs="winogrande sentence: {sentence} option1: {option1} option2: {option2}",
    targets="{answer}",
    labels={"1": "option1", "2": "option2"},
    metrics=("accuracy",),
    hyperformer=Rewording(labels={"1": "1", "2": "2"}),
    encoder=Rewording(
        choices=tuple(
            f"winogrande sentence: {{sentence}} option: {{option{number}}}" for number in (1, 2)
        )
    ),
    tfds=TfdsSource(
        "winogrande",
        splits={"train": "train_l", "validation": "validation"},
        rename={"label": "answer"},
    ),
    hf=HubSource("allenai/winogrande", "winogrande_l"),
    source=FileSource(
        folders=("winogrande", "winogrande_1.1"), layouts=_layouts("train_l.jsonl", "dev.jsonl")[:1]
    ),
)


def word_endings(row: Row) -> str:
    """Words the beginning of a scene and its four endings.

    Args:
        row: A row with the fields ctx and endings.

    Returns:
        The text for the encoder.
    """
    return f"hellaswag {word_endings_plainly(row)}"


def word_endings_plainly(row: Row) -> str:
    """Words the beginning of a scene and its four endings, without the task's name.

    Args:
        row: A row with the fields ctx and endings.

    Returns:
        The text for the encoder.

    Raises:
        RowError: If there are not four endings.
    """
    endings = row["endings"]
    if len(endings) != 4:
        raise RowError("wrong endings", f"expected 4, found {len(endings)}")
    numbered = " ".join(f"ending{number}: {text}" for number, text in enumerate(endings))
    return f"ctx: {row['ctx']} {numbered}"


def word_each_ending(row: Row) -> tuple[str, ...]:
    """Word the beginning of a scene with each of its four endings.

    Args:
        row: A row with the fields ctx and endings.

    Returns:
        The texts for the encoder.
    """
    return tuple(f"hellaswag ctx: {row['ctx']} ending: {text}" for text in row["endings"])


HELLASWAG = Task(
    name="hellaswag",
    kind="multiple_choice",
    description="Which of four endings continues the scene (HellaSwag)?",
    fields=("ctx", "endings", "label"),
    inputs=word_endings,
    targets="{label}",
    labels={str(number): f"ending{number}" for number in range(4)},
    metrics=("accuracy",),
    hyperformer=Rewording(inputs=word_endings_plainly),
    encoder=Rewording(choices=word_each_ending),
    tfds=TfdsSource("hellaswag", rename={"context": "ctx"}),
    hf=HubSource("Rowan/hellaswag"),
    source=FileSource(
        folders=("hellaswag",), layouts=_layouts("hellaswag_train.jsonl", "hellaswag_val.jsonl")[:1]
    ),
)

TASKS = (COMMONSENSE_QA, E_CARE, SOCIAL_I_QA, COSMOS_QA, WINOGRANDE, HELLASWAG)
