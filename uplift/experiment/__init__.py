"""Can this experiment be trusted, and how are its units split and simulated."""
