"""Is tonight like the nights it was learned from? Asked before anything is published."""
