"""The settings of a run: their tree, the command line, what is refused, what is filled in."""
