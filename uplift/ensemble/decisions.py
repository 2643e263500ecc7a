"""How a node decides, in the bits that LightGBM writes: which values go left, which are missing.

A value of magnitude up to ``ZERO`` is zero, as it is for LightGBM. A *number* goes left if it is
at most the threshold; a missing one goes the default way. What counts as missing is the node's
own business: nothing (NaN is then zero), zero and NaN, or NaN alone. A *category* goes left if its
integer part is a member of the node's set; NaN, a negative or an unseen one goes right.
"""

CATEGORICAL = 1
DEFAULT_LEFT = 2
MISSING_ZERO = 4
MISSING_NAN = 8

ZERO = 1.0000000180025095e-35  # LightGBM's kZeroThreshold, 1e-35 in single precision
