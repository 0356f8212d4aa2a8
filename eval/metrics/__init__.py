"""Answers read from texts, and the metrics that score them."""
