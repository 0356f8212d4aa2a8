"""Label words that no model could answer with: unknown to the vocabulary, or equal to another."""

from collections.abc import Sequence

from prep.errors import DataError
from prep.tokens.vocabulary import Vocabulary


def check_label_words(words: Sequence[str], vocabulary: Vocabulary, max_length: int) -> None:
    """Refuse label words that a vocabulary cannot tell apart or write back.

    Args:
        words: All label words of a task.
        vocabulary: Turns them into token ids, and a model's token ids into texts.
        max_length: Tokens of a target, EOS included; longer ones lose their end.

    Raises:
        DataError: It names the words and their tokens.
    """
    word_of: dict[tuple[int, ...], str] = {}
    for word in words:
        _check_surrogates(word)
        ids = vocabulary.encode(word)
        kept = tuple(ids[: max_length - 1])
        shown = " ".join(vocabulary.tokens[token] for token in kept)
        cut = f", cut from {len(ids)} by max_target_length" if len(kept) < len(ids) else ""
        found = f"tokens {shown!r}{cut}"
        if kept in word_of:
            raise DataError(
                f"label words {word_of[kept]!r} and {word!r} are the same {found}: no model can"
                " tell them apart"
            )
        word_of[kept] = word
        written = vocabulary.decode(kept).strip()
        if written != word.strip() or vocabulary.unk_id in kept:
            raise DataError(
                f"label word {word!r} cannot be answered: its {found} are read back as {written!r};"
                " choose another word, or a vocabulary that has it"
            )


def _check_surrogates(word: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"label word {word!r} is no text: {error.reason}") from error
