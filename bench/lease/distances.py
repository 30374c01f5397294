#!/usr/bin/env python3
"""How far the replayed cases lie from PyTorch in double precision: distances.py RESULTS CASES > one row per replay.

The distances of tests/agreement.py, in fp32, tf32 and bf16. Runs where PyTorch and h5py are, on either machine.
"""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
EXACT = "f64_released"  # of a case


def rows(results, cases):
    import h5py
    from agreement import compare, holds
    for path in sorted(Path(results).glob("replay-*.h5")):
        _, arch, precision = path.stem.split("-")
        with h5py.File(path, "r") as ours, h5py.File(Path(cases) / (arch + ".h5"), "r") as case:
            r = compare(ours, case["results"][EXACT])
            fits = {"fp32": "yes" if holds(r) else "no"}.get(precision, "-")
        hard = "-" if r["hard logits"] is None else "%.1e" % r["hard logits"]
        yield (arch, precision, "%.1e" % r["logits"], hard, "%.1e" % r["gradient"], "%.1e" % r["losses"],
               "%d of %d" % (r["differ"], r["total"]), fits)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for row in rows(*sys.argv[1:]):
        print("| " + " | ".join(row) + " |", flush=True)
