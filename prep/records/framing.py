"""TFRecord's frames: each record between its length and checksums, put on and taken off."""

import struct

import google_crc32c

from prep.errors import DataError

CRC_MASK = 0xA282EAD8  # tensorflow/core/lib/hash/crc32c.h
_FRAME_HEADER_BYTES = 12  # length as uint64 and its crc32c
_FRAME_FOOTER_BYTES = 4  # crc32c of the record
_unpack_length = struct.Struct("<Q").unpack_from
_pack_length = struct.Struct("<Q").pack
_pack_uint32 = struct.Struct("<I").pack


def split_records(content: bytes, path: str) -> list[bytes]:
    """Take the frames off the records of a TFRecord file.

    Args:
        content: The whole file.
        path: Its name, for error messages.

    Returns:
        The serialized records.

    Raises:
        DataError: If a frame reaches beyond the end of the file.
    """
    records: list[bytes] = []
    position = 0
    while position < len(content):
        start = position + _FRAME_HEADER_BYTES
        end = len(content) + 1
        if start <= len(content):
            end = start + _unpack_length(content, position)[0]
        position = end + _FRAME_FOOTER_BYTES
        if position > len(content):
            raise DataError(
                f"shard {path} is truncated after record {len(records):,}; build the dataset again"
            )
        records.append(content[start:end])
    return records


def _mask(crc: int) -> int:
    return (crc >> 15 | crc << 17 & 0xFFFFFFFF) + CRC_MASK & 0xFFFFFFFF


def _masked_crc(data: bytes) -> bytes:
    return _pack_uint32(_mask(google_crc32c.value(data)))


def frame_header(length: int) -> bytes:
    """Make what stands before a record: its length and the length's masked checksum.

    Args:
        length: Bytes of the record.

    Returns:
        12 bytes.
    """
    packed = _pack_length(length)
    return packed + _masked_crc(packed)
