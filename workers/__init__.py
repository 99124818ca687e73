"""Floor 2: runs. What happened, what to do next, and doing it once. Each room imports only those
beneath it; pyproject.toml lists them in order."""
