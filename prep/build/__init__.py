"""A whole build: its options, the manifest as planned, writing, finishing, and the journal."""

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions

__all__ = ["BuildOptions", "build_dataset"]
