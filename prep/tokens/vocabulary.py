"""SentencePiece as T5 uses it: the pieces of the model file plus sentinels added by us.

T5's published model has 32,000 pieces and none of the `<extra_id_n>` sentinels; they take the ids
after the last piece, counted backwards (`<extra_id_0>` is the highest), as in the T5 code (Raffel
et al. 2020, section 3.1.4). A model that holds them as pieces, as mT5's does (spelled
`▁<extra_id_n>`), keeps its own ids, and none are added.

What follows a sentinel begins with a "▁", as a text does: "<extra_id_0>. Hello" has a piece "▁"
before the full stop. So do T5's own code and the published tokenizers of its time (`legacy=True` of
transformers); newer ones have no such piece, and that is `blank_after_sentinels=False`.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cached_property

import sentencepiece

from prep.errors import DataError
from prep.storage import StoragePath, place_of

EXTRA_IDS = 100  # sentinels of every published T5
SENTINEL_MARK = "<extra_id_"
EOS_MARK = "</s>"  # in a text: a separator, as Hugging Face's T5 tokenizers have it

# Blanks beside a sentinel belong to it: T5 writes "The <extra_id_0> walks" without a lone "▁".
_PIECE = re.compile(r"▁?<extra_id_(0|[1-9][0-9]{0,8})>")
_LEAST_SENTINELS = 2  # the marker of "head_tail" is the second
_ANCHOR = "<unk>"  # put in front of what shall have no blank; any text that ends a word would do
_SPECIAL = re.compile(r"\s*<extra_id_(0|[1-9][0-9]{0,8})>\s*|\s*</s>\s*")


class Vocabulary:
    """A SentencePiece model with T5's special ids (pad 0, EOS 1, unknown 2) and its sentinels.

    Args:
        path: The `.model` file, local or gs://.
        extra_ids: Number of `<extra_id_n>` sentinels added after the last piece, unless the model
            holds its own.
        blank_after_sentinels: Whether what follows a sentinel, or `</s>`, begins with a "▁" even
            where the text has no blank there.

    Raises:
        DataError: If the file is no SentencePiece model, its special ids are not T5's, or it holds
            a single sentinel.
        OSError: If the file cannot be read.
    """

    pad_id = 0
    eos_id = 1
    unk_id = 2

    def __init__(
        self, path: StoragePath, extra_ids: int = EXTRA_IDS, blank_after_sentinels: bool = True
    ):
        self.place = place_of(path)
        self.path = str(self.place)
        self.blank_after_sentinels = blank_after_sentinels
        model = self.place.read_bytes()
        self.sha256 = hashlib.sha256(model).hexdigest()
        self._processor = _load_processor(model, self.path)
        self.pieces: int = self._processor.vocab_size()
        own = _own_sentinels(self._processor, self.path)
        self.extra_ids = len(own) or extra_ids
        self.size = self.pieces + (0 if own else extra_ids)  # token ids, sentinels included
        self._sentinels = own or tuple(self.size - 1 - number for number in range(extra_ids))
        self._number_of = {token: number for number, token in enumerate(self._sentinels)}

    def sentinel_id(self, number: int) -> int:
        """Return the token id of `<extra_id_number>`.

        Args:
            number: From 0 up to the number of sentinels.

        Returns:
            The token id; of sentinels that were added, `<extra_id_0>` is the highest.
        """
        return self._sentinels[number]

    def encode(self, text: str) -> list[int]:
        """Turn a text into token ids, without EOS.

        Args:
            text: Any text; `<extra_id_n>` in it becomes the sentinel's id, `</s>` that of EOS.

        Returns:
            Token ids.
        """
        if SENTINEL_MARK in text or EOS_MARK in text:
            return self._encode_with_special_ids(text)
        return self._processor.encode(text)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn many texts into token ids, without EOS, on the calling thread alone.

        Args:
            texts: Any texts.

        Returns:
            One list of token ids per text.
        """
        ids: list[list[int]] = self._processor.encode(list(texts), num_threads=1)
        joined = "\n".join(texts)
        if SENTINEL_MARK in joined or EOS_MARK in joined:
            for index, text in enumerate(texts):
                if SENTINEL_MARK in text or EOS_MARK in text:
                    ids[index] = self._encode_with_special_ids(text)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Turn token ids back into text: padding dropped, stopped at EOS, sentinels shown.

        Args:
            ids: Token ids, as a list or an array.

        Returns:
            The text; an id that no piece has is shown as unknown.
        """
        parts: list[str] = []
        segment: list[int] = []
        for token in map(int, ids):
            if token == self.eos_id:
                break
            if token == self.pad_id:
                continue
            if token in self._number_of:
                parts += [self._decode_pieces(segment), f"<extra_id_{self._number_of[token]}>"]
                segment = []
            else:
                segment.append(token if 0 < token < self.pieces else self.unk_id)
        parts.append(self._decode_pieces(segment))
        return " ".join(part for part in parts if part)

    def decode_texts(self, ids: Iterable[int]) -> str:
        """Turn the token ids of an input back into text, separators inside it shown.

        Args:
            ids: Token ids, EOS behind the last text.

        Returns:
            The texts with `EOS_MARK` between them.
        """
        texts: list[list[int]] = [[]]
        for token in map(int, ids):
            if token == self.eos_id:
                texts.append([])
            else:
                texts[-1].append(token)
        return EOS_MARK.join(map(self.decode, texts if texts[-1] else texts[:-1]))

    def normalize(self, text: str) -> str:
        """Return what the vocabulary sees of a text: its normalization, with plain blanks.

        Args:
            text: Any text.

        Returns:
            The text that pieces are found in; what decoding gives back at best.
        """
        return self._processor.normalize(text).replace("▁", " ").strip()

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Every token as text, by id: pieces, then sentinels."""
        pieces = [self._processor.id_to_piece(index) for index in range(self.pieces)]
        added = range(self.size - self.pieces)
        return (*pieces, *(f"<extra_id_{number}>" for number in reversed(added)))

    def _decode_pieces(self, ids: list[int]) -> str:
        return self._processor.decode(ids) if ids else ""

    def _encode_with_special_ids(self, text: str) -> list[int]:
        ids: list[int] = []
        pending = 0
        for match in _SPECIAL.finditer(text):
            number = match[1]
            if number and int(number) >= self.extra_ids:
                continue  # no such sentinel: it stays ordinary text
            ids += self._encode_part(text, pending, match.start())
            ids.append(self.sentinel_id(int(number)) if number else self.eos_id)
            pending = match.end()
        return ids + self._encode_part(text, pending, len(text))

    def _encode_part(self, text: str, start: int, stop: int) -> list[int]:
        """Encode what lies between special tokens."""
        part = text[start:stop]
        if self.blank_after_sentinels or not start or not part or text[start - 1].isspace():
            return self._processor.encode(part)
        return self._processor.encode(_ANCHOR + part)[len(self._processor.encode(_ANCHOR)) :]


