"""Which words ROUGE and BLEU count, of texts in scripts beyond a–z."""

from dataclasses import replace

import pytest
import sacrebleu
from rouge_score import rouge_scorer

from eval.metrics import answers as answers_module
from eval.metrics.answers import pair_answers
from eval.metrics.registry import name_words, score
from eval.metrics.tokenizers import bleu_tokenizer, rouge_tokenizer, split_words

TEXTS = {
    "Russian": "Президент подписал закон о бюджете на следующий год.",
    "Chinese": "总统签署了明年的预算法案。",
    "Japanese": "大統領は来年の予算法案に署名した。",
    "Arabic": "وقع الرئيس قانون الميزانية للعام المقبل.",
    "Hindi": "राष्ट्रपति ने अगले वर्ष के बजट पर हस्ताक्षर किए।",
    "Thai": "ประธานาธิบดีลงนามในกฎหมายงบประมาณปีหน้า",
    "Korean": "대통령이 내년 예산 법안에 서명했다 오늘.",
    "Greek": "Ο πρόεδρος υπέγραψε τον νόμο για τον προϋπολογισμό.",
    "Georgian": "პრეზიდენტმა ხელი მოაწერა მომავალი წლის ბიუჯეტს.",
    "German": "Der Präsident unterschrieb über Nacht das größte Gesetz.",
}


def figures(right, given, language="", metrics=("rouge_l", "bleu")):
    answers = replace(pair_answers(right, given), language=language)
    return score(metrics, answers), name_words(metrics, answers)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_identical_texts_of_any_script_score_one(text):
    assert figures([text], [text])[0] == pytest.approx({"rouge_l": 1.0, "bleu": 1.0})
    unlike = "".join(letter for letter in reversed(text) if letter.isalpha())
    assert max(figures([text], [unlike])[0].values()) < 0.5


def test_rouge_of_russian_by_hand():
    # "закон о бюджете" and "подписал закон": one of three words and one of two; F1 0.4.
    found, words = figures(["Закон о бюджете"], ["подписал закон"], metrics=["rouge_l"])
    assert found == pytest.approx({"rouge_l": 0.4})
    assert words == {"rouge_l": "any-script"}


def test_umlauts_do_not_split_words():
    assert split_words("Größe ÜBER naïve") == ["grösse", "über", "naïve"]
    # As rouge-score has it, "Übung" and "Bildung" would share nothing, "Übel" and "bel" a word.
    assert figures(["Übel"], ["bel"], metrics=["rouge_l"])[0]["rouge_l"] == 0.0


def test_english_is_scored_as_published_figures_are():
    right = ["The cats were sitting in a café nearby, watching dogs run along the river " * 3]
    given = ["A cat sits in the café watching a dog run"]
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    expected = {
        "rouge_l": scorer.score(right[0], given[0])["rougeL"].fmeasure,
        "bleu": sacrebleu.corpus_bleu(given, [right]).score / 100,
    }
    found, words = figures(right, given, "en")
    assert found == pytest.approx(expected)
    assert words == {"rouge_l": "rouge-score, stemmed", "bleu": "13a"}
    mostly = ["An English text with one naïve word. " + "And so it goes on and on. " * 20]
    assert figures(mostly, given)[1] == words


@pytest.mark.parametrize(
    ("language", "text", "bleu", "rouge"),
    [
        ("zh", "abc", "zh", "any-script"),
        ("zh-Hant", "abc", "zh", "any-script"),
        ("ja", "漢字", "char", "any-script"),
        ("en", "Привет", "13a", "rouge-score"),
        ("de", "abc", "13a", "any-script"),
        ("", "漢字", "zh", "any-script"),
        ("", "カタカナと漢字", "char", "any-script"),
        ("", "The word 漢字 in an otherwise English sentence", "13a", "any-script"),
        ("", "1 + 2", "13a", "rouge-score"),
        ("", "", "13a", "rouge-score"),
    ],
)
def test_the_language_decides_and_the_letters_where_there_is_none(
    monkeypatch, language, text, bleu, rouge
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert bleu_tokenizer(language, [text]) == bleu
    assert rouge_tokenizer(language, [text]) == rouge


@pytest.mark.parametrize(
    ("language", "text", "bleu"),
    [
        ("ja", "漢字", "ja-mecab"),
        ("", TEXTS["Japanese"], "ja-mecab"),
        ("ko", "abc", "ko-mecab"),
        ("", TEXTS["Korean"], "ko-mecab"),
        ("th", "abc", "char"),
        ("", TEXTS["Thai"], "char"),
        ("zh", "abc", "zh"),
    ],
)
def test_bleu_counts_words_of_a_dictionary_where_one_is_installed(
    monkeypatch, language, text, bleu
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert bleu_tokenizer(language, [text]) == bleu


def test_bleu_of_chinese_is_sacrebleus():
    right, given = [TEXTS["Chinese"]], ["总统今天签署了预算法案。"]
    expected = sacrebleu.corpus_bleu(given, [right], tokenize="zh").score / 100
    found, words = figures(right, given, metrics=["bleu"])
    assert found["bleu"] == pytest.approx(expected)
    assert words == {"bleu": "zh"}


def test_right_answers_too_short_for_bleu_can_be_answered_rightly():
    found, words = figures(["red car", "dog"], ["red car", "dog"], metrics=["bleu"])
    assert found["bleu"] == pytest.approx(1.0)
    assert words == {"bleu": "13a, no longer runs than there are"}
    found, _ = figures(["red car", "dog"], ["blue car", "cat"], metrics=["bleu"])
    assert found["bleu"] < 0.5


def test_right_answers_without_a_word_are_compared_as_a_whole():
    assert figures(["+", "…"], ["+", "-"], metrics=["rouge_l"])[0]["rouge_l"] == 0.5


@pytest.mark.parametrize("metric", ["bleu", "rouge_l"])
def test_words_are_chosen_once_for_a_figure_and_its_name(monkeypatch, metric):
    calls = []
    for name in ("bleu_tokenizer", "rouge_tokenizer"):
        chosen = getattr(answers_module, name)
        monkeypatch.setattr(
            answers_module, name, lambda *a, chosen=chosen: calls.append(a) or chosen(*a)
        )
    answers = pair_answers([TEXTS["German"]], [TEXTS["German"]])
    assert score([metric], answers)[metric] == pytest.approx(1.0)
    name_words([metric], answers)
    assert len(calls) == 1
