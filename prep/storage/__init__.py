"""Places on a disk or in a bucket; what went wrong with a bucket; files that the disk has.

`bucket` loads Google's client and is imported only where a bucket is written.
"""

from prep.storage.places import BucketPlace, LocalPlace, Place, StoragePath, local_path, place_of

__all__ = ["BucketPlace", "LocalPlace", "Place", "StoragePath", "local_path", "place_of"]
