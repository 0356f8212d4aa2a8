"""Contract 2, the run folder, as the trainer writes it."""
