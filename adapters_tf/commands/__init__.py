"""The commands of `python -m adapters_tf`, a file each: `add_parser` and what it runs."""
