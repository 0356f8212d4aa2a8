"""Contract 2, the run folder, as a model is built from it."""
