from collections import Counter

import numpy as np
import pytest

from prep.build.vocabulary_training import task_texts, train_vocabulary, words_to_keep
from prep.tasks import get_task
from prep.tasks.catalogue.synthetic import SPLIT_SIZES, TASKS
from prep.tasks.examples import row_to_example


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_rows_are_reproducible_distinct_and_as_many_as_promised(task):
    rows = task.source.generate()
    assert rows == task.source.generate()
    assert {split: len(part) for split, part in rows.items()} == SPLIT_SIZES
    texts = [tuple(row.items()) for part in rows.values() for row in part]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", ["synthetic_entailment", "synthetic_choice"])
def test_every_answer_is_equally_frequent(name):
    task = get_task(name)
    make = row_to_example(task)
    for part in task.source.generate().values():
        shares = Counter(make(row).label for row in part)
        assert max(shares.values()) - min(shares.values()) <= 1


def test_similarity_is_a_number_from_0_to_5_in_steps_of_a_fifth():
    scores = [
        float(row["score"]) for row in get_task("synthetic_similarity").source.generate()["train"]
    ]
    assert min(scores) == 0
    assert max(scores) == 5
    assert np.allclose(np.array(scores) * 5, np.round(np.array(scores) * 5))
    assert len(set(scores)) > 15


def test_answers_are_single_tokens_in_a_vocabulary_trained_for_them(tmp_path):
    tasks = [*TASKS, get_task("scan_simple")]
    vocabulary = train_vocabulary(
        task_texts(tasks, None), tmp_path / "v.model", 512, words_to_keep(tasks)
    )
    for word in words_to_keep(tasks):
        assert len(vocabulary.encode(word)) == 1
    for task in TASKS:
        make = row_to_example(task)
        lengths = [
            len(vocabulary.encode(make(row).inputs)) for row in task.source.generate()["test"]
        ]
        assert max(lengths) <= 31
