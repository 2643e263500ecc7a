"""What is published, and the audiences cut from it."""
