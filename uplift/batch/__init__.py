"""A night as steps: which must run, which may be skipped and why, and what it all came to."""
