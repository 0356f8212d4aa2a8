"""What an export answers beside what the run answers, in figures and in a line."""

from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from eval.serving.checking import Reference, compare, describe_check


def test_answers_are_counted_and_scores_of_the_same_are_compared():
    def answer(text):
        return {"answer": text, "score": tf.cast(tf.strings.length(text), tf.float32)}

    model = SimpleNamespace(signatures=dict.fromkeys(("words", "free", "sizes"), answer))
    found = compare(
        model,
        {
            # "no" is another answer, so its score of 9 is not looked at.
            "words": Reference(("yes", "no"), ("yes", "maybe"), np.array([2.75, 9.0])),
            "free": Reference(("yes", "no"), ("yes", "no"), np.array([np.nan, np.nan])),
            "sizes": Reference(("1.5", "22"), ("1.49", "22"), np.array([3.25, 2.0]), True),
        },
    )
    assert describe_check(found, "test") == [
        "words: 1 of 2 answers on test are those of the run, scores within 0.25",
        "free: 2 of 2 answers on test are those of the run",
        "sizes: 2 numbers on test are within 0.25 of the run's",
    ]
    assert found["sizes"]["same_answers"] is None
