"""A first task file for files that nobody has declared yet: looked at, guessed, asked, written."""
