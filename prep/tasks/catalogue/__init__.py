"""The tasks this toolkit knows, one file per family."""
