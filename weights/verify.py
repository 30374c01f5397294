"""convert.py --verify: the finished weights file, run by the engine on raw images, beside another framework's logits."""
import os
import shutil
import subprocess
import tempfile

import numpy as np

from errors import BadData, WrongUsage, one_line

LIMIT = 1e-3  # of a logit
NAME = "nad_replay"


def find_engine(given):
    """The path of nad_replay."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = given or next((p for p in (os.path.join(root, "build", NAME), shutil.which(NAME)) if p and os.path.isfile(p)),
                          None)
    if not found or not os.access(found, os.X_OK):
        raise WrongUsage("--verify runs the engine's %s, which is not at %s: build it with scripts/build, or give --engine"
                         % (NAME, given or os.path.join(root, "build")))
    return found


def read_reference(path):
    """(images uint8 [N, H, W, 3], logits float64 [N, classes])"""
    try:
        with np.load(path, allow_pickle=False) as file:
            if not {"images", "logits"} <= set(file.files):
                raise BadData("%s holds %s, expected the arrays images and logits" % (path, ", ".join(file.files) or "nothing"))
            images, logits = file["images"], file["logits"]
    except OSError as e:
        raise BadData("reference %s cannot be read: %s" % (path, e.strerror or one_line(e)))
    except (ValueError, AttributeError, TypeError) as e:
        raise BadData("reference %s is no .npz file of plain arrays (%s)" % (path, one_line(e)))
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape:
        raise BadData("%s: images are %s %s, expected uint8 [N, height, width, 3], as they are before any preparation"
                      % (path, images.dtype, list(images.shape)))
    if logits.dtype.kind != "f" or logits.ndim != 2 or len(logits) != len(images) or not np.isfinite(logits).all():
        raise BadData("%s: logits are %s %s, expected finite floats [%d, classes]"
                      % (path, logits.dtype, list(logits.shape), len(images)))
    logits = logits.astype(np.float64)
    if (logits >= 0).all() and np.allclose(logits.sum(1), 1, atol=1e-3) and logits.shape[1] > 1:
        raise BadData("%s: logits are probabilities: take them before the softmax (Keras: classifier_activation=None)"
                      % path)
    return images, logits


def run_engine(engine, weights, images):
    """logits [N, classes]"""
    import h5py
    with tempfile.TemporaryDirectory(prefix="nad_verify_") as folder:
        case, result = os.path.join(folder, "case.h5"), os.path.join(folder, "result.h5")
        with h5py.File(case, "w") as f:
            f["raw_images"] = images
        done = subprocess.run([engine, case, "--weights", weights, "--out", result], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)
        if done.returncode:
            raise BadData("--verify: %s" % (done.stderr.strip().split("\n")[-1] or "%s ended with %d" % (engine, done.returncode)))
        with h5py.File(result, "r") as f:
            return f["logits_orig"][()].astype(np.float64)


def verify(weights, reference, engine):
    """One line that says how well they agree. Raises BadData where they do not."""
    images, want = reference
    got = run_engine(engine, weights, images)
    if got.shape != want.shape:
        raise BadData("--verify: the network has %d classes, the reference %d" % (got.shape[1], want.shape[1]))
    same, off = got.argmax(1) == want.argmax(1), np.abs(got - want).max()
    text = "Top-1 equal for %d of %d images, logits differ by at most %.2g (limit %g)" % (
        same.sum(), len(same), off, LIMIT)
    if not same.all() or off > LIMIT:
        raise BadData("%s was written, but --verify fails: %s; is the preparation of images right (--preset)?"
                      % (weights, text))
    return "verified: " + text
