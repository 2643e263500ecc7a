"""The questions an experiment must answer, one file per group, each from small sums."""
