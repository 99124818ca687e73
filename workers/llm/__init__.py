"""What a model is asked, and what it answers: one interface, two server dialects (vLLM and
llama.cpp)."""
