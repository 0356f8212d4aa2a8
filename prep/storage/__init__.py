"""Files by name, on a disk or in a bucket; what went wrong with a bucket; files the disk has.

`bucket` loads Google's client and is imported only where a bucket is written.
"""

from prep.storage.files import StoragePath, exists, explained, is_remote, join, read_bytes

__all__ = ["StoragePath", "exists", "explained", "is_remote", "join", "read_bytes"]
