"""Losses: of logits, targets and weights, and nothing of the model."""
