"""What an evaluation writes: its files, its table, and the baseline beside each figure."""
