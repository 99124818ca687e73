"""The model client: one interface, two server dialects (vLLM and llama.cpp)."""
