"""The decision API: which coupon, if any, for this customer now."""
