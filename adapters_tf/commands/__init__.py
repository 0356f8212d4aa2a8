"""The commands of `python -m adapters_tf`: `parsers` says what can be typed, a file each runs."""
