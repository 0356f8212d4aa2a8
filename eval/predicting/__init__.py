"""Answers to texts of a person's own: asking a run, reading texts, writing answers."""
