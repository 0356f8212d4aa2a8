"""Several runs that differ in some settings, one after the other, and a table of how they did."""
