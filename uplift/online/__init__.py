"""The features of one customer, in microseconds."""
