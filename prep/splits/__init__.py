"""Which rows go into which split: finding files, selecting, carving, and the plan."""
