"""Contract 1, the dataset folder: its manifest, reading and mixing, verification, staging."""
