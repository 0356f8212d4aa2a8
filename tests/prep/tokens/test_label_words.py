"""What no model could answer is told before anything is built."""

import dataclasses
import json
import re

import pytest

from prep.__main__ import main
from prep.build.dataset import build_dataset
from prep.build.planned import plan_entry
from prep.build.vocabulary_training import train_vocabulary
from prep.dataset.reading import read_split
from prep.errors import DataError
from prep.inspection.survey import survey_dataset
from prep.inspection.text import describe_dataset
from prep.tasks import get_task
from prep.tokens.label_words import check_label_words
from prep.tokens.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    path = tmp_path_factory.mktemp("english") / "english.model"
    return train_vocabulary(["the cat sat on a mat", "top of the top"] * 10, path, 40)


@pytest.mark.parametrize(
    ("words", "length", "message"),
    [
        (("ж", "ш"), 9, "label word 'ж' cannot be answered: its tokens '▁ <unk>' are read back as"),
        (("top", "top "), 9, "label words 'top' and 'top ' are the same tokens '▁top': no model"),
        (("top cat", "top mat"), 2, "'top cat' cannot be answered: its tokens '▁top', cut from"),
        (("the", "cat  sat"), 9, "'cat  sat' cannot be answered: .* read back as 'cat sat'"),
        (("the", ""), 9, "label word '' cannot|same tokens|''"),
        (("the", "a</s>cat"), 9, "'a</s>cat' cannot be answered: .* read back as 'a'"),
        (("\ud800",), 9, "is no text: surrogates"),
    ],
)
def test_words_that_cannot_be_answered(english, words, length, message):
    if words == ("the", ""):
        check_label_words(words, english, length)  # to answer with nothing is an answer
        return
    with pytest.raises(DataError) as caught:
        check_label_words(words, english, length)
    assert re.search(message, str(caught.value)) and "\n" not in str(caught.value)


def test_words_that_can_be_answered(english):
    check_label_words(("top", "cat", "the mat", "top mat"), english, 9)


def test_the_published_vocabulary_cannot_write_some_russian(real_data):
    t5 = Vocabulary(real_data / "t5_vocab" / "spiece.model")
    with pytest.raises(DataError, match="'приемлемо' cannot be answered"):
        check_label_words(("приемлемо", "неприемлемо"), t5, 99)
    check_label_words(("entailment", "not_entailment", "True", "False"), t5, 99)
    for text in ("a man", "приемлемо", "½ ﬁt", "naïve {x}", "  two  blanks", "日本"):
        ids = t5.encode(text)
        written = t5.decode(ids) == t5._processor.normalize(text).replace("▁", " ").strip()
        assert written == (t5.unk_id not in ids), text  # which is why unknown tokens are counted


def test_such_a_task_fails_alone_before_it_is_read(rte_options):
    bad = dataclasses.replace(get_task("rte"), name="bad", labels={"entailment": "日", "x": "本"})
    manifest = build_dataset(rte_options(tasks=(bad, get_task("rte"))), lambda line: None)
    assert list(manifest.tasks) == ["rte"]
    assert "label word '日' cannot be answered" in manifest.failed["bad"]
    cut = dataclasses.replace(
        get_task("rte"), name="cut", max_target_length=2, labels={"entailment": "a b", "x": "a c"}
    )
    manifest = build_dataset(rte_options(tasks=(cut, get_task("rte")), force=True), lambda line: 0)
    assert "cut from" in manifest.failed["cut"]


def test_the_word_for_no_answer_must_be_writable_too(small_vocabulary):
    task = dataclasses.replace(get_task("squad_v2"), no_answer="日")
    with pytest.raises(DataError, match="word '日' cannot be answered"):
        plan_entry(task, Vocabulary(small_vocabulary), 8)


def test_unknown_tokens_are_counted_by_split_and_side(
    rte_options, rte_data, small_vocabulary, tmp_path, capsys
):
    rows = [{"a": "日本 man", "b": "the cat"}, {"a": "a man", "b": "cat 日"}]
    rows += [{"a": "a man", "b": "the</s>cat"}]
    (rte_data / "own").mkdir()
    content = "".join(json.dumps(row) + "\n" for row in rows)
    (rte_data / "own" / "train.jsonl").write_text(content)
    (tmp_path / "own.yaml").write_text(
        '- {name: own, kind: generation, inputs: "{a}", targets: "{b}", metrics: [exact_match],'
        " files: {train: train.jsonl}}\n"
    )
    arguments = ["build", "--tasks", "own,rte", "--tasks-file", str(tmp_path / "own.yaml")]
    arguments += ["--data-dir", str(rte_data), "--vocabulary", str(small_vocabulary)]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    survey = survey_dataset(tmp_path / "out")
    split = survey.manifest.task("own").split("train")
    table = read_split(tmp_path / "out", survey.manifest, "own", "train")
    unknown = sum(table.input_ids(row).tolist().count(2) for row in range(3))
    assert split.unknown_input_tokens == unknown > 0
    assert (split.lossy_inputs, split.unknown_target_tokens, split.lossy_targets) == (1, 1, 2)
    printed = capsys.readouterr().out
    assert "note: own, train: unknown input tokens: 1 (" in printed
    # A note of more than 80 columns goes on in a second line.
    assert "inputs that do not decode back: 1\n" in printed.replace("\n    ", " ")
    assert "unknown target tokens: 1 (" in printed
    assert "note: rte, " not in printed
    assert "unknown input tokens: 1 (" in "\n".join(describe_dataset(survey))
