"""Adapters in llama.cpp's own file format."""
