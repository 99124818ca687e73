"""What a model is asked, and what it says: one interface, two server dialects (vLLM and
llama.cpp)."""
