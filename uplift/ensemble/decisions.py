"""How a node decides, in the bits that LightGBM writes.

A *number* goes left if it is at most the threshold, and a missing one goes the default way. What
counts as missing is the node's own business: nothing (NaN is then zero), NaN, or NaN and zero. A
magnitude up to ``ZERO`` is zero. A *category* goes left if its integer part is a member of the
node's set; NaN, a negative and an unseen one go right.
"""

CATEGORICAL = 1
DEFAULT_LEFT = 2
MISSING_ZERO = 4
MISSING_NAN = 8

ZERO = 1.0000000180025095e-35  # LightGBM's kZeroThreshold: 1e-35 in single precision
