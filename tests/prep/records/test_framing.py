"""TFRecord's frames, put on and taken off, and files that were cut."""

import struct

import google_crc32c
import pytest

from prep.errors import DataError
from prep.records.encoder import RecordEncoder
from prep.records.framing import CRC_MASK, frame_header, split_records


def masked(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + CRC_MASK) & 0xFFFFFFFF)


def frame(*records):
    return RecordEncoder(4).frame_all(records)


def test_a_frame_by_hand():
    """Length, its masked checksum, the record, its masked checksum; see record_writer.h."""
    length = b"\x03\0\0\0\0\0\0\0"
    assert frame_header(3) == length + masked(length)
    assert frame(b"abc") == frame_header(3) + b"abc" + masked(b"abc")


@pytest.mark.parametrize(
    "records", [[], [b""], [b"a"], [b"", b"abc", b""], [bytes(range(256)) * 300, b"x"]]
)
def test_what_was_framed_comes_back(records):
    assert split_records(frame(*records), "x.tfrecord") == records


@pytest.mark.parametrize("lost", [1, 4, 5, 9, 15, 16, 19])
def test_a_file_that_was_cut_names_the_last_whole_record(lost):
    content = frame(b"first", b"last")
    with pytest.raises(DataError, match=r"shard x.tfrecord is truncated after record 1; build"):
        split_records(content[:-lost], "x.tfrecord")


def test_what_is_no_record_file_is_truncated_from_the_start():
    with pytest.raises(DataError, match="truncated after record 0"):
        split_records(b"this is no record file at all", "x.tfrecord")


def test_a_cut_between_two_records_is_for_the_manifest_to_notice():
    content = frame(b"first", b"last")
    assert split_records(content[: len(frame(b"first"))], "x.tfrecord") == [b"first"]
