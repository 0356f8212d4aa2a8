"""Texts to token ids and back inside a TensorFlow program, as `prep.Vocabulary` does in Python.

SentencePiece runs in tensorflow-text's ops, which hold a version of their own: where two ways to
cut a word have the same score ("666" as "6 66" or "66 6"), the two may choose differently.

Shape letters: B batch, T target length.
"""

import tensorflow as tf
import tensorflow_text

from prep import Vocabulary
from prep.sources.row import UNSEEN as UNSEEN_RANGES

# Python's `\s`, spelled out for RE2, to which it is ASCII's alone.
BLANKS = (
    r"\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}"
    r"\x{3000}"
)
# What `prep` takes for nothing to see.
UNSEEN = "".join(rf"\x{{{low:x}}}-\x{{{high:x}}}" for low, high in UNSEEN_RANGES)
_BORDER = b"\xff"  # no byte of UTF-8; tensorflow-text's own splitting loses what is behind a NUL
_ANCHOR = "<unk>"  # put in front of what shall have no blank, as the vocabulary does


class TextVocabulary(tf.Module):
    """A vocabulary whose encoding and decoding are parts of a program.

    Args:
        vocabulary: What it does the same as.
    """

    def __init__(self, vocabulary: Vocabulary):
        super().__init__(name="vocabulary")
        self.eos_id, self.pad_id, self.unk_id = 1, 0, 2
        self.pieces = vocabulary.pieces
        self.blank_after_sentinels = vocabulary.blank_after_sentinels
        self.sentinel_ids = [vocabulary.sentinel_id(n) for n in range(vocabulary.extra_ids)]
        self._tokenizer = tensorflow_text.SentencepieceTokenizer(
            model=vocabulary.place.read_bytes(), out_type=tf.int32
        )
        # What is put in front and taken away again has as many tokens as Python finds.
        self._anchor_tokens = len(vocabulary.encode(_ANCHOR))
        numbers = "|".join(map(str, range(len(self.sentinel_ids))))
        sentinel = rf"<extra_id_(?:{numbers})>|" if self.sentinel_ids else ""
        self._mark = rf"[{BLANKS}]*(?:{sentinel}</s>)[{BLANKS}]*"

    def encode(self, text_B: tf.Tensor) -> tf.RaggedTensor:
        """Turn texts into token ids, without EOS at their ends.

        Args:
            text_B: Strings [B]; `<extra_id_n>` becomes the sentinel's id, `</s>` that of EOS.

        Returns:
            int32 [B, tokens].
        """
        between = tf.strings.regex_replace(text_B, f"({self._mark})", _BORDER + rb"\1" + _BORDER)
        parts = tf.strings.split(between, _BORDER)
        part = parts.flat_values
        is_mark = tf.strings.regex_full_match(part, self._mark)
        plain = tf.where(is_mark, "", part)
        glued = None
        if not self.blank_after_sentinels:
            has_blank_after = tf.strings.regex_full_match(part, rf"(?s).*[{BLANKS}]")
            glued = _behind(is_mark & ~has_blank_after, parts) & ~is_mark
            plain = tf.where(glued, _ANCHOR + plain, plain)
        tokens = self._tokenizer.tokenize(plain)
        if glued is not None:
            place = tf.ragged.range(tokens.row_lengths())
            is_anchor = tf.gather(glued, place.value_rowids()) & (
                place.flat_values < self._anchor_tokens
            )
            tokens = tf.ragged.boolean_mask(tokens, tokens.with_flat_values(~is_anchor))
        marks = tf.RaggedTensor.from_row_lengths(
            tf.boolean_mask(self._mark_ids(part), is_mark),
            tf.cast(is_mark, tf.int64),
            validate=False,
        )
        tokens = tf.concat([tokens, marks], 1)
        return parts.with_flat_values(tokens).merge_dims(1, 2)

    def decode(self, ids_BT: tf.Tensor) -> tf.Tensor:
        """Turn token ids into texts: padding dropped, stopped at EOS, sentinels shown.

        Args:
            ids_BT: int32 [B, T].

        Returns:
            Strings [B].
        """
        has_ended = tf.cumsum(tf.cast(ids_BT == self.eos_id, tf.int32), axis=1) > 0
        ids = tf.ragged.boolean_mask(ids_BT, ~has_ended & (ids_BT != self.pad_id))
        number = self._sentinel_number(ids.flat_values)
        is_sentinel = number >= 0
        is_first = tf.ragged.range(ids.row_lengths()).flat_values == 0
        starts = is_first | is_sentinel | _shifted(is_sentinel)
        part_of = tf.cumsum(tf.cast(starts, tf.int64)) - 1
        is_piece = (ids.flat_values > 0) & (ids.flat_values < self.pieces)
        pieces = tf.where(is_piece, ids.flat_values, self.unk_id)
        count = tf.reduce_sum(tf.cast(starts, tf.int64))
        parts = tf.RaggedTensor.from_value_rowids(pieces, part_of, nrows=count, validate=False)
        shown = tf.strings.join(["<extra_id_", tf.strings.as_string(number), ">"])
        text = tf.where(
            tf.boolean_mask(is_sentinel, starts),
            tf.boolean_mask(shown, starts),
            self._tokenizer.detokenize(parts),
        )
        texts = tf.RaggedTensor.from_value_rowids(
            text, tf.boolean_mask(ids.value_rowids(), starts), nrows=ids.nrows(), validate=False
        )
        texts = tf.ragged.boolean_mask(texts, texts != "")
        return tf.strings.reduce_join(texts, axis=-1, separator=" ")

    def _mark_ids(self, part: tf.Tensor) -> tf.Tensor:
        """Tell the ids of marks, int32 of the parts' shape; of other parts anything."""
        number = tf.strings.regex_replace(part, r"(?s)^.*<extra_id_([0-9]+)>.*$", r"\1")
        is_sentinel = tf.strings.regex_full_match(number, "[0-9]{1,9}")
        number = tf.strings.to_number(tf.where(is_sentinel, number, "0"), tf.int32)
        ids = tf.constant([*self.sentinel_ids, self.eos_id], tf.int32)
        end = len(self.sentinel_ids)
        return tf.gather(ids, tf.where(is_sentinel, tf.minimum(number, end), end))

    def _sentinel_number(self, ids: tf.Tensor) -> tf.Tensor:
        """Tell which sentinel each id is, −1 for none."""
        numbers = [-1] * (max(self.sentinel_ids, default=0) + 1)
        for number, token in enumerate(self.sentinel_ids):
            numbers[token] = number
        last = len(numbers) - 1
        found = tf.gather(tf.constant(numbers), tf.clip_by_value(ids, 0, last))
        return tf.where((ids >= 0) & (ids <= last), found, -1)


def _shifted(flags: tf.Tensor) -> tf.Tensor:
    """Move flags one place on; the first is false."""
    return tf.concat([tf.zeros_like(flags[:1]), flags[:-1]], 0)


def _behind(flags: tf.Tensor, rows: tf.RaggedTensor) -> tf.Tensor:
    """Tell of each of the rows' values whether the one before it in its row is flagged."""
    place = tf.ragged.range(rows.row_lengths()).flat_values
    return _shifted(flags) & (place > 0)
