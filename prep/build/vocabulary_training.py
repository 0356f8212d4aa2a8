"""Training a SentencePiece vocabulary with T5's special ids on the texts of some tasks."""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import sentencepiece

from prep.errors import DataError, UsageError
from prep.sources.blocks import parse_block
from prep.sources.row import Row, RowError
from prep.splits.finding import plan_task
from prep.storage import StoragePath
from prep.storage.durable_files import write_atomically
from prep.tasks.examples import TRAIN_SPLIT, Example, row_to_examples
from prep.tasks.task import Task
from prep.tokens.vocabulary import EOS_MARK, Vocabulary

_BLOCK_ROWS = 2048
_LEAST, _MOST = 4, 2**31 - 1  # pieces: three are special; SentencePiece counts in 32 bits
_NO_TEXT = ("sentences_.empty()", "all_chars_count")  # of SentencePiece's messages


def train_vocabulary(
    texts: Iterable[str],
    out_path: Path,
    size: int,
    whole_words: Iterable[str] = (),
    is_kept: bool = False,
) -> Vocabulary:
    """Train byte-pair encoding with T5's special ids: pad 0, EOS 1, unknown 2, no BOS.

    T5's own vocabulary is a unigram model; on texts with few different words, which is what one
    trains a vocabulary for here, the unigram trainer prunes whole words away and byte-pair
    encoding keeps them. The same texts in the same order give the same bytes.

    Args:
        texts: What to learn from.
        out_path: The `.model` file to write.
        size: Pieces at most, special ones included; few texts give fewer.
        whole_words: Words that always are one token of their own.
        is_kept: Whether another vocabulary of that name stays as it is.

    Returns:
        The vocabulary.

    Raises:
        UsageError: If the size is too small for the characters of the texts, or too large; if
            another vocabulary is there that is kept.
        DataError: If there is no text; likewise whatever the texts raise.
    """
    if not _LEAST <= size <= _MOST:
        raise UsageError(f"a vocabulary has {_LEAST} to {_MOST:,} pieces, not {size:,}")
    model = io.BytesIO()
    raised: list[Exception] = []
    words = sorted({"▁" + word.replace(" ", "▁") for word in whole_words})
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_keep_raised(texts, raised),
            model_writer=model,
            model_type="bpe",
            vocab_size=size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            pad_id=Vocabulary.pad_id,
            eos_id=Vocabulary.eos_id,
            unk_id=Vocabulary.unk_id,
            bos_id=-1,
            user_defined_symbols=words,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        if raised:
            raise raised[0] from None
        if any(word in str(error) for word in _NO_TEXT):
            raise DataError("no text to train a vocabulary on") from error
        if "required_chars" in str(error):
            raise UsageError(
                f"a vocabulary of {size} pieces has no room for every character, special id and"
                " whole word of these texts; ask for more"
            ) from error
        reason = " ".join(str(error).split())
        raise UsageError(f"no vocabulary of {size} pieces: {reason}") from error
    made = model.getvalue()
    if is_kept and out_path.exists() and out_path.read_bytes() != made:
        raise UsageError(
            f"{out_path} is there already, and is another vocabulary; --force writes over it"
        )
    out_path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out_path, made)
    return Vocabulary(out_path)


def _keep_raised(texts: Iterable[str], raised: list[Exception]) -> Iterator[str]:
    """Keep what texts raise, of which SentencePiece makes an error of its own."""
    try:
        yield from texts
    except Exception as error:
        raised.append(error)
        raise


def task_texts(tasks: Iterable[Task], data_dir: StoragePath | None) -> Iterator[str]:
    """Stream the texts of the training splits of tasks, inputs and targets.

    Args:
        tasks: The tasks.
        data_dir: Folder that holds a folder per task; generated tasks need none.

    Yields:
        Texts.

    Raises:
        DataError: If files are missing or wrong.
    """
    for task in tasks:
        make = row_to_examples(task, TRAIN_SPLIT)
        for split in plan_task(task, data_dir, _BLOCK_ROWS).splits:
            if split.split != TRAIN_SPLIT:
                continue
            for block in split.open_blocks():
                for offset, row in enumerate(parse_block(block), block.first_index):
                    if split.is_member is None or split.is_member[offset]:
                        yield from _texts_of(row, make, bool(task.choices))


def _texts_of(
    row: Row | RowError, make: Callable[[Row | RowError], list[Example]], has_choices: bool
) -> Iterator[str]:
    try:
        for example in make(row):
            yield from example.inputs.split(EOS_MARK) if has_choices else [example.inputs]
            yield example.targets
    except RowError:
        return  # the build counts and quarantines it


def words_to_keep(tasks: Iterable[Task]) -> list[str]:
    """Collect the words that must be one token each in a vocabulary for these tasks.

    Args:
        tasks: The tasks.

    Returns:
        Label words and the tasks' own.
    """
    return [word for task in tasks for word in (*task.label_words, *task.whole_words)]
