"""The decision API: coupon or not, for this customer, now."""
