"""What happens between steps: figures, validation, checkpoints, a clean stop."""
