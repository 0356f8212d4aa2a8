"""Optimizers whose slots and steps are kept per task row, and learning rates."""
