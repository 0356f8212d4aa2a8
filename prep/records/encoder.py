"""Token ids → the bytes of a TFRecord shard, without TensorFlow.

A record is a serialized `tf.train.Example` with int64 features, keys in alphabetical order
(`example`, `inputs`, `label`, `targets`; where a task has them also `document` and `group`, and
`references` as bytes; and the segments where it is packed): byte for byte what TensorFlow's
deterministic serialization gives, at about a tenth of its cost. Everything that depends only on a
length is remembered, and a token's varint is a table lookup.

Wire format: https://protobuf.dev/programming-guides/encoding/. Framing of TFRecord: length as
uint64, masked crc32c of the length, data, masked crc32c of the data, all little-endian
(tensorflow/core/lib/io/record_writer.h).
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter

import google_crc32c
import numpy as np

from prep.records.framing import CRC_MASK, frame_header

_LENGTH_DELIMITED = b"\x0a"  # field 1, wire type 2: Example.features, map entry, Int64List.value
_MAP_VALUE = b"\x12"  # field 2, wire type 2
_BYTES_LIST = b"\x0a"  # field 1, wire type 2: Feature.bytes_list, its values are field 1 too
_INT64_LIST = b"\x1a"  # field 3, wire type 2: Feature.int64_list


def varint(value: int) -> bytes:
    """Encode an integer as a protobuf varint.

    Args:
        value: At least −2^63; negative values take ten bytes, as int64 does.

    Returns:
        One to ten bytes.
    """
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


# The first two bytes of a varint that has more.
_TWO_BYTES = [bytes([low | 0x80, high | 0x80]) for high in range(128) for low in range(128)]


def _large_varint(value: int, varints: Sequence[bytes]) -> bytes:
    """Encode as `varint` does, by table where there is one.

    Row numbers of large files are beyond `varints`.
    """
    rest = value >> 14
    if 0 < rest < len(varints):
        return _TWO_BYTES[value & 0x3FFF] + varints[rest]
    return varint(value)


class RecordEncoder:
    """An encoder of examples whose token ids are below a known size.

    Args:
        vocabulary_size: Token ids there are.
    """

    def __init__(self, vocabulary_size: int):
        self._varints = [varint(token) for token in range(vocabulary_size)]
        self._inputs_prefixes = _Remembered(lambda length: _feature_prefix(b"inputs", length))
        self._message_prefixes = _Remembered(_message_prefix)
        self._headers = _Remembered(frame_header)
        self._numbers = _Remembered(varint)  # of labels and segments, few and small

    def pack(self, ids: Sequence[int]) -> bytes:
        """Serialize token ids as packed varints.

        Args:
            ids: Token ids.

        Returns:
            The payload of an Int64List.
        """
        # One call of C for all look-ups; of a single id it would return no tuple.
        if len(ids) > 1:
            return b"".join(itemgetter(*ids)(self._varints))
        return self._varints[ids[0]] if ids else b""

    def answer(self, label: int, targets: Sequence[int], references: Sequence[str] = ()) -> bytes:
        """Serialize the part of a record that all examples with the same answer share.

        Args:
            label: Index of the label word, −1 if none.
            targets: Token ids.
            references: Every right answer's text, where predictions are compared with texts.

        Returns:
            The features `label`, `references` (if there are any) and `targets`.
        """
        number, packed = varint(label), self.pack(targets)
        return (
            _feature_prefix(b"label", len(number))
            + number
            + (_texts_feature(b"references", references) if references else b"")
            + _feature_prefix(b"targets", len(packed))
            + packed
        )

    def messages(
        self,
        examples: Iterable[int],
        inputs: Iterable[Sequence[int]],
        answers: Iterable[bytes],
        groups: Iterable[int] | None = None,
        documents: Iterable[int] | None = None,
    ) -> Iterator[bytes]:
        """Serialize examples, one record each.

        Args:
            examples: Row numbers in the split.
            inputs: Their token ids.
            answers: What `answer` returned for their labels and targets.
            groups: What each is scored together with others by, if the task has groups.
            documents: What each is about, if the task says so.

        Yields:
            `tf.train.Example`s, not framed yet.
        """
        varints, pack, known = self._varints, self.pack, len(self._varints)
        before_inputs, before_all = self._inputs_prefixes, self._message_prefixes
        group_features = _number_features(b"group", groups)
        document_features = _number_features(b"document", documents)
        rows = zip(examples, inputs, answers, group_features, document_features, strict=False)
        for example, ids, answer, group, document in rows:
            number = varints[example] if example < known else _large_varint(example, varints)
            packed = pack(ids)
            features = (
                document
                + _EXAMPLE_PREFIXES[len(number)]
                + number
                + group
                + before_inputs[len(packed)]
                + packed
                + answer
            )
            yield before_all[len(features)] + features

    def frame_all(self, messages: Iterable[bytes]) -> bytes:
        """Frame serialized examples; the checksums are masked all at once, which is cheaper.

        Args:
            messages: What `messages` or `packed_message` returned.

        Returns:
            The content of a TFRecord file.
        """
        records = list(messages)
        headers = map(self._headers.__getitem__, map(len, records))
        crcs = np.fromiter(map(google_crc32c.value, records), np.uint32, len(records))
        masked = ((crcs >> 15 | crcs << 17) + np.uint32(CRC_MASK)).astype("<u4").tobytes()
        footers = (masked[place : place + 4] for place in range(0, len(masked), 4))
        framed = zip(headers, records, footers, strict=True)
        return b"".join(itertools.chain.from_iterable(framed))

    def packed_message(
        self,
        examples: Sequence[int],
        labels: Sequence[int],
        inputs: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
    ) -> bytes:
        """Serialize several examples as one record.

        Args:
            examples: Their row numbers in the split.
            labels: Their indices of the label word, −1 if none.
            inputs: Their token ids.
            targets: Their token ids.

        Returns:
            A `tf.train.Example`, not framed yet.
        """
        # TensorFlow puts a key before the key it begins with.
        payloads = {
            b"example": b"".join(map(varint, examples)),
            b"inputs_segments": self._segments(inputs),
            b"inputs": self.pack(list(itertools.chain.from_iterable(inputs))),
            b"label": b"".join(map(self._numbers.__getitem__, labels)),
            b"targets_segments": self._segments(targets),
            b"targets": self.pack(list(itertools.chain.from_iterable(targets))),
        }
        features = b"".join(
            _feature_prefix(key, len(data)) + data for key, data in payloads.items()
        )
        return self._message_prefixes[len(features)] + features

    def _segments(self, sequences: Sequence[Sequence[int]]) -> bytes:
        """Encode for every token the number of its sequence, from 1."""
        return b"".join(
            [self._numbers[number] * len(ids) for number, ids in enumerate(sequences, start=1)]
        )


class _Remembered(dict):
    """What a function of a number returned, remembered: a dictionary look-up is cheaper.

    Args:
        compute: The function.
    """

    def __init__(self, compute: Callable[[int], bytes]):
        super().__init__()
        self._compute = compute

    def __missing__(self, length: int) -> bytes:
        value = self[length] = self._compute(length)
        return value


def _message_prefix(features: int) -> bytes:
    return _LENGTH_DELIMITED + varint(features)


def _feature_prefix(key: bytes, payload: int) -> bytes:
    """Encode everything before the payload of a map entry `key: Int64List` with packed values."""
    values = _LENGTH_DELIMITED + varint(payload)
    int64_list = _INT64_LIST + varint(len(values) + payload) + values
    return _entry_prefix(key, int64_list, payload)


def _number_features(key: bytes, numbers: Iterable[int] | None) -> Iterable[bytes]:
    """Encode a map entry `key: Int64List` for each number; without any, nothing again and again."""
    if numbers is None:
        return itertools.repeat(b"")
    return map(functools.partial(_number_feature, key), numbers)


def _number_feature(key: bytes, number: int) -> bytes:
    packed = varint(number)
    return _feature_prefix(key, len(packed)) + packed


def _texts_feature(key: bytes, texts: Sequence[str]) -> bytes:
    """Encode a map entry `key: BytesList`; what UTF-8 cannot say is escaped."""
    encoded = [text.encode("utf-8", "backslashreplace") for text in texts]
    payload = b"".join(_LENGTH_DELIMITED + varint(len(text)) + text for text in encoded)
    return _entry_prefix(key, _BYTES_LIST + varint(len(payload)), len(payload)) + payload


def _entry_prefix(key: bytes, feature: bytes, payload: int) -> bytes:
    """Encode everything before the payload of a map entry whose Feature begins with given bytes."""
    value = _MAP_VALUE + varint(len(feature) + payload) + feature
    entry = _LENGTH_DELIMITED + varint(len(key)) + key + value
    return _LENGTH_DELIMITED + varint(len(entry) + payload) + entry


_LONGEST_VARINT = 10  # bytes
_EXAMPLE_PREFIXES = [_feature_prefix(b"example", size) for size in range(_LONGEST_VARINT + 1)]
