"""Small results and analysis files for the tests of nad_report's page, as nad_run and nad_analyse write them."""
import h5py
import numpy as np

# Names that a page must show and never obey.
HOSTILE = ["<script>alert(1)</script>", "a\u2028b</script><img src=x onerror=alert(2)>", "'\"&amp;{{payload}}",
           "\x1b[2J \u00fcn\u00efcode \u72ac", "goldfish"]


def write_results(path, classes, channels, name, false_alarms, num_classes=None):
    """name, false_alarms: functions of the class."""
    rng = np.random.default_rng(7)
    text = {"kind": "nad results", "arch": "resnet50", "weights_file": "resnet50.h5", "weights_hash": "77f2",
            "data": "images", "objective": "released", "half": "all", "precision": "fp32", "device": "cpu",
            "device_description": "a processor", "conv": "handwritten", "conv_choices": "",
            "program": "nad_run 0.1.0", "command_line": "nad_run --weights resnet50.h5 </script>"}
    whole = {"format_version": 1, "num_classes": num_classes or classes, "input_size": 96, "epochs": 0, "steps": 1,
             "least_steps": 0, "batch": 16, "threads": 2, "classes_per_step": 1}
    with h5py.File(path, "w") as file:
        file.attrs.update(text)
        file.attrs.update({key: np.int64(value) for key, value in whole.items()})
        file.attrs.update({"seed": np.uint64(233), "order_seed": np.uint64(233), "beta": 0.02, "lr": 0.1,
                           "beta_auto": np.uint8(0)})
        gates = file.create_group("gates")
        gates.attrs["names"] = ["gate%d" % g for g in range(len(channels))]
        gates.attrs["channels"] = np.array(channels, np.int64)
        for c in range(classes):
            group = file.create_group("classes/%d" % c)
            group.attrs.update({"id": "n%08d" % c, "name": name(c), "images_hash": "x", "error": ""})
            group.attrs.update({"top1_before": 75.0, "top1_after": 90.0, "false_alarms": float(false_alarms(c)),
                                "seconds": 1.0})
            counts = {"steps": 1, "train_images": 60, "val_images": 50, "broken_images": 0, "other_images": 90,
                      "error_code": 0}
            group.attrs.update({key: np.int64(value) for key, value in counts.items()})
            group.attrs["finished"] = np.uint8(1)
            for g, count in enumerate(channels):
                logits = rng.standard_normal(count).astype(np.float32)
                group["logits/%02d" % g] = logits
                group["mask/%02d" % g] = (logits > 0).astype(np.uint8)
            group["losses"] = np.ones((1, 4))
            group["correct"] = np.zeros(1, np.int32)
            group["skipped"] = np.zeros(1, np.uint8)
    return path


def add_findings(network, name, summary, facts=None, table=None, arrays=None):
    group = network.create_group(name)
    group.attrs.update({"key": "k", "summary": summary})
    group.attrs.update(facts or {})
    for key, value in (arrays or {}).items():
        group[key] = np.asarray(value, float)
    if table:
        columns = group.create_group("table")
        columns.attrs["columns"] = list(table)
        for key, value in table.items():
            columns[key] = value


def write_analysis(path, classes, add, weights_hash="77f2", label="resnet50_released"):
    """add(network): its findings."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"kind": "nad analysis", "format_version": np.int64(1), "program": "nad_analyse 0.1.0"})
        network = file.create_group("networks/" + label)
        network.attrs.update({"arch": "resnet50", "objective": "released", "beta": 0.02,
                              "weights_file": "resnet50.h5", "weights_hash": weights_hash})
        network.attrs.update({"num_classes": np.int64(classes), "classes": np.int64(classes)})
        add(network)
    return path
