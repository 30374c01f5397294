#!/usr/bin/env python3
"""Whole runs of nad_run with --device cuda, on the model of the GPU: the bytes do not depend on how often the losses are
read, on the classes per step or on an interruption; what auto chooses is told."""
import json
import os
import signal
import unittest
from pathlib import Path

import h5py
import numpy as np

import cli_tools
from cli_tools import SOURCE, Case, knowing_weights, start

cli_tools.PROGRAM = Path(os.environ.get("NAD_RUN_MODEL", SOURCE / "build" / "tests" / "nad_run_model"))
TIGHT = 10 << 20  # bytes: 8 MiB for uploads, 1.3 for two classes per step, 2.7 for five


class Cuda(Case):
    def learn(self, out, *args, device="cuda", **options):
        return super().learn(out, "--device", device, "--objective", "paper", *args, **options)

    def test_the_losses_do_not_depend_on_when_they_are_read(self):
        often, seldom = self.dir / "often.h5", self.dir / "seldom.h5"
        self.learn(often, "--classes", "0,3", "--steps", 7, "--log-every", 1, "--classes-per-step", 1)
        result = self.learn(seldom, "--classes", "0,3", "--steps", 7, "--log-every", 5)
        self.assert_same(often, seldom)
        lines = [line for line in result.stderr.splitlines() if ": step " in line]
        self.assertEqual([line.split(": step ")[1].split(",")[0] for line in lines], ["5/7", "5/7", "7/7", "7/7"])
        with h5py.File(seldom, "r") as file:
            losses = file["classes/3/losses"][()]
            self.assertEqual(losses.shape, (7, 4))
            self.assertEqual(len(np.unique(losses[:, 0])), 7)

    def test_libraries_agree_and_a_resumed_run_keeps_the_choices(self):
        own, library, auto = (self.dir / name for name in ("own.h5", "library.h5", "auto.h5"))
        args = ("--classes", "0", "--steps", 3, "--no-eval", "--classes-per-step", 1)
        self.learn(own, *args)
        result = self.learn(library, *args, "--conv", "cudnn")
        self.assertIn("conv cudnn: cuDNN 9.19.0, cuBLAS 13.2.0", result.stderr)
        self.learn(auto, *args, "--conv", "auto")
        with h5py.File(own, "r") as a, h5py.File(library, "r") as b, h5py.File(auto, "r") as c:
            expected = a["classes/0/losses"][()]
            np.testing.assert_allclose(b["classes/0/losses"][()], expected, rtol=1e-4)
            np.testing.assert_allclose(c["classes/0/losses"][()], expected, rtol=1e-4)
            self.assertEqual((a.attrs["conv"], b.attrs["conv"], c.attrs["conv"]), ("handwritten", "cudnn", "auto"))
            self.assertEqual((a.attrs["conv_choices"], b.attrs["conv_choices"]), ("", ""))
            choices = c.attrs["conv_choices"]
            self.assertIn("conv2d fp32 ", choices)
            self.assertIn("linear_backward fp32 ", choices)
            before = c["classes/0/logits/00"][()]
        self.learn(auto, "--classes", "0,3", *args[2:], "--conv", "auto", "--resume")
        with h5py.File(auto, "r") as c:
            self.assertEqual(c.attrs["conv_choices"], choices)
            np.testing.assert_array_equal(c["classes/0/logits/00"][()], before)
        refused = self.learn(auto, *args, "--conv", "cudnn", "--resume", code=2)
        self.assertIn("conv is auto there and cudnn here", refused.stderr)

    def test_cuda_agrees_with_the_cpu(self):
        cuda, cpu = self.dir / "cuda.h5", self.dir / "cpu.h5"
        args = ("--classes", "0", "--steps", 3, "--no-eval")
        self.learn(cuda, *args)
        self.learn(cpu, *args, device="cpu")
        with h5py.File(cuda, "r") as a, h5py.File(cpu, "r") as b:
            np.testing.assert_allclose(a["classes/0/losses"][()], b["classes/0/losses"][()], rtol=1e-4)

    def test_an_interrupted_run_goes_on_to_the_same_bytes(self):
        whole, cut = self.dir / "whole.h5", self.dir / "cut.h5"
        args = ("--classes", "0-2", "--steps", 12)
        self.learn(whole, *args)
        process = start("--weights", self.weights, "--data", self.data, "--out", cut, "--batch", 4,
                        "--device", "cuda", "--objective", "paper", *args, "--log-every", 4)
        for line in process.stderr:
            if ": step 4/" in line:
                process.send_signal(signal.SIGTERM)
                break
        process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130)
        with h5py.File(cut, "r") as file:
            for c in file["classes"].values():
                self.assertIn(len(c["losses"]), range(4, 12))
        self.learn(cut, *args, "--resume")
        self.assert_same(whole, cut)

    def test_auto_takes_the_device_and_fills_it(self):
        args = ("--classes", "0-4", "--steps", 1, "--json", "--no-eval")
        one, all_of_them, some = self.dir / "auto1.h5", self.dir / "auto5.h5", self.dir / "auto2.h5"
        self.learn(one, *args, "--classes-per-step", 1)
        result = self.learn(all_of_them, *args, device="auto")
        self.assertIn("auto takes cuda:0", result.stderr)
        self.assertEqual(json.loads(result.stdout)["settings"]["classes_per_step"], 5)
        tight = dict(os.environ, HOST_CUDA_MEMORY=str(TIGHT))
        result = self.learn(some, *args, env=tight)
        self.assertIn("with 5 classes per step does not fit, 2 per step are tried", result.stderr)
        self.assertEqual(json.loads(result.stdout)["settings"]["classes_per_step"], 2)
        self.assert_same(one, all_of_them)
        self.assert_same(one, some)

    def test_too_little_memory(self):
        for memory, hint in ((TIGHT, "the largest batch that fits is about"), (100_000, "not even a batch of 1 fits")):
            tight = dict(os.environ, HOST_CUDA_MEMORY=str(memory))
            result = self.learn(self.dir / "m.h5", "--classes", "0-4", "--classes-per-step", 5, code=6, env=tight)
            self.assertIn(hint, result.stderr)
            self.assertEqual("(--batch, --classes-per-step)" in result.stderr, memory == TIGHT)


