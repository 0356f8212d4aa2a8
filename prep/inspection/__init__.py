"""What is in a dataset folder, as text and as a page."""
