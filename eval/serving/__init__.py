"""A run as a SavedModel: strings in, answers and scores out, and a server of such folders."""