class Specific(Case):
    def test_images_of_other_classes_on_the_device_or_prepared_by_the_host(self):
        knowing_weights(self.weights, self.data)
        shared, alone, host = (self.dir / ("specific%d.h5" % i) for i in range(3))
        args = ("--device", "cuda", "--objective", "specific", "--classes", "0,3", "--steps", 8, "--lr", 0.2, "--log-every", 3)
        self.learn(shared, *args)
        self.learn(alone, *args, "--classes-per-step", 1)
        self.assert_same(shared, alone)
        # Room for the step, not for the others: a quarter of what is free has to hold them.
        self.learn(host, *args, "--classes-per-step", 1, env=dict(os.environ, HOST_CUDA_MEMORY=str(TIGHT)))
        self.assert_same(shared, host)
        # At a fixed weight, gates close from the first step on.
        fixed, fixed_alone = self.dir / "fixed2.h5", self.dir / "fixed1.h5"
        self.learn(fixed, *args, "--lambda", 1)
        self.learn(fixed_alone, *args, "--lambda", 1, "--classes-per-step", 1)
        self.assert_same(fixed, fixed_alone)
        with h5py.File(fixed, "r") as file:
            for c in file["classes"].values():
                self.assertLess(c["skipped"][()].sum(), 4)
                self.assertTrue(any(0 < gate[()].sum() < len(gate) for gate in c["mask"].values()))


del Case

if __name__ == "__main__":
    unittest.main()
