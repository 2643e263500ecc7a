"""Experiments: can their logs be trusted, how they are split, and logs whose truth is known."""
