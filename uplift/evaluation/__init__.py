"""Judge any ranking and any policy on held-out rows of the experiment; never a model.

Rows become small arrays of sums (``ranked_sums``, ``policy_sums``; Spark builds the same arrays),
curves, areas and intervals are functions of those, and ``report.evaluate`` puts all of it into
one document.
"""
