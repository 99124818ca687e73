"""How fast, and how small: docs/benchmarks.md tells what is measured and what came out.

python -m tests.benchmarks [--quick] [--json] [--report] [name ...]
"""
