import random
import tempfile
from pathlib import Path

import pytest

from prep.records.encoder import RecordEncoder, varint

tf = pytest.importorskip("tensorflow")


def reference(inputs, targets, label, example, references=(), group=None, document=None):
    def feature(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = {
        "inputs": feature(inputs),
        "targets": feature(targets),
        "label": feature([label]),
        "example": feature([example]),
    }
    if references:
        texts = [text.encode() for text in references]
        features["references"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
    if group is not None:
        features["group"] = feature([group])
    if document is not None:
        features["document"] = feature([document])
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return message.SerializeToString(deterministic=True)


def frame(record):
    """A record as TensorFlow writes it into a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one.tfrecord")
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(record)
        return path.read_bytes()


def random_cases():
    generator = random.Random(5)
    yield [1], [1], -1, 0
    for length in (1, 2, 126, 127, 128, 129, 700, 20_000):
        inputs = [generator.randrange(32_100) for _ in range(length)]
        targets = [generator.randrange(200) for _ in range(generator.randrange(1, 300))]
        yield inputs, targets, generator.randrange(-1, 300), generator.randrange(1 << 40)


@pytest.mark.parametrize(("inputs", "targets", "label", "example"), list(random_cases()))
def test_bytes_equal_tensorflows(inputs, targets, label, example):
    encoder = RecordEncoder(32_100)
    messages = encoder.messages([example], [inputs], [encoder.answer(label, targets)])
    assert encoder.frame_all(messages) == frame(reference(inputs, targets, label, example))


@pytest.mark.parametrize("references", [("a",), ("", "Größe" * 100, "三")])
@pytest.mark.parametrize("group", [None, 0, (1 << 63) - 1])
@pytest.mark.parametrize("document", [None, 5])
def test_bytes_of_texts_groups_and_documents_equal_tensorflows(references, group, document):
    encoder = RecordEncoder(100)
    answer = encoder.answer(-1, [6, 1], references)
    groups, documents = (None if one is None else [one] for one in (group, document))
    [message] = encoder.messages([7], [[5, 1]], [answer], groups, documents)
    assert encoder.frame_all([message, message]) == 2 * frame(
        reference([5, 1], [6, 1], -1, 7, references, group, document)
    )


@pytest.mark.parametrize("segments", [1, 2, 40, 300])
def test_packed_bytes_equal_tensorflows(segments):
    generator = random.Random(segments)

    def sequences(size):
        return [
            [generator.randrange(size) for _ in range(generator.randrange(1, 20))]
            for _ in range(segments)
        ]

    examples = [generator.randrange(1 << 40) for _ in range(segments)]
    labels = [generator.randrange(-1, 300) for _ in range(segments)]
    inputs, targets = sequences(32_100), sequences(200)
    values = {
        "example": examples,
        "label": labels,
        "inputs": [token for ids in inputs for token in ids],
        "targets": [token for ids in targets for token in ids],
        "inputs_segments": [n for n, ids in enumerate(inputs, 1) for _ in ids],
        "targets_segments": [n for n, ids in enumerate(targets, 1) for _ in ids],
    }
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=value))
        for name, value in values.items()
    }
    message = tf.train.Example(features=tf.train.Features(feature=features))
    encoder = RecordEncoder(32_100)
    packed = encoder.packed_message(examples, labels, inputs, targets)
    assert encoder.frame_all([packed]) == frame(message.SerializeToString(deterministic=True))


def test_frames_equal_tensorflows(tmp_path):
    records = [b"", b"a", b"x" * 1000]
    path = str(tmp_path / "reference.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    with open(path, "rb") as file:  # noqa: PTH123
        assert file.read() == b"".join(map(frame, records))


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (300, b"\xac\x02"),
        (-1, b"\xff" * 9 + b"\x01"),
    ],
)
def test_varint(value, encoded):
    assert varint(value) == encoded


@pytest.mark.parametrize("vocabulary_size", [2, 130, 32_100])
def test_row_numbers_of_any_size(vocabulary_size):
    encoder = RecordEncoder(vocabulary_size)
    for power in range(0, 63, 7):
        for number in ((1 << power) - 1, 1 << power, (1 << power) + 300):
            messages = encoder.messages([number], [[1]], [encoder.answer(0, [1])])
            assert encoder.frame_all(messages) == frame(reference([1], [1], 0, number))
