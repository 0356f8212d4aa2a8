import csv
import json
import math
import os

import pytest

from eval.predicting.asking import Answer, RankedAnswer
from eval.predicting.rows import AskedRow
from eval.predicting.writing import ADDED, AnswerFile, describe_row, name_columns
from prep import DataError, UsageError

QUESTION = {"run": "r", "step": 3}
ANSWER = Answer([RankedAnswer("yes", -0.1), RankedAnswer("no", -2.3)], {"yes": 0.9, "no": 0.1})


def test_a_row_keeps_its_fields_and_gets_its_answer():
    row = AskedRow({"id": "7", "text": "x"}, "x")
    assert describe_row(row, ANSWER, 1) == {
        "id": "7",
        "text": "x",
        "prediction": "yes",
        "probabilities": {"yes": 0.9, "no": 0.1},
    }
    ranked = describe_row(row, ANSWER, 2)["answers"]
    assert ranked == [{"text": "yes", "score": -0.1}, {"text": "no", "score": -2.3}]
    greedy = Answer([RankedAnswer("so", math.nan)], {})
    assert describe_row(row, greedy, 1) == {"id": "7", "text": "x", "prediction": "so"}
    faulty = AskedRow({"id": "8"}, "", "field is missing")
    assert describe_row(faulty, None, 1) == {
        "id": "8",
        "prediction": None,
        "fault": "field is missing",
    }


def test_a_table_has_the_columns_that_were_asked_for():
    assert name_columns(["id"], 1, True) == ["id", "prediction", "probabilities", "fault"]
    assert name_columns(["id"], 3, True) == ["id", *ADDED]
    # Nothing is chosen among label words, so there are no probabilities.
    assert name_columns(["id"], 1, False) == ["id", "prediction", "fault"]


def test_a_field_of_an_answer_is_not_written_over():
    with pytest.raises(DataError, match="a row has a field 'prediction' already"):
        describe_row(AskedRow({"prediction": "mine"}, "x"), ANSWER, 1)
    # As SQuAD's rows have one; of a single answer none is added.
    assert describe_row(AskedRow({"answers": "own"}, "x"), ANSWER, 1)["answers"] == "own"
    with pytest.raises(DataError, match="a row has a field 'answers' already"):
        describe_row(AskedRow({"answers": "own"}, "x"), ANSWER, 2)


def test_half_a_surrogate_pair_is_written_as_json_spells_it(tmp_path):
    file = AnswerFile(tmp_path / "a.jsonl", QUESTION, ADDED)
    file.write([{"id": "\ud800", "prediction": "ж"}])
    file.close(is_whole=True)
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"id": "\ud800", "prediction": "ж"}


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_what_was_killed_goes_on_where_it_was(tmp_path, name):
    path = tmp_path / "new" / name
    rows = [{"text": f'"{n}"\n, ж', "prediction": "yes"} for n in range(5)]
    columns = ["text", *ADDED]
    whole = AnswerFile(tmp_path / f"whole{path.suffix}", QUESTION, columns)
    whole.write(rows)
    whole.close(is_whole=True)
    first = AnswerFile(path, QUESTION, columns)
    first.write(rows[:2])
    first._file.write(b"half a row that")  # and then the power failed
    first.close(is_whole=False)
    assert not path.exists()
    second = AnswerFile(path, QUESTION, columns)
    assert second.rows == 2
    second.write(rows[2:])
    second.close(is_whole=True)
    assert path.read_bytes() == (tmp_path / f"whole{path.suffix}").read_bytes()
    assert [one.name for one in path.parent.iterdir()] == [name]


def asked(*texts):
    return [AskedRow({"input": text}, text, "" if text else "blank line") for text in texts]


def answered(file, parts):
    for part in file.leave_out_answered(iter(parts)):
        answers = [None if row.fault else ANSWER for row in part]
        file.write([describe_row(*pair, 1) for pair in zip(part, answers, strict=True)])


def test_rows_that_are_answered_are_left_out_and_their_faults_count(tmp_path):
    first = AnswerFile(tmp_path / "a.jsonl", QUESTION, ADDED)
    answered(first, [asked("x", ""), asked("y", "z")])
    first.close(is_whole=False)
    second = AnswerFile(tmp_path / "a.jsonl", QUESTION, ADDED)
    assert (second.rows, second.faults) == (4, 1)
    answered(second, [asked("x", "", "y"), asked("z", "", "v")])
    assert (second.rows, second.faults) == (6, 2)
    second.close(is_whole=True)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["input"] for line in lines] == ["x", "", "y", "z", "", "v"]


@pytest.mark.parametrize("others", [("other", "y", "z"), ("x",)])
def test_answers_to_other_rows_are_not_gone_on_with(tmp_path, others):
    first = AnswerFile(tmp_path / "a.jsonl", QUESTION, ADDED)
    answered(first, [asked("x", "y")])
    first.close(is_whole=False)
    second = AnswerFile(tmp_path / "a.jsonl", QUESTION, ADDED)
    with pytest.raises(DataError, match=r"answers to 2 rows.*remove .*a\.jsonl\.progress"):
        answered(second, [asked(*others)])
    second.close(is_whole=False)


def test_answers_to_another_question_are_begun_anew(tmp_path):
    first = AnswerFile(tmp_path / "a.jsonl", QUESTION, ADDED)
    first.write([{"prediction": "old"}])
    first.close(is_whole=False)
    second = AnswerFile(tmp_path / "a.jsonl", {**QUESTION, "step": 4}, ADDED)
    assert second.rows == 0
    second.write([{"prediction": "new"}])
    second.close(is_whole=True)
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"prediction": "new"}


def test_one_process_at_a_time_writes_a_file(tmp_path):
    first = AnswerFile(tmp_path / "a.jsonl", QUESTION, ADDED)
    with pytest.raises(DataError, match=rf"another process is writing .*process {os.getpid()}"):
        AnswerFile(tmp_path / "a.jsonl", QUESTION, ADDED)
    first.write([{"prediction": "yes"}])
    first.close(is_whole=True)
    AnswerFile(tmp_path / "a.jsonl", QUESTION, ADDED).close(is_whole=False)
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"prediction": "yes"}


def test_tables_have_a_column_for_everything(tmp_path):
    file = AnswerFile(tmp_path / "a.csv", QUESTION, ["text", *ADDED])
    file.write([{"text": "a,b", "prediction": "yes", "probabilities": {"yes": 1.0}}])
    with pytest.raises(DataError, match=r"row 2 has a field 'more'.*\.jsonl"):
        file.write([{"text": "c", "more": "d", "prediction": "no"}])
    file.close(is_whole=True)
    with (tmp_path / "a.csv").open(newline="") as opened:
        [row] = csv.DictReader(opened)
    assert row["text"] == "a,b" and json.loads(row["probabilities"]) == {"yes": 1.0}


def test_only_formats_that_can_be_written(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.jsonl, \.csv"):
        AnswerFile(tmp_path / "a.parquet", QUESTION, ADDED)
