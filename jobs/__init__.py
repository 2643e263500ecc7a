"""Spark jobs: thin files, each runs by spark-submit and by ``python -m jobs.<name>``."""
