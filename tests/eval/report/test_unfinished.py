"""What was killed goes on where it was, and answers what it would have answered."""

import numpy as np
import pytest

from eval.decoding.answerer import Given
from eval.report.unfinished import BATCHES_AT_ONCE, UnfinishedAnswers
from prep import TaskEntry, TokenTable

QUESTION = {"checkpoint_digest": "ab", "decoding": {"strategy": "greedy"}}
EXAMPLES = 2 * BATCHES_AT_ONCE + 3


@pytest.fixture
def entry(monkeypatch):
    monkeypatch.setattr("eval.report.unfinished.task_digest", lambda entry, splits: "examples")
    return TaskEntry("t", "generation", (), (), (), 4, 1, {})


@pytest.fixture
def table():
    offsets = np.arange(EXAMPLES + 1) * 2
    tokens = np.arange(EXAMPLES * 2, dtype=np.uint32)
    labels = np.full(EXAMPLES, -1, np.int32)
    return TokenTable(tokens, offsets, tokens, offsets, labels, np.arange(EXAMPLES))


class Model:
    """Answers with the first token; dies when it has answered so many parts."""

    def __init__(self, lives=99):
        self.lives, self.asked = lives, []

    def __call__(self, entry, table, report):
        if self.lives == 0:
            raise KeyboardInterrupt
        self.lives -= 1
        self.asked.append(len(table))
        first = np.array([table.input_ids(row)[0] for row in range(len(table))], np.int32)
        report(len(table))
        scores = np.stack([first, -first], 1).astype(np.float32)
        return Given([f"ж{one}" for one in first], first[:, None], scores, "labels")


def answer(folder, entry, table, model, question=QUESTION):
    unfinished = UnfinishedAnswers(folder, "test", question, batch_size=1)
    done = []
    given = unfinished.answer_with(model)(entry, table, done.append)
    return given, done, unfinished


def test_killed_it_goes_on_where_it_was(tmp_path, entry, table):
    whole, done, _ = answer(tmp_path / "whole", entry, table, Model())
    assert done[-1] == EXAMPLES and done == sorted(done)
    with pytest.raises(KeyboardInterrupt):
        answer(tmp_path / "new", entry, table, Model(lives=2))
    model = Model()
    given, done, unfinished = answer(tmp_path / "new", entry, table, model)
    assert model.asked == [3] and unfinished.found == 2 * BATCHES_AT_ONCE
    assert given.texts == whole.texts == [f"ж{2 * row}" for row in range(EXAMPLES)]
    np.testing.assert_array_equal(given.token_ids, whole.token_ids)
    np.testing.assert_array_equal(given.scores, whole.scores)
    assert given.way == "labels"
    unfinished.take_away()
    assert not list((tmp_path / "new").iterdir())


def test_answers_to_another_question_do_not_count(tmp_path, entry, table, monkeypatch):
    answer(tmp_path, entry, table, Model())
    model = Model()
    answer(tmp_path, entry, table, model, {**QUESTION, "checkpoint_digest": "cd"})
    assert len(model.asked) == 3
    monkeypatch.setattr("eval.report.unfinished.task_digest", lambda entry, splits: "others")
    model = Model()
    answer(tmp_path, entry, table, model, {**QUESTION, "checkpoint_digest": "cd"})
    assert len(model.asked) == 3


def test_another_evaluation_at_the_same_time_is_not_read(tmp_path, entry, table):
    other = UnfinishedAnswers(tmp_path, "test", {"decoding": "beams"}, batch_size=1)
    ours = UnfinishedAnswers(tmp_path, "test", QUESTION, batch_size=1)
    other.answer_with(Model())(entry, table, print)
    model = Model()
    ours.answer_with(model)(entry, table, print)
    assert len(model.asked) == 3 and ours.found == 0


@pytest.mark.parametrize("left", [-40, 100, 0])
def test_a_file_that_is_not_whole_is_answered_anew(tmp_path, entry, table, left):
    answer(tmp_path, entry, table, Model())
    file = tmp_path / "test.unfinished" / "t-0.npz"
    file.write_bytes(file.read_bytes()[:left])
    model = Model()
    given, _, _ = answer(tmp_path, entry, table, model)
    assert model.asked == [BATCHES_AT_ONCE] and len(given.texts) == EXAMPLES


def test_an_answer_without_scores_has_none(tmp_path, entry, table):
    def free(entry, table, report):
        return Given(["a"] * len(table), np.zeros((len(table), 0), np.int32), None, "head")

    for _ in range(2):
        given, _, _ = answer(tmp_path, entry, table, free)
        assert given.scores is None and given.token_ids.shape == (EXAMPLES, 0)
