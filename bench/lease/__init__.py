"""Fifteen minutes of a machine with a GPU, prepared here, run there, read here: scripts/gpu --lease, docs/GPU.md."""
