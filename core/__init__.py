"""The product without a user interface: catalogue, providers, jobs, stores and media."""
