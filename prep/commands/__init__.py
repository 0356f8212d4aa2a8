"""What `python -m prep` runs, one file per subcommand: its options and what it prints."""
