"""Test sets without labels are read, and answers written, as GLUE and SuperGLUE have them."""

import json

import pytest

from eval.report.submission import TARGETS, format_submission, read_test_set
from prep import DataError, UsageError, get_task


class Plain:
    """A vocabulary that normalizes nothing."""

    def normalize(self, text):
        return text


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def submitted(test, answers):
    return format_submission(test, answers, Plain())


@pytest.mark.parametrize(
    ("name", "heading", "row", "inputs"),
    [
        ("cola", "index\tsentence", "7\tBill sank.", "cola sentence: Bill sank."),
        ("sst2", "index\tsentence", "7\tso-so", "sst2 sentence: so-so"),
        (
            "mrpc",
            "index\t#1 ID\t#2 ID\t#1 String\t#2 String",
            '7\t1\t2\tA "b.\tC.',
            'mrpc sentence1: A "b. sentence2: C.',
        ),
        ("qqp", "id\tquestion1\tquestion2", "7\tA?\tB?", "qqp question1: A? question2: B?"),
        (
            "mnli",
            "index\tpromptID\tsentence1\tsentence2",
            "7\t1\tP.\tH.",
            "mnli hypothesis: H. premise: P.",
        ),
        (
            "stsb",
            "index\tgenre\tsentence1\tsentence2",
            "7\tnews\tA.\tB.",
            "stsb sentence1: A. sentence2: B.",
        ),
    ],
)
def test_glue_is_read_as_it_is_given_out(tmp_path, name, heading, row, inputs):
    test = read_test_set(name, write(tmp_path, "test.tsv", f"{heading}\n{row}\n"))
    assert (test.indices, list(test.inputs)) == ([(7,)], [inputs])


def test_glue_s_answers(tmp_path):
    test = read_test_set(
        "cola", write(tmp_path, "test.tsv", "index\tsentence\n0\tA.\n1\tB.\n2\tC.\n")
    )
    content, unreadable = submitted(test, ["acceptable", "unacceptable", "what?"])
    assert content == "index\tprediction\n0\t1\n1\t0\n2\t0\n" and unreadable == 1
    rows = "index\tsentence1\tsentence2\n" + "".join(f"{row}\tA.\tB.\n" for row in range(4))
    test = read_test_set("stsb", write(tmp_path, "test.tsv", rows))
    content, unreadable = submitted(test, ["3.8", "7", "none", "0.0"])
    assert content == "index\tprediction\n0\t3.800\n1\t5.000\n2\t0.000\n3\t0.000\n"
    assert unreadable == 1


def test_mnli_has_three_files(tmp_path):
    rows = "index\tsentence1\tsentence2\n4\tP.\tH.\n"
    for name, file in (
        ("test_matched.tsv", "MNLI-m.tsv"),
        ("test_mismatched.tsv", "MNLI-mm.tsv"),
        ("diagnostic.tsv", "AX.tsv"),
    ):
        test = read_test_set("mnli", write(tmp_path, name, rows))
        assert test.file == file
        assert submitted(test, ["neutral"])[0] == "index\tprediction\n4\tneutral\n"


@pytest.mark.parametrize(
    ("name", "row", "answer", "label"),
    [
        ("boolq", {"question": "q", "passage": "p"}, "True", "true"),
        ("cb", {"premise": "p", "hypothesis": "h"}, "neutral", "neutral"),
        (
            "copa",
            {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause"},
            "choice2",
            1,
        ),
        ("superglue_rte", {"premise": "p", "hypothesis": "h"}, "not_entailment", "not_entailment"),
        ("wic", {"sentence1": "a bat", "sentence2": "b bat", "word": "bat"}, "False", "false"),
        (
            "wsc",
            {
                "text": "Ann saw her.",
                "target": {
                    "span1_text": "Ann",
                    "span1_index": 0,
                    "span2_text": "her",
                    "span2_index": 2,
                },
            },
            "True",
            "True",
        ),
    ],
)
def test_superglue(tmp_path, name, row, answer, label):
    file = write(tmp_path, "test.jsonl", json.dumps({**row, "idx": 9}) + "\n")
    test = read_test_set(name, file)
    assert test.file == TARGETS[name].file and len(test.inputs) == 1
    assert json.loads(submitted(test, [answer])[0]) == {"idx": 9, "label": label}


@pytest.mark.parametrize(
    ("name", "columns"),
    [("AX-b", ("sentence1", "sentence2")), ("AX-g", ("premise", "hypothesis"))],
)
def test_superglue_s_diagnoses_are_answered_as_its_rte(tmp_path, name, columns):
    row = {columns[0]: "A cat sat.", columns[1]: "It sat.", "label": "entailment", "idx": 7}
    test = read_test_set("superglue_rte", write(tmp_path, f"{name}.jsonl", json.dumps(row) + "\n"))
    assert test.file == f"{name}.jsonl"
    assert test.inputs == ["rte hypothesis: It sat. premise: A cat sat."]
    given = json.loads(submitted(test, ["not_entailment"])[0])
    assert given == {"idx": 7, "label": "not_entailment"}


def test_multirc_is_nested(tmp_path):
    questions = [
        {"question": "Q?", "idx": 3, "answers": [{"text": "a", "idx": 5}, {"text": "b", "idx": 6}]},
        {"question": "R?", "idx": 4, "answers": [{"text": "c", "idx": 7}]},
    ]
    row = {"idx": 1, "passage": {"text": "T.", "questions": questions}}
    test = read_test_set("multirc", write(tmp_path, "test.jsonl", json.dumps(row) + "\n"))
    assert test.indices == [(1, 3, 5), (1, 3, 6), (1, 4, 7)]
    assert test.inputs[1] == "multirc question: Q? answer: b paragraph: T."
    content, _ = submitted(test, ["True", "False", "True"])
    assert json.loads(content) == {
        "idx": 1,
        "passage": {
            "questions": [
                {"idx": 3, "answers": [{"idx": 5, "label": 1}, {"idx": 6, "label": 0}]},
                {"idx": 4, "answers": [{"idx": 7, "label": 1}]},
            ]
        },
    }


def test_record_hands_in_texts(tmp_path):
    passage = {
        "text": "Ann met Bob.",
        "entities": [{"start": 0, "end": 2}, {"start": 8, "end": 10}],
    }
    row = {"idx": 1, "passage": passage, "qas": [{"query": "@placeholder ran", "idx": 4}]}
    test = read_test_set("record", write(tmp_path, "test.jsonl", json.dumps(row) + "\n"))
    assert "entities: Ann, Bob" in test.inputs[0]
    assert json.loads(submitted(test, ["Bob"])[0]) == {"idx": 4, "label": "Bob"}


def test_every_task_of_the_averages_can_be_handed_in():
    from eval.metrics.averages import AVERAGES

    assert {task for of in AVERAGES.values() for task in of} == set(TARGETS)
    assert all(get_task(name).name == name for name in TARGETS)


def test_what_is_no_test_set(tmp_path):
    with pytest.raises(UsageError, match=r"'colo' is no task of .*; expected one of boolq, cb,"):
        read_test_set("colo", tmp_path / "x.tsv")
    with pytest.raises(DataError, match=r"row 1 is no question of rte: .*sentence2"):
        read_test_set("rte", write(tmp_path, "a.tsv", "index\tsentence1\n0\tA.\n"))
    with pytest.raises(DataError, match=r"row 1 is no question of rte: .*expected a column index"):
        read_test_set("rte", write(tmp_path, "b.tsv", "sentence1\tsentence2\nA.\tB.\n"))
