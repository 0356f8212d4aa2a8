"""Texts to token ids: the vocabulary, truncation, objectives of raw text, and packing."""
