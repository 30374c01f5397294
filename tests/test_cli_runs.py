#!/usr/bin/env python3
"""Whole runs of nad_run: what the results hold, the same bytes in every arrangement, and after every kind of end."""
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import unittest

import h5py
import numpy as np

from cli_tools import IDS, OTHER_SOURCE, Case, Interrupted, command, contents, make_weights, run, start


class Results(Case):
    def test_what_the_file_holds(self):
        out = self.dir / "r.h5"
        result = self.learn(out, "--classes", "0,3", "--steps", 12, "--json", "--seed", 7)
        printed = json.loads(result.stdout)
        self.assertEqual(printed["settings"]["seed"], 7)
        with h5py.File(out, "r") as file:
            self.assertEqual(file.attrs["arch"], "resnet50")
            self.assertEqual((file.attrs["seed"], file.attrs["steps"], file.attrs["batch"]), (7, 12, 4))
            self.assertIn("--seed 7", file.attrs["command_line"])
            channels = list(file["gates"].attrs["channels"])
            self.assertEqual(sum(channels), 60)
            self.assertEqual(len(file["gates"].attrs["names"]), len(channels))
            self.assertEqual(sorted(file["classes"]), ["0", "3"])
            for c, told in zip(("0", "3"), printed["classes"]):
                group = file["classes"][c]
                self.assertEqual(group.attrs["id"], IDS[int(c)])
                self.assertEqual(group.attrs["name"], "name of " + IDS[int(c)])
                self.assertEqual((group.attrs["finished"], group.attrs["steps"]), (1, 12))
                self.assertEqual((group.attrs["train_images"], group.attrs["val_images"]), (6, 4))
                kept = 0
                for i, size in enumerate(channels):
                    logits, mask = group["logits/%02d" % i][()], group["mask/%02d" % i][()]
                    self.assertEqual((logits.dtype, logits.shape, mask.dtype), (np.float32, (size,), np.uint8))
                    np.testing.assert_array_equal(mask, logits > 0)
                    kept += int(mask.sum())
                self.assertAlmostEqual(told["kept_percent"], 100 * kept / 60)
                self.assertEqual(group["losses"].shape, (12, 4))
                skipped = group["skipped"][()].astype(bool)
                np.testing.assert_array_equal(np.isnan(group["losses"][()]).all(axis=1), skipped)
                np.testing.assert_array_equal(group["correct"][()] == 0, skipped)
                self.assertEqual(told["top1_after"], group.attrs["top1_after"])
                self.assertIn(group.attrs["top1_before"], (0, 25, 50, 75, 100))
                # All val images of the other classes, four each: a mean of quarters.
                others = group.attrs["other_images"] // 4
                self.assertEqual((group.attrs["other_images"], others), (told["other_images"], len(IDS) - 1))
                alarms = group.attrs["false_alarms"]
                self.assertEqual(told["false_alarms"], alarms)
                self.assertAlmostEqual(alarms * others / 25, round(alarms * others / 25))
                self.assertEqual(told["constant_answer"], alarms > 50)

    def test_the_seed_matters(self):
        files = [self.dir / ("seed%d.h5" % seed) for seed in (1, 2)]
        for seed, out in zip((1, 2), files):
            self.learn(out, "--classes", "0", "--steps", 3, "--seed", seed, "--objective", "paper")
        a, b = (contents(out) for out in files)
        self.assertNotEqual(a["classes/0/logits/00"], b["classes/0/logits/00"])

    def test_the_order_has_a_seed_of_its_own(self):
        def learnt(name, *args):
            out = self.dir / ("order_%s.h5" % name)
            self.learn(out, "--classes", "0", "--steps", 3, "--objective", "paper", "--no-eval", *args)
            return out
        plain = learnt("plain", "--seed", 7)
        self.assert_same(plain, learnt("same", "--seed", 7, "--order-seed", 7))
        # A step too small for float32 leaves the start as it is.
        still = [contents(learnt("still%d" % i, "--lr", 1e-30, *args)) for i, args in
                 enumerate((("--seed", 7), ("--seed", 7, "--order-seed", 8), ("--seed", 8, "--order-seed", 7)))]
        start, losses = "classes/0/logits/00", "classes/0/losses"
        self.assertEqual(still[0][start], still[1][start])
        self.assertNotEqual(still[0][losses], still[1][losses])
        self.assertNotEqual(still[0][start], still[2][start])
        result = self.learn(plain, "--classes", "0", "--steps", 3, "--objective", "paper", "--seed", 7,
                            "--order-seed", 8, "--resume", code=2)
        self.assertIn("the seed of the order is 7 there and 8 here", result.stderr)

        # A file from before the flags goes on as one of this seed and of all images.
        with h5py.File(plain, "r+") as file:
            del file.attrs["order_seed"], file.attrs["half"]
        self.learn(plain, "--classes", "0,2", "--steps", 3, "--objective", "paper", "--seed", 7, "--no-eval", "--resume")
        both = self.dir / "order_both.h5"
        self.learn(both, "--classes", "0,2", "--steps", 3, "--objective", "paper", "--seed", 7, "--no-eval")
        self.assert_same(both, plain)

    def test_halves_of_the_training_images(self):
        args = ["--classes", "0,1", "--steps", 3, "--objective", "paper"]
        hashes = set()
        for half, images in (("first", (3, 1)), ("second", (3, 1)), ("all", (6, 2))):
            out = self.dir / ("half_%s.h5" % half)
            result = self.learn(out, *args, "--half", half)
            self.assertEqual("(train: the %s half)" % half in result.stderr, half != "all")
            with h5py.File(out, "r") as file:
                self.assertEqual(file.attrs["half"], half)
                classes = [file["classes"][c].attrs for c in "01"]
                self.assertEqual(tuple(c["train_images"] for c in classes), images)
                self.assertEqual([c["val_images"] for c in classes], [4, 4])
                hashes.update(c["images_hash"] for c in classes)
        self.assertEqual(len(hashes), 6)
        result = self.learn(self.dir / "half_first.h5", *args, "--half", "second", "--resume", code=2)
        self.assertIn("half is first there and second here", result.stderr)

    def test_same_bytes_in_every_arrangement(self):
        for objective in ("released", "paper", "variational"):
            with self.subTest(objective=objective):
                args = ["--objective", objective, "--epochs", 3]
                one = self.dir / ("one_%s.h5" % objective)
                self.learn(one, "--classes", "0-4", *args)
                # Class 1 has fewer images and steps: its slot is refilled while the others go on.
                arrangements = [["--classes-per-step", 2], ["--classes-per-step", 3], ["--threads", 2]]
                for i, arrangement in enumerate(arrangements):
                    out = self.dir / ("other_%s_%d.h5" % (objective, i))
                    self.learn(out, "--classes", "0-4", *args, *arrangement)
                    self.assert_same(one, out)
                alone = self.dir / ("alone_%s.h5" % objective)
                self.learn(alone, "--classes", "3", *args)
                self.learn(alone, "--classes", "0-4", *args, "--resume")  # the classes may be extended
                self.assert_same(one, alone)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for image in sorted((cls.data / "train" / IDS[1]).iterdir())[2:]:
            image.unlink()

    def test_auto_length_and_files_of_the_older_default(self):
        auto, old, passes = (self.dir / name for name in ("length.h5", "older.h5", "passes.h5"))
        args = ["--no-eval", "--objective", "paper"]
        self.learn(auto, *args, "--classes", "0")
        with h5py.File(auto, "r") as file:
            self.assertEqual([file.attrs[k] for k in ("epochs", "steps", "least_steps")], [20, 0, 400])
            self.assertEqual(len(file["classes/0/losses"]), 400)
        result = self.learn(auto, *args, "--classes", "0", "--epochs", 20, "--resume", code=2)
        self.assertIn("the least number of steps is 400 there and 0 here", result.stderr)

        # A file from before --steps auto: 20 passes were the default, and nothing is said of a least number of steps.
        self.learn(old, *args, "--classes", "0", "--epochs", 20)
        with h5py.File(old, "r+") as file:
            self.assertEqual([file.attrs[k] for k in ("epochs", "steps", "least_steps")], [20, 0, 0])
            del file.attrs["least_steps"]
            self.assertIn("stb_image", file.attrs["image_decoders"])
            file.attrs["image_decoders"] = "JPEG a library 1.0"
        other = self.data / "train" / IDS[2] / "photo.heic"
        other.write_bytes(b"")
        result = self.learn(old, *args, "--classes", "0,2", "--resume")
        other.unlink()
        self.assertIn("was begun with other decoders of images (JPEG a library 1.0), here they are ", result.stderr)
        self.assertIn("in the folders of the chosen classes 1 file is not read: 1 .heic; read are .jpg,", result.stderr)
        self.assertIn("length        20 epochs per class (as the results file says), batch 4", result.stderr)
        self.assertIn("warning: 2 classes get fewer than 400 steps (down to 40)", result.stderr)
        self.learn(passes, *args, "--classes", "0,2", "--epochs", 20)
        self.assert_same(passes, old)
        self.assertIn("steps is 0 there and 60 here", self.learn(old, *args, "--classes", "0", "--steps", 60, "--resume", code=2).stderr)

    def test_packed_images(self):
        def pack(file):
            for split in ("train", "val"):
                for name in IDS:
                    for image in sorted((self.data / split / name).iterdir()):
                        file["images/%s/%s/%s" % (split, name, image.name)] = np.fromfile(image, np.uint8)
        packed, a, b = make_weights(self.dir / "packed.h5", change=pack), self.dir / "a.h5", self.dir / "b.h5"
        self.learn(a, "--classes", "0,1", "--steps", 6)
        result = run("--weights", packed, "--out", b, "--batch", 4, "--classes", "0,1", "--steps", 6)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("packed into the weights file: train 10 classes, val 10 classes; 8 and 8 images", result.stderr)
        self.assert_same(a, b, OTHER_SOURCE)

    def test_a_terminal_gets_one_line(self):
        main, end = pty.openpty()
        child = subprocess.Popen(command("--weights", self.weights, "--data", self.data, "--out", self.dir / "tty.h5",
                                         "--classes", "0", "--steps", 30, "--batch", 4),
                                 stdout=subprocess.PIPE, stderr=end, text=True)
        os.close(end)
        text = b""
        try:
            while block := os.read(main, 4096):
                text += block
        except OSError:  # Linux' way to say that the other end is closed
            pass
        self.assertIn("mean", child.communicate(timeout=60)[0])
        self.assertEqual(child.returncode, 0)
        self.assertIn(b"\r\x1b[Kclass 0", text)
        self.assertNotIn(b": step ", text)
        lines = [line for line in text.split(b"\r\x1b[K") if line.startswith(b"class 0 ") and b"/30, left " in line]
        self.assertTrue(lines)
        for line in lines:
            self.assertIn(b" ms/step", line)
            self.assertLess(len(line), 80)


