"""From an experiment's rows to the expected outcome of every customer in every arm."""
