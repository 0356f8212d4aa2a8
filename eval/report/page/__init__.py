"""The report as one HTML file: read from what an evaluation left, drawn, and written."""
