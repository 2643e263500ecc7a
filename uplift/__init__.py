"""Uplift scoring: learn from randomised experiments for whom a coupon causes a purchase."""

__version__ = "0.1.0"
