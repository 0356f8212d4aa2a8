"""How the tasks of one step are weighed against each other: a method is one file and one line."""
