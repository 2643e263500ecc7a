"""What is known about a unit before it is treated, as a matrix: declared once, encoded one way."""
