"""The `im` command: the Python SDK in a terminal."""
