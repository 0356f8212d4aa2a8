"""A build as an Apache Beam pipeline."""
