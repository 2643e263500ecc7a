"""Everything that touches Spark: it shrinks big tables into small arrays, and writes tables."""
