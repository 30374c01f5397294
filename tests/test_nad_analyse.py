#!/usr/bin/env python3
"""nad_analyse end to end: what it finds in the results of a small network, against numpy; what it says of what is
missing; how it goes on; how it fails."""
import csv
import json
import os
import shutil
import signal
import struct
import subprocess
import time
import unittest
import zlib
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np

from cli_tools import IDS, PROGRAM, Case, default_signals, make_weights, run, start

ANALYSE = Path(os.environ.get("NAD_ANALYSE", PROGRAM.parent / "nad_analyse"))


def masks_of(path):
    with h5py.File(path, "r") as file:
        return {int(c): [group["mask/" + g][()].astype(bool) for g in sorted(group["mask"])]
                for c, group in file["classes"].items()}


def jaccard(a, b):
    union = (a | b).sum()
    return 1.0 if union == 0 else (a & b).sum() / union


def read_table(group):
    table = group["table"]
    return {name: [v.decode() if isinstance(v, bytes) else v for v in table[name][()]] for name in table.attrs["columns"]}


class Analyse(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.results = cls.dir / "results.h5"
        cls().learn(cls.results, "--classes", "0-5", "--steps", 12)

    def runTest(self):
        pass

    def analyse(self, *args, code=0):
        result = subprocess.run([str(ANALYSE), "--threads", "1", *map(str, args)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=300)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def with_network(self, out, *args, **options):
        return self.analyse(self.results, "--weights", self.weights, "--data", self.data, "--out", out, *args, **options)

    def test_similarity_and_histogram(self):
        out = self.dir / "similar.h5"
        self.analyse(self.results, "--out", out)
        masks = masks_of(self.results)
        pairs = list(combinations(sorted(masks), 2))
        with h5py.File(out, "r") as file, h5py.File(self.results, "r") as results:
            group = file["networks/resnet50_released/fig4_similarity"]
            table = read_table(group)
            for g, layer in enumerate(table["similarity"]):
                self.assertAlmostEqual(layer, np.mean([jaccard(masks[a][g], masks[b][g]) for a, b in pairs]))
                self.assertLessEqual(table["similarity_low"][g], layer)
                self.assertGreaterEqual(table["similarity_high"][g], layer)
            self.assertEqual(table["layer"], list(results["gates"].attrs["names"]))
            matrix = group["matrix"][()]
            self.assertAlmostEqual(matrix[1, 4], np.mean([jaccard(a, b) for a, b in zip(masks[1], masks[4])]))
            self.assertAlmostEqual(group.attrs["mean_similarity"], np.mean([matrix[a, b] for a, b in pairs]))
            bins = read_table(file["networks/resnet50_released/fig2_accuracy"])
            after = [c.attrs["top1_after"] for c in results["classes"].values()]
            self.assertEqual(bins["after"], [sum((above < a or above == a == 0) and a <= above + 10 for a in after)
                                             for above in range(0, 100, 10)])
        with open(self.dir / "similar.csv" / "resnet50_released" / "fig4_similarity.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([float(row["similarity"]) for row in rows], table["similarity"])

    def test_what_is_missing_is_said_and_the_rest_is_done(self):
        out = self.dir / "missing.h5"
        result = self.analyse(self.results, "--out", out)
        self.assertIn("table1_mistakes: is left out, it needs the weights file and val images", result.stderr)
        with h5py.File(out, "r") as file:
            network = file["networks/resnet50_released"]
            self.assertEqual(network["fig6_beta"].attrs["missing"], "a search for beta in the results")
            self.assertNotIn("missing", network["fig4_similarity"].attrs)
        # With the network the rest is made; without it again it stays.
        self.with_network(out, "--only", "table1_mistakes")
        again = self.analyse(self.results, "--out", out)
        self.assertIn("table1_mistakes: is there already", again.stderr)
        with h5py.File(out, "r") as file:
            mistakes = file["networks/resnet50_released/table1_mistakes"]
            self.assertEqual(mistakes.attrs["images"], 24)
            self.assertEqual(read_table(mistakes)["id"], IDS[:6])

    def test_other_inputs_make_it_anew(self):
        out = self.dir / "anew.h5"
        args = ["--out", out, "--only", "fig4_similarity"]
        self.analyse(self.results, *args)
        self.assertIn("is there already", self.analyse(self.results, *args).stderr)
        self.assertNotIn("is there already", self.analyse(self.results, "--seed", 5, *args).stderr)
        other = self.dir / "other.h5"
        self.learn(other, "--classes", "0-2", "--steps", 12)
        self.assertNotIn("is there already", self.analyse(other, "--seed", 5, *args).stderr)
        # Other masks have a place of their own, which is found again; the first ones' findings stay.
        self.assertIn("resnet50_released_2 fig4_similarity: is there already", self.analyse(other, "--seed", 5, *args).stderr)
        self.assertIn("resnet50_released fig4_similarity: is there already", self.analyse(self.results, "--seed", 5, *args).stderr)
        with h5py.File(out, "r") as file:
            networks = file["networks"]
            self.assertEqual(sorted(networks), ["resnet50_released", "resnet50_released_2"])
            self.assertEqual([networks[n + "/fig4_similarity"].attrs["classes"] for n in sorted(networks)], [6, 3])
            self.assertNotEqual(*[n.attrs["masks_hash"] for n in networks.values()])
        self.assertTrue((self.dir / "anew.csv" / "resnet50_released_2" / "fig4_similarity.csv").exists())

    def test_what_cannot_be_made_now_or_is_not_chosen_stays(self):
        out = self.dir / "stays.h5"
        self.with_network(out, "--only", "faithfulness,fig4_similarity")
        before = self.findings(out)
        for args in (["--seed", 5, "--only", "fig2_accuracy"], ["--seed", 5, "--only", "faithfulness"]):
            self.assertIn("2 findings are kept", self.analyse(self.results, "--out", out, *args).stderr)
            after = self.findings(out)
            self.assertEqual({k: after.get(k) for k in before}, before)
        self.assertTrue((self.dir / "stays.csv" / "resnet50_released" / "faithfulness.csv").exists())

    def test_images_are_known_by_their_files_not_by_their_path(self):
        data, out = self.dir / "copied", self.dir / "of_images.h5"
        shutil.copytree(self.data, data)
        args = ["--out", out, "--only", "faithfulness"]
        self.with_network(out, *args[2:])
        def again(folder):
            return self.analyse(self.results, "--weights", self.weights, "--data", folder, *args).stderr
        self.assertIn("is there already", again(data))
        self.assertIn("is there already", again(data / "val" / ".."))
        image = next(p for p in sorted((data / "val" / IDS[0]).iterdir()))
        image.write_bytes(image.read_bytes() + bytes(8))
        self.assertNotIn("is there already", again(data))
        next(p for p in sorted((data / "train" / IDS[0]).iterdir())).unlink()
        self.assertNotIn("is there already", again(data))
        for name in IDS:
            if (data / "val" / name).exists():
                (data / "val" / name).rename(data / "val" / ("not_" + name))
        failed = self.analyse(self.results, "--weights", self.weights, "--data", data, *args, code=3)
        self.assertIn("no class folder of", failed.stderr)

    def test_without_class_ids_the_folders_of_train_name_the_classes_of_val(self):
        weights, data, learnt = make_weights(self.dir / "no_ids.h5", ids=None), self.dir / "sorted", self.dir / "sorted.h5"
        shutil.copytree(self.data, data)
        shutil.rmtree(data / "val" / IDS[0])
        self.assertEqual(run("--weights", weights, "--data", data, "--out", learnt, "--batch", 4, "--classes", "0-2", "--steps",
                             12).returncode, 0)
        def indices(out):
            out = self.dir / out
            self.analyse(learnt, "--weights", weights, "--data", data, "--out", out, "--only", "random_masks", "--draws", 2)
            with h5py.File(out, "r") as file:
                network = file["networks/resnet50_released"]
                return read_table(network["random_masks"])["index"], network["random_masks"].attrs.get("missing", "")
        self.assertEqual(indices("val_lacks_one.h5"), ([1, 2], ""))
        # Where train cannot be matched val goes by itself, and there are no training images.
        shutil.copytree(self.data / "val" / IDS[0], data / "val" / IDS[0])
        shutil.rmtree(data / "train" / IDS[0])
        found, missing = indices("train_lacks_one.h5")
        self.assertEqual(found, [0, 1, 2])
        self.assertIn("training images of 3 classes", missing)

    def test_results_after_weights(self):
        out = self.dir / "after_weights.h5"
        self.analyse("--out", out, "--only", "fig2_accuracy", "--weights", self.weights, self.results)
        self.assertTrue(out.exists())

    def test_everything_of_two_runs(self):
        second = self.dir / "second_start.h5"
        self.learn(second, "--classes", "0-5", "--steps", 12, "--seed", 5)
        out = self.dir / "all.h5"
        self.analyse(self.results, second, "--weights", self.weights, "--data", self.data, "--out", out, "--draws", 5, "--composites", 6)
        with h5py.File(out, "r") as file:
            network = file["networks/resnet50_released"]
            for name in ("transfer", "faithfulness", "complement", "random_masks", "size_sweep", "stability",
                         "fig4_hit_rate", "claims"):
                self.assertNotIn("missing", network[name].attrs, name)
                self.assertGreater(len(network[name].attrs["summary"]), 0)
            transfer = network["transfer"]
            table, matrix = read_table(transfer), transfer["transfer"][()]
            self.assertEqual(matrix.shape, (6, len(IDS)))
            np.testing.assert_array_equal(transfer["images"][()], 4)
            for i, (own, alarms) in enumerate(zip(table["own"], table["false_alarms"])):
                self.assertEqual(own, matrix[i, i])
                self.assertAlmostEqual(alarms, np.delete(matrix[i], i).mean())
            # What nad_run found with the same images: all four of the class.
            with h5py.File(self.results, "r") as results:
                for c, own in zip(range(6), table["own"]):
                    self.assertAlmostEqual(100 * own, results["classes/%d" % c].attrs["top1_after"])
                    self.assertAlmostEqual(100 * table["false_alarms"][c], results["classes/%d" % c].attrs["false_alarms"])
            self.assertEqual(network["fig4_hit_rate/rates"].shape, (6, 4, 12))
            self.assertEqual(len(read_table(network["claims"])["sentence"]), 5)
            first, other = masks_of(self.results), masks_of(second)
            stable = read_table(network["stability"])
            for g, within in enumerate(stable["within"]):
                self.assertAlmostEqual(within, np.mean([jaccard(first[c][g], other[c][g]) for c in first]))

    def make_masks(self, name, value):
        """A grey mask for every val image: value(y, x) of arrays of coordinates in [0, 1)."""
        folder = self.dir / name
        for image in sorted((self.data / "val").glob("*/*.png")):
            width, height = struct.unpack(">II", image.read_bytes()[16:24])
            y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
            rows = b"".join(b"\0" + row.tobytes() for row in (255 * value(y, x)).astype(np.uint8))
            def chunk(kind, data):
                return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            (folder / image.parent.name).mkdir(parents=True, exist_ok=True)
            (folder / image.parent.name / image.name).write_bytes(
                b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
        return folder

    def test_masks_of_objects(self):
        out, args = self.dir / "objects.h5", ["--only", "object_masks"]
        self.assertIn("it needs masks of the objects", self.with_network(out, *args).stderr)
        def shares(folder):
            self.with_network(out, *args, "--masks", folder)
            with h5py.File(out, "r") as file:
                group = file["networks/resnet50_released/object_masks"]
                self.assertNotIn("missing", group.attrs)
                self.assertEqual(group["image_class"][()].tolist(), [c for c in range(6) for _ in range(4)])
                return group["shares"][()], dict(group.attrs), read_table(group)
        whole = shares(self.make_masks("white", lambda y, x: y >= 0))[0]
        self.assertEqual(set(whole[~np.isnan(whole)].tolist()), {1.0})
        # A half of the image and the other half share what is activated; a row at their border may be of both or of neither.
        upper, facts, table = shares(self.make_masks("upper", lambda y, x: y < 0.5))
        lower = shares(self.make_masks("lower", lambda y, x: y >= 0.5))[0]
        both = (upper + lower)[..., :3]
        self.assertEqual(np.isnan(both).tolist(), np.isnan(upper[..., :3]).tolist())
        self.assertLess(np.nanmax(abs(both - 1)), 0.25)
        self.assertGreater((both[~np.isnan(both)] == 1).mean(), 0.8)
        self.assertLess(abs(facts["mask_share"] - 0.5), 0.05)
        np.testing.assert_allclose(table["inside"], np.nanmean(upper[..., 0], axis=0))
        np.testing.assert_allclose(table["swap"], np.nanmean(upper[..., 2], axis=0))
        np.testing.assert_allclose(table["other_mask"], np.nanmean(upper[..., 3], axis=0))
        self.assertEqual((facts["best_inside"], facts["last_inside"]), (max(table["inside"]), table["inside"][-1]))
        # Without the masks, or with the same ones elsewhere, the findings stay.
        self.assertIn("object_masks: is there already", self.with_network(out, *args).stderr)
        moved = self.dir / "moved"
        (self.dir / "lower").rename(moved)
        self.assertIn("object_masks: is there already", self.with_network(out, *args, "--masks", moved).stderr)
        # An image without a mask, one whose mask cannot be read, and one whose mask is of another size.
        first, second, third = sorted((moved / IDS[0]).iterdir())[:3]
        first.unlink()
        second.write_bytes(b"no picture")
        third.write_bytes((self.dir / "white" / IDS[1] / third.name).read_bytes())
        said = self.with_network(out, *args, "--masks", moved, "--json")
        self.assertIn(str(second), said.stderr)
        self.assertIn("its image", said.stderr)
        found = json.loads(said.stdout)["networks"]["resnet50_released"]["analyses"]["object_masks"]
        self.assertEqual((found["images"], found["images_without_mask"]), (21, 3))
        # None at all.
        (self.dir / "empty").mkdir()
        failed = self.with_network(self.dir / "none.h5", *args, "--masks", self.dir / "empty", "--quiet", code=3)
        self.assertEqual(len(failed.stderr.splitlines()), 1, failed.stderr)
        self.assertIn("no val image has a mask of an object", failed.stderr)

    def findings(self, path):
        """Everything in the file but how it was made."""
        found = {}
        with h5py.File(path, "r") as file:
            def add(name, item):
                found.update({name + "@" + k: repr(v) for k, v in item.attrs.items()})
                if isinstance(item, h5py.Dataset):
                    found[name] = (item.shape, item[()].tolist() if item.dtype == object else item[()].tobytes())
            file["networks"].visititems(add)
        return found

    def test_it_goes_on_where_it_was_killed(self):
        whole, killed = self.dir / "whole_run.h5", self.dir / "killed.h5"
        args = ["--draws", 20, "--composites", 60]
        self.with_network(whole, *args)
        for ending, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
            with self.subTest(ending=ending):
                killed.unlink(missing_ok=True)
                process = subprocess.Popen(
                    [str(ANALYSE), "--threads", "1", *map(str, [self.results, "--weights", self.weights, "--data", self.data,
                                                                "--out", killed, *args])],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=default_signals)
                while process.poll() is None and not killed.exists():
                    time.sleep(0.001)
                process.send_signal(ending)
                errors = process.communicate()[1]
                self.assertEqual(process.returncode, code, errors)
                if ending == signal.SIGINT:
                    self.assertIn("go on with the same command", errors)
                again = self.with_network(killed, *args)
                self.assertIn("fig2_accuracy: is there already", again.stderr)
                self.assertNotIn("fig4_hit_rate: is there already", again.stderr)
                self.assertEqual(self.findings(killed), self.findings(whole))

    def test_results_are_read_while_they_are_written(self):
        growing, out = self.dir / "growing.h5", self.dir / "of_growing.h5"
        run = start("--weights", self.weights, "--data", self.data, "--out", growing, "--batch", 4, "--steps", 150)
        def finished():
            try:
                with h5py.File(growing, "r") as file:
                    return sum(c.attrs["finished"] for c in file["classes"].values())
            except OSError:
                return 0
        while run.poll() is None and finished() < 2:
            time.sleep(0.01)
        self.analyse(growing, "--out", out, "--only", "fig4_similarity")
        run.send_signal(signal.SIGKILL)
        run.communicate()
        with h5py.File(out, "r") as file:
            network = file["networks/resnet50_released"]
            self.assertGreaterEqual(network["fig4_similarity"].attrs["classes"], 2)
            self.assertLess(network["fig4_similarity"].attrs["classes"], len(IDS))

    def test_a_run_analyses_itself(self):
        out = self.dir / "run.h5"
        result = self.learn(out, "--classes", "0-1", "--steps", 3, "--analyse")
        self.assertIn("own 0.", result.stdout.replace("own 1.", "own 0."))
        with h5py.File(self.dir / "run_analysis.h5", "r") as file:
            network = file["networks/resnet50_released"]
            self.assertEqual(read_table(network["transfer"])["id"], IDS[:2])
            self.assertIn("missing", network["fig4_hit_rate"].attrs)
        self.learn(self.dir / "no.h5", "--classes", "0", "--analyse", "--dry-run", code=2)

    def test_results_of_two_halves_are_one_run(self):
        halves = [self.dir / "first.h5", self.dir / "second.h5"]
        for half, classes in zip(halves, ("0-2", "3-5")):
            self.learn(half, "--classes", classes, "--steps", 12)
        documents = [json.loads(self.analyse(*files, "--out", self.dir / out, "--only", "fig4_similarity", "--json").stdout)
                     for files, out in (((self.results,), "whole.h5"), (halves, "halves.h5"))]
        found = [d["networks"]["resnet50_released"]["analyses"] for d in documents]
        self.assertEqual(found[0], found[1])
        self.assertEqual(documents[1]["networks"]["resnet50_released"]["runs"], 1)
        similar = found[0]["fig4_similarity"]
        self.assertEqual(similar["arrays"]["matrix"], [6, 6])
        above = np.triu(np.reshape(similar["values"]["matrix"], (6, 6)), 1)
        self.assertAlmostEqual(above.sum() / 15, similar["mean_similarity"])

    def test_it_lists_itself(self):
        listed = self.analyse("--list").stdout.splitlines()
        self.assertIn("fig4_similarity", [line.split()[0] for line in listed])

    def test_bad_input_is_one_line(self):
        out = self.dir / "bad.h5"
        other = self.dir / "other_weights.h5"
        other.write_bytes(self.weights.read_bytes() + b" ")
        for args, code, words in (
                ([], 2, "RESULTS is missing"),
                ([self.results, "--only", "fig4"], 2, "names of analyses: fig2_accuracy"),
                ([self.results, "--out", self.results], 2, "would replace"),
                ([self.weights, "--out", out], 3, "not of results"),
                ([self.results, "--data", self.data], 2, "--data needs --weights"),
                ([self.results, "--masks", self.data], 2, "--masks needs --weights"),
                ([self.results, "--weights", self.weights, "--data", self.data, "--masks", self.dir / "no", "--out", out,
                  "--only", "object_masks"], 3, "no folder of masks"),
                ([self.results, "--weights", other, "--out", out], 2, "no results file was made with these weights"),
                ([self.results, "--draws", "0", "--out", out], 2, "--draws '0'"),
                ([self.dir / "absent.h5", "--out", out], 3, "absent.h5")):
            with self.subTest(words=words):
                result = self.analyse(*args, code=code)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
                self.assertIn(words, result.stderr)
        self.assertFalse(out.exists())
        text = self.dir / "text.h5"
        text.write_text("an earlier file")
        self.analyse(self.results, "--out", text, code=3)
        self.assertEqual(text.read_text(), "an earlier file")


if __name__ == "__main__":
    unittest.main()
