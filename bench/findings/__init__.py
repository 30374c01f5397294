"""Learns, analyses and tabulates every network at hand: scripts/findings, which makes docs/FINDINGS.md."""