class Ends(Interrupted):
    """Kills and full disks."""
    ARGS = ["--classes", "0-2", "--steps", 60, "--classes-per-step", 2, "--objective", "variational"]

    def test_sigint_and_sigterm_save_and_exit_130(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number.name):
                out = self.dir / ("%s.h5" % number.name)
                child = start(*self.command(out))
                self.wait_for(out, child, 5)
                child.send_signal(number)
                stdout, stderr = child.communicate(timeout=60)
                self.assertEqual(child.returncode, 130, stderr)
                self.assertEqual(stdout, "")
                self.assertRegex(stderr.rstrip("\n").split("\n")[-1],
                                 "^nad_run: interrupted by %s: .*--resume$" % number.name)
                with h5py.File(out, "r") as file:
                    self.assertEqual(file["classes/0"].attrs["finished"], 0)
                    self.assertGreaterEqual(len(file["classes/0/losses"]), 5)
                self.finish(out)

    def test_sigkill_at_any_moment(self):
        self.kill_at_any_moment()

    def test_a_full_disk_keeps_what_was_there(self):
        out = self.dir / "disk.h5"
        first = ["--weights", self.weights, "--data", self.data, "--out", out, "--batch", 4, "--steps", 60,
                 "--objective", "variational"]
        self.assertEqual(run(*first, "--classes", "0").returncode, 0)
        limit = out.stat().st_size + 4096  # not enough for a second class
        result = run(*self.command(out), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("cannot be written: File too large", result.stderr)
        self.assertFalse(out.with_name(out.name + ".part").exists())
        with h5py.File(out, "r") as file:
            self.assertEqual(file["classes/0"].attrs["finished"], 1)
        self.finish(out)

    def test_other_classes_images_cost_a_class_nothing(self):
        """False alarms that cannot be measured are left out with a warning; what was learnt stays."""
        def spoiled(file):
            for split in ("train", "val"):
                for name in IDS[:2]:
                    for image in sorted((self.data / split / name).iterdir()):
                        file["images/%s/%s/%s" % (split, name, image.name)] = np.fromfile(image, np.uint8)
            del file["images/val/%s/00.png" % IDS[1]]
            file["images/val/%s/00.png" % IDS[1]] = np.zeros(8, np.float32)  # no bytes of a file
        out = self.dir / "spoiled.h5"
        result = run("--weights", make_weights(self.dir / "spoiled_w.h5", change=spoiled), "--out", out, "--batch", 4,
                     "--classes", "0", "--steps", 3)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("its false alarms are left out: no other class has val images that can be read", result.stderr)
        with h5py.File(out, "r") as file:
            attrs = file["classes/0"].attrs
            self.assertEqual((attrs["finished"], attrs["other_images"]), (1, 0))
            self.assertTrue(np.isnan(attrs["false_alarms"]))
            self.assertFalse(np.isnan(attrs["top1_after"]))

    def test_a_class_without_others_is_finished(self):
        alone, out = self.dir / "alone", self.dir / "alone.h5"
        for split in ("train", "val"):
            shutil.copytree(self.data / split / IDS[3], alone / split / IDS[3])
        arguments = ("--weights", self.weights, "--data", alone, "--out", out, "--batch", 4, "--classes", "3", "--steps", 3)
        first, again = run(*arguments), run(*arguments, "--resume")
        self.assertEqual((first.returncode, again.returncode), (0, 0), again.stderr)
        self.assertIn("memory  ", first.stderr)
        self.assertNotIn("memory  ", again.stderr)  # nothing is planned: the table alone
        self.assertIn("does not prove disentanglement", again.stdout)

    def test_others_need_no_training_images(self):
        some, out = self.dir / "some", self.dir / "some.h5"
        shutil.copytree(self.data / "train" / IDS[3], some / "train" / IDS[3])
        shutil.copytree(self.data / "val", some / "val")
        result = run("--weights", self.weights, "--data", some, "--out", out, "--batch", 4, "--classes", "3", "--steps", 3)
        self.assertEqual(result.returncode, 0, result.stderr)
        with h5py.File(out, "r") as file:
            self.assertEqual(file["classes/3"].attrs["other_images"], 4 * (len(IDS) - 1))

    def test_finished_runs_are_told_again(self):
        result = run(*self.command(self.whole))
        self.assertEqual(result.returncode, 0)
        self.assertEqual(len(result.stdout.strip().split("\n")), 6)

    def test_two_runs_on_one_file(self):
        out = self.dir / "two.h5"
        child = start(*self.command(out))
        self.wait_for(out, child, 3)
        child.send_signal(signal.SIGSTOP)
        try:
            second = run(*self.command(out))
        finally:
            child.send_signal(signal.SIGCONT)
        self.assertEqual(second.returncode, 2, second.stderr)
        self.assertIn("is in use", second.stderr)
        self.assertEqual(child.wait(60), 0)
        child.communicate()
        self.assert_same(self.whole, out)
        self.assertFalse(out.with_name(out.name + ".lock").exists())

    def test_a_link_stays_a_link(self):
        real, link = self.dir / "elsewhere.h5", self.dir / "link.h5"
        link.symlink_to(real.name)
        self.finish(link)
        self.assertTrue(link.is_symlink())
        self.assert_same(self.whole, real)

    def test_accuracies_can_be_made_up_for(self):
        out = self.dir / "late.h5"
        result = run(*self.command(out), "--no-eval")
        self.assertEqual(result.returncode, 0, result.stderr)
        with h5py.File(out, "r") as file:
            self.assertTrue(np.isnan(file["classes/1"].attrs["top1_after"]))
        self.finish(out)

    def test_resume_with_other_settings(self):
        other_weights = make_weights(self.dir / "other_w.h5", change=lambda file: file.attrs.create("note", "other"))
        cases = [(["--seed", 5], "seed is 233 there and 5 here"), (["--lr", 0.2], "lr is"), (["--beta", 1], "beta is"),
                 (["--steps", 61], "steps is 60 there and 61 here"), (["--batch", 3], "batch is"),
                 (["--objective", "paper"], "objective is"), (["--device", "reference"], "device is"),
                 (["--weights", other_weights], "the hash of the weights file")]
        for change, fragment in cases:
            with self.subTest(change=change):
                args = self.command(self.whole)
                if change[0] in args:
                    args[args.index(change[0]) + 1] = change[1]
                else:
                    args += change
                before = self.whole.read_bytes()
                result = run(*args)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(fragment, result.stderr)
                self.assertEqual(self.whole.read_bytes(), before)

    def test_resume_with_a_bad_file(self):
        whole = self.whole.read_bytes()
        other = make_weights(self.dir / "no_results.h5").read_bytes()
        for name, content, fragment in (("cut", whole[:len(whole) // 2], "cut short"), ("text", b"text", "not an HDF5"),
                                        ("empty", b"", "not an HDF5"), ("other", other, "not of results")):
            with self.subTest(name=name):
                out = self.dir / ("bad_%s.h5" % name)
                out.write_bytes(content)
                result = run(*self.command(out))
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertIn(fragment, result.stderr)
                self.assertEqual(out.read_bytes(), content)

    def test_resume_with_other_images(self):
        out = self.dir / "changed.h5"
        child = start(*self.command(out))
        self.wait_for(out, child, 3)
        child.kill()
        child.communicate()
        image = self.data / "train" / IDS[0] / "00.png"
        kept = image.read_bytes()
        image.unlink()
        try:
            result = run(*self.command(out))
        finally:
            image.write_bytes(kept)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("not those that it was learnt from", result.stderr)
        self.finish(out)  # what was saved of the class is still there


if __name__ == "__main__":
    unittest.main()
