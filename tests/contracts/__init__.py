"""Contract suites: one a seam, run over every implementation of it."""
