"""Which answers are right, by hand."""

import numpy as np

from eval.report.page.judging import find_label_words, judge, plain


def test_labels_are_right_or_wrong(run_of):
    run = run_of()
    judged = judge(run.document["tasks"]["colour"], run.predictions["colour"])
    assert judged.form == "labels" and judged.label_words == ("yes", "no")
    assert judged.is_right.tolist() == [True, False, True, False]
    assert judged.confidences.tolist() == [0.9, 0.8, 0.7, 0.9] and judged.has_confidences
    assert judged.note == ""


def test_texts_are_measured_by_the_words_they_share(run_of):
    run = run_of()
    judged = judge(run.document["tasks"]["why"], run.predictions["why"])
    # SQuAD leaves out "the": equal. "green hat" shares nothing with "blue".
    assert judged.is_right.tolist() == [True, False]
    assert judged.quality.tolist() == [1.0, 0.0]
    assert not judged.has_confidences and np.isnan(judged.confidences).all()


def test_trivia_is_judged_by_its_own_words(line_of, figures_of):
    lines = [line_of("quiz", 0, "New-York", "new york"), line_of("quiz", 1, "a-b", "b")]
    judged = judge(figures_of("generation", 2, {"trivia_em": 0.5, "trivia_f1": 1.0}), lines)
    # An article is no word, nor is "a" before the blank that a hyphen is.
    assert judged.is_right.tolist() == [True, True] and judged.quality.tolist() == [1.0, 1.0]
    judged = judge(figures_of("generation", 2, {"squad_f1": 0.0}), lines)
    assert judged.is_right.tolist() == [False, False]


def test_numbers_are_right_within_the_spread_of_the_targets(line_of, figures_of):
    pairs = (("1.0", "2.5"), ("5.0", "2.5"), ("3.0", "three"))
    lines = [line_of("grade", number, *pair) for number, pair in enumerate(pairs)]
    judged = judge(figures_of("regression", 3, {"pearson": 0.0}), lines)
    # What is no number counts as −1; the targets' standard deviation is 1.63.
    assert judged.quality.tolist() == [1.5, 2.5, 4.0]
    assert judged.is_right.tolist() == [True, False, False]
    # What is no number is not right because −1 is near.
    lines = [
        line_of("grade", number, *pair) for number, pair in enumerate((("0", "?"), ("2", "2")))
    ]
    judged = judge(figures_of("regression", 2, {"pearson": 0.0}), lines)
    assert judged.quality[0] == 1.0 and judged.is_right.tolist() == [False, True]


def test_texts_are_compared_as_the_vocabulary_writes_them(line_of, figures_of):
    assert plain("ﬁne  \n day") == "fine day"
    lines = [line_of("copy", 0, "ﬁne day", "fine  day"), line_of("copy", 1, "Fine", "fine")]
    judged = judge(figures_of("generation", 2, {"exact_match": 0.5}), lines)
    assert judged.is_right.tolist() == [True, False] and not judged.note


def test_it_is_said_where_the_figure_counts_otherwise(line_of, figures_of):
    lines = [line_of("copy", 0, "a", "b")]
    note = judge(figures_of("generation", 1, {"exact_match": 1.0}), lines).note
    assert note.startswith("exact_match is 1.0000, and of the texts 0.0000 are counted as right")


def test_label_words_of_earlier_versions_are_those_of_the_file(line_of, figures_of):
    told = figures_of("classification", 2, {"accuracy": 1.0})
    lines = [line_of("c", 0, "no", "no"), line_of("c", 1, "maybe", "maybe")]
    assert find_label_words(told, lines) == ("maybe", "no")
    with_shares = [{**one, "probabilities": {"no": 0.5, "yes": 0.5}} for one in lines]
    assert find_label_words(told, with_shares) == ("no", "yes")
    assert find_label_words(figures_of("generation", 2, {"bleu": 1.0}), lines) == ()
