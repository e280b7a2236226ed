"""Small clients of the platform, for tests and for chaos: they wait, and keep what comes."""
