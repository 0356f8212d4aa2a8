"""Tasks whose choices are a text each, from a row of a file to a batch for a head."""

import dataclasses
import json

import numpy as np
import pytest

from prep import UsageError, load_manifest, make_inputs, read_split, read_vocabulary
from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.dataset.length_counts import read_length_counts
from prep.dataset.verification import find_problems
from prep.errors import DataError
from prep.inspection.survey import survey_dataset
from prep.sources.row import RowError
from prep.tasks import ALL_TASKS, get_task
from prep.tasks.digest import definition_digest
from prep.tasks.examples import row_to_example
from prep.tasks.tasks_file import load_tasks
from prep.tasks.wordings import worded_as

CAPITALS = """\
- name: capitals
  kind: multiple_choice
  folder: capitals
  files: {train: train.jsonl}
  choices: ["{question} {first}", "{question} {second}"]
  targets: "{right}"
  labels: {1: first, 2: second}
  metrics: [accuracy]
"""
ROWS = [
    {"question": "of ukraine", "first": "moscow " * 9, "second": "kiev", "right": 2},
    {"question": "of latvia", "first": "riga", "second": "minsk", "right": 1},
    {"question": "of mali", "first": "b</s>amako", "second": "rome", "right": 1},
]


@pytest.fixture
def capitals(tmp_path):
    """The task, from a file."""
    path = tmp_path / "tasks.yaml"
    path.write_text(CAPITALS)
    return load_tasks(path)[0]


@pytest.fixture
def built(capitals, tmp_path, small_vocabulary):
    folder = tmp_path / "raw" / "capitals"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    options = BuildOptions(
        tasks=(capitals,),
        vocabulary=small_vocabulary,
        data_dir=tmp_path / "raw",
        out=tmp_path / "data",
        max_input_length=24,
        max_target_length=8,
        accept_rejects=True,
    )
    build_dataset(options)
    return options


def test_a_choice_is_a_text_of_its_own(built):
    manifest = load_manifest(built.out)
    entry = manifest.task("capitals")
    split = entry.split("train")
    assert entry.choices == 2
    assert split.rejected_reasons == {"a choice with a separator": 1}
    vocabulary = read_vocabulary(built.out, manifest)
    table = read_split(built.out, manifest, "capitals", "train")
    assert table.text_lengths(2).max() == split.longest_input == 24
    assert split.truncated == 1, "the nine Moscows"
    lengths, counts = np.unique(table.text_lengths(2), return_counts=True)
    found = read_length_counts(split.input_lengths)
    assert (found.lengths.tolist(), found.counts.tolist()) == (lengths.tolist(), counts.tolist())
    batch = make_inputs(table, np.array([1, -1, 0]), input_length=24, task=4, choices=2)
    tokens = batch["encoder_input_tokens"]
    assert tokens.shape == (3, 2, 24) and tokens.dtype == np.int32
    texts = [[vocabulary.decode(text) for text in row] for row in tokens]
    assert texts[0] == ["of latvia riga", "of latvia minsk"] and texts[1] == ["", ""]
    assert texts[2][1] == "of ukraine kiev" and texts[2][0].startswith("of ukraine mos")
    assert batch["task"].tolist() == [4, 4, 4]
    assert (tokens[0] == 1).sum(1).tolist() == [1, 1], "an EOS behind each"
    assert list(find_problems(built.out)) == []
    shown = survey_dataset(built.out, records=2).tasks[0].splits[0].examples
    assert shown[1].inputs == "of latvia riga</s>of latvia minsk"


def test_other_numbers_of_choices_are_refused(built):
    manifest = load_manifest(built.out)
    table = read_split(built.out, manifest, "capitals", "train")
    with pytest.raises(DataError, match="not the texts of 3 choices"):
        make_inputs(table, np.array([0]), input_length=24, task=0, choices=3)
    with pytest.raises(DataError, match="not the texts of 3 choices"):
        table.text_lengths(3)
    content = json.loads((built.out / "dataset.json").read_text())
    content["tasks"]["capitals"]["choices"] = 3
    (built.out / "dataset.json").write_text(json.dumps(content))
    problems = [str(problem) for problem in find_problems(built.out)]
    assert any("not the texts of 3 choices" in problem for problem in problems)


def test_choices_are_not_packed(built):
    with pytest.raises(UsageError, match="a text for each choice"):
        build_dataset(dataclasses.replace(built, pack=True, force=True))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"choices": ("{question} {first}",)}, "1 choices for 2 label words"),
        ({"inputs": "{question}"}, "there are no inputs"),
        ({"kind": "classification"}, "kind is multiple_choice"),
    ],
)
def test_what_cannot_be_is_refused(capitals, change, said):
    with pytest.raises(UsageError, match=said):
        dataclasses.replace(capitals, **change)


def test_the_definition_is_that_of_the_choices(capitals):
    other = dataclasses.replace(capitals, choices=("{question} {first}", "{second}"))
    assert definition_digest(other) != definition_digest(capitals)


def test_a_function_must_give_one_for_each_label(capitals):
    task = dataclasses.replace(capitals, choices=lambda row: ("a", "b", "c"))
    with pytest.raises(RowError, match="wrong choices"):
        row_to_example(task)(ROWS[1])


def test_a_wording_in_a_task_file_may_have_choices(tmp_path):
    path = tmp_path / "tasks.yaml"
    choices = '  choices: ["{question} {first}", "{question} {second}"]\n'
    both = '  inputs: "{question} {first} {second}"\n  encoder:\n  ' + choices
    path.write_text(CAPITALS.replace(choices, both))
    task = load_tasks(path)[0]
    assert not task.choices
    headed = worded_as(task, "encoder")
    assert row_to_example(headed)(ROWS[1]).inputs == "of latvia riga</s>of latvia minsk"


@pytest.mark.parametrize("task", ALL_TASKS, ids=lambda task: task.name)
def test_every_task_has_a_wording_for_heads(task):
    headed = worded_as(task, "encoder")
    assert headed.label_words == task.label_words
    assert bool(headed.choices) != bool(headed.inputs)


def test_worded_for_a_head_questions_have_five_texts_and_similarities_all_digits():
    row = {
        "answerKey": "B",
        "question": {
            "stem": "why?",
            "choices": [{"label": letter, "text": f"is {letter}"} for letter in "ABCDE"],
        },
    }
    example = row_to_example(worded_as(get_task("commonsense_qa"), "encoder"))(row)
    texts = example.inputs.split("</s>")
    assert texts[1] == "commonsense_qa question: why? answer: is B" and len(texts) == 5
    assert example.label == 1
    row = {"sentence1": "a", "sentence2": "b", "score": "3.267"}
    assert row_to_example(worded_as(get_task("stsb"), "encoder"))(row).targets == "3.267"