def _own_sentinels(processor: sentencepiece.SentencePieceProcessor, path: str) -> tuple[int, ...]:
    """Find the sentinels that a model holds as pieces, by their numbers; empty: none."""
    pieces = (processor.id_to_piece(token) for token in range(processor.vocab_size()))
    matches = ((token, _PIECE.fullmatch(piece)) for token, piece in enumerate(pieces))
    found = {int(match[1]): token for token, match in matches if match}
    own = tuple(found[number] for number in range(len(found)) if number in found)
    if found and (len(own) < max(len(found), _LEAST_SENTINELS)):
        raise DataError(
            f"{path} holds sentinels of its own, and not all of them: expected <extra_id_0>,"
            f" <extra_id_1> and so on, found the numbers {sorted(found)}"
        )
    return own


def _load_processor(model: bytes, path: str) -> sentencepiece.SentencePieceProcessor:
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.load_from_serialized_proto(model)
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{path} is not a SentencePiece model ({len(model)} bytes)") from error
    found = (processor.pad_id(), processor.eos_id(), processor.unk_id())
    expected = (Vocabulary.pad_id, Vocabulary.eos_id, Vocabulary.unk_id)
    if found != expected:
        raise DataError(f"{path}: expected T5's (pad, eos, unk) ids {expected}, found {found}")
    return processor
