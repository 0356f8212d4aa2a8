"""What a TPU would make of a run's steps, told without a TPU."""
