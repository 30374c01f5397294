"""https://github.com/quark0/darts"""
from layout import Layout

LAYOUT = Layout("the DARTS authors' network", "darts", "cells.0.preprocess1.op.1.weight")
