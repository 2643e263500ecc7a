"""What all pages share: style, words, and pictures that stand inside them."""
