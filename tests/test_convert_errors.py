#!/usr/bin/env python3
"""Bad input to weights/convert.py: exit code, one line on stderr that says what is wrong, nothing left over."""
import contextlib
import io
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import unittest

import numpy as np
import torch

from convert_cases import (CONVERT, FAMILIES, GENOTYPE, Case, bmp, bn, genotypes_file, random_state, resnet50,
                           save_safetensors)


def without(shapes, *names):
    return {n: s for n, s in shapes.items() if n not in names}


class Refusing(Case):
    def refuse(self, code, fragment, *args):
        with self.subTest(fragment=fragment):
            log = io.StringIO()
            with contextlib.redirect_stderr(log):
                try:
                    got = self.main([str(a) for a in args])
                except SystemExit as e:
                    got = e.code
            line = log.getvalue()
            self.assertEqual(got, code, line)
            self.assertIn(fragment, line)
            self.assertEqual((line.count("\n"), line[:12]), (1, "convert.py: "), line)
            self.assertNotIn(" at 0x", line)
            self.assertEqual(list(self.dir.glob("*.h5*")), [])

    def test_usage(self):
        source, out = self.save(random_state(resnet50()[0])), self.dir / "out.h5"
        self.refuse(2, "required", source)
        self.refuse(2, "unrecognized arguments: --clases", source, out, "--clases", "x")
        self.refuse(2, "invalid choice: 'resnet18'", source, out, "--arch", "resnet18")
        self.refuse(2, "does not exist", self.dir / "absent.pth", out)
        self.refuse(2, "is a directory", self.dir, out)
        self.refuse(2, "same file", source, source)
        self.refuse(2, "output file %s is a directory" % self.dir, source, self.dir)
        self.refuse(2, "folder of output file", source, self.dir / "no" / "out.h5")
        self.refuse(2, "go with --images", source, out, "--per-class", 3)
        self.refuse(2, "invalid whole number value: 'many'", source, out, "--images", self.dir, "--per-class", "many")
        self.refuse(2, "0 is not between 1 and", source, out, "--input-size", 0)
        self.refuse(2, "not a finite number", source, out, "--mean", 0, 0, "nan")
        self.refuse(2, "values above 0", source, out, "--std", 1, 0, 1)
        self.refuse(2, "0 or more", source, out, "--batchnorm-eps=-1e-5")

    def test_output_that_is_no_file(self):
        """A pipe stays a pipe, as a device would; so does a link that points to one, or to itself."""
        source, pipe, link, loop = self.save(random_state(resnet50()[0])), *(self.dir / n for n in ("p", "l", "o"))
        os.mkfifo(str(pipe))
        link.symlink_to(pipe)
        loop.symlink_to(loop)
        for out in (pipe, link, loop):
            self.refuse(2, "output file %s is no regular file" % out, source, out)
        self.assertTrue(pipe.is_fifo() and link.is_symlink() and loop.is_symlink())
        self.refuse(2, "is a directory", source, str(self.dir / "absent.h5") + "/")

    def test_output_that_cannot_be_created(self):
        source, locked = self.save(random_state(resnet50()[0])), self.dir / "locked"
        name = self.dir / ("x" * 250)
        self.refuse(2, "output file %s cannot be created: File name too long" % name, source, name)
        locked.mkdir(mode=0o555)
        self.dir.chmod(0o755)
        if os.geteuid() == 0:  # who may write everywhere
            self.addCleanup(os.seteuid, 0)
            os.seteuid(65534)
        self.refuse(2, "output file %s/o cannot be created: Permission denied" % locked, source, locked / "o")
        self.assertEqual(list(locked.iterdir()), [])

    def test_disk_full(self):
        """What is there stays, whatever part of the new file has room (a limit stands for the end of the disk)."""
        source, out = self.save(random_state(resnet50()[0])), self.dir / "out.h5"
        out.write_text("old")
        for limit in (0, 90, 3000, 20000, 30000):
            with self.subTest(limit=limit):
                got = self.run_program(source, out,
                                       before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
                self.assertEqual(got, (3, "convert.py: output file %s cannot be written: File too large\n" % out))
                self.assertEqual((out.read_text(), sorted(p.name for p in self.dir.iterdir())),
                                 ("old", ["in.pth", "out.h5"]))

    def test_interrupted(self):
        """By a signal in the middle of the output: one line, the exit code of a shell, no partial file."""
        source, folder = self.save(random_state(resnet50()[0])), self.dir / "images" / "train" / "n1"
        folder.mkdir(parents=True)
        (self.dir / "classes.txt").write_text("n1\nn2\nn3\nn4\nn5\n")
        for i in range(5000):  # half a second
            (folder / ("%d.bmp" % i)).write_bytes(bmp(1, 0))
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(signal=number.name):
                def send(child):
                    while child.poll() is None and not list(self.dir.glob("*.part")):
                        time.sleep(1e-3)
                    child.send_signal(number)
                got = self.run_program(source, self.dir / "out.h5", "--classes", self.dir / "classes.txt",
                                       "--images", self.dir / "images", during=send)
                self.assertEqual(got, (code, "convert.py: interrupted by %s\n" % number.name))
                self.assertEqual(list(self.dir.glob("out.h5*")), [])

    def test_no_checkpoint(self):
        out, path = self.dir / "out.h5", self.dir / "x.pth"
        state = random_state(resnet50()[0])
        whole = self.save(state).read_bytes()
        torch.save(state, path, _use_new_zipfile_serialization=False)
        old = path.read_bytes()
        for fragment, content in (("it is empty", b""), ("no PyTorch checkpoint", b"hello, this is text\n" * 9),
                                  ("cut short", whole[:len(whole) // 2]), ("cut short", whole[:100]),
                                  ("cut short", old[:-5]), ("cut short", old[:len(old) // 2]),
                                  ("cut short", whole.replace(state["fc.bias"].numpy().tobytes(), bytes(20)))):
            path.write_bytes(content)
            self.refuse(3, fragment, path, out)
        for fragment, value in (("of the type list, not a state dict", [1, 2]),
                                ("'state_dict' is of the type int", {"state_dict": 3}),
                                ("entry 'epoch' of the state dict is of the type int", {"epoch": 3}),
                                ("no tensors", {})):
            torch.save(value, path)
            self.refuse(3, fragment, path, out)

    def test_a_pickle_runs_nothing(self):
        class Trap:
            def __init__(self, command):
                self.command = command

            def __reduce__(self):
                return os.system, (self.command,)

        state, out, mark = random_state(resnet50()[0]), self.dir / "out.h5", self.dir / "mark"
        for key in ("options", "state_dict"):
            source = self.save({"state_dict": state, key: Trap("touch " + str(mark))})
            if key == "options":
                with contextlib.redirect_stdout(io.StringIO()):
                    self.assertEqual(self.main([str(source), str(out)]), 0)
                out.unlink()
            else:
                self.refuse(3, "'state_dict' is of the type posix.system", source, out)
        self.refuse(3, "Linear, not a state dict: save model.state_dict()", self.save(torch.nn.Linear(2, 2)), out)
        self.assertFalse(mark.exists())

    def test_damaged_safetensors(self):
        path, out = self.dir / "x.safetensors", self.dir / "out.h5"
        save_safetensors(random_state(resnet50()[0]), path)
        whole = path.read_bytes()
        size = struct.unpack("<Q", whole[:8])[0]
        entry = dict(dtype="F32", shape=[2], data_offsets=[0, 8])
        for fragment, content in (
                ("cut short", whole[:size // 2]), ("lies outside the file", whole[:-8]),
                ("header is damaged", whole[:9] + b"}" + whole[10:]),
                ("has dtype F8_E4M3", {"a": dict(entry, dtype="F8_E4M3")}),
                ("size is wrong", {"a": dict(entry, shape=[3])}),
                ("size is wrong", {"a": dict(entry, data_offsets=[8, 0])}), ("header is damaged", {"a": 3})):
            if isinstance(content, dict):
                text = json.dumps(content).encode()
                content = struct.pack("<Q", len(text)) + text + bytes(8)
            path.write_bytes(content)
            self.refuse(3, fragment, path, out)

    def test_tensors_that_do_not_fit(self):
        out = self.dir / "out.h5"
        for fragment, arch, change in (
                ("missing: bn1.bias", "resnet50", lambda s: without(s, "bn1.bias")),
                ("unexpected: layer1.0.se.weight", "resnet50", lambda s: {**s, "layer1.0.se.weight": (3,)}),
                ("wrong shape: bn1.bias [7] instead of [6]", "resnet50", lambda s: {**s, "bn1.bias": (7,)}),
                ("... (5 in all)", "densenet121", lambda s: {**s, **{"x%d" % i: (1,) for i in range(5)}}),
                ("basic ones", "resnet50", lambda s: {n: v for n, v in s.items() if "conv3" not in n}),
                ("no square number of pixels", "vgg16", lambda s: {**s, "classifier.0.weight": (8, 41)}),
                ("unexpected: features.1.bias", "vgg16", lambda s: {**s, **bn("features.1", 4)}),
                ("cannot be told", "vgg16", lambda s: {"a.b": (3,)}),
                ("without elements: fc.bias", "resnet50", lambda s: {**s, "fc.bias": (0,)}),
                ("no tensor fc.weight", "resnet50", lambda s: without(s, "fc.weight")),
                ("is it another genotype? see --genotype", "darts", lambda s: s)):
            self.refuse(3, fragment, self.save(random_state(change(FAMILIES[arch]()[0]))), out)
        self.refuse(3, "no tensor features.denseblock1", self.save(random_state(resnet50()[0])), out, "--arch",
                    "densenet121")

    def test_values_and_types(self):
        state, out = random_state(resnet50()[0]), self.dir / "out.h5"
        for fragment, value in (("not finite in fc.bias", torch.tensor([1, 2, 3, 4, np.nan])),
                                ("not finite in fc.bias", torch.tensor([1, 2, 3, 4, np.inf])),
                                ("not finite in fc.bias", torch.tensor([1, 2, 3, 4, 1e300], dtype=torch.float64)),
                                ("has dtype int64", torch.arange(5)), ("sparse", torch.ones(5).to_sparse())):
            self.refuse(3, fragment, self.save({**state, "fc.bias": value}), out)
        self.refuse(3, "two tensors are called fc.bias", self.save({**state, "module.fc.bias": torch.ones(5)}), out)
        self.refuse(3, "float16 cannot hold, in fc.bias", self.save({**state, "fc.bias": torch.full((5,), 1e5)}), out,
                    "--half")

    def test_classes_and_images(self):
        source, out, names = self.save(random_state(resnet50()[0])), self.dir / "out.h5", self.dir / "classes.txt"
        self.refuse(3, "cannot be read: No such file", source, out, "--classes", names)
        names.write_text("n1 a\nn2 b\n")
        self.refuse(3, "has 2 lines, the network has 5 classes", source, out, "--classes", names)
        names.write_text("n1 a\nn2 b\nn3\nn4\nn2 c\n")
        self.refuse(3, "the same id twice: n2", source, out, "--classes", names)
        names.write_text("n1\nn2\nn3\nn4\nn5\n")
        self.refuse(3, "does not exist", source, out, "--images", self.dir / "absent")
        self.refuse(3, "has no folder 'train'", source, out, "--images", self.dir)
        (self.dir / "train" / "cat").mkdir(parents=True)
        self.refuse(3, "give --classes", source, out, "--images", self.dir)
        self.refuse(3, "(folders: cat; class ids: n1, n2", source, out, "--classes", names, "--images", self.dir)
        (self.dir / "train" / "n3").mkdir()
        (self.dir / "train" / "n3" / "a.jpg").symlink_to("nowhere")
        self.refuse(3, "a.jpg cannot be read and was left out", source, out, "--classes", names, "--images", self.dir)

    def test_genotype(self):
        source, out, path = self.save(random_state(resnet50()[0])), self.dir / "out.h5", self.dir / "genotypes.py"
        for text in ("DARTS_V9", path, "%s:NAME" % path):
            self.refuse(2, "unknown genotype %s: give DARTS_V1, DARTS_V2, an existing FILE" % text, source, out,
                        "--genotype", text)
        path.write_text(genotypes_file(dict(ONE=GENOTYPE, TWO=GENOTYPE)))
        for text in (path, "%s:THREE" % path):
            self.refuse(2, "file %s: it holds the genotypes ONE, TWO: choose one by FILE:NAME" % path, source, out,
                        "--genotype", text)
        for fragment, text in (("it holds no line NAME = Genotype(normal=", "import os\nPRIMITIVES = []\n"),
                               ("neither JSON nor Python", "x = 1\ny = = 2\n"),
                               ("len([]) is neither a literal", "A = Genotype(normal=len([]))"),
                               ("fields", "A = Genotype(normal=[])")):
            path.write_text(text)
            self.refuse(3, fragment, source, out, "--genotype", path)
        for fragment, text in (
                ("neither JSON nor Python", "[1"), ("has the fields", "{}"), ("{**{}} is neither", "{**{}}"),
                ("unknown operation 'conv_9x9'", repr(dict(GENOTYPE, normal=[("conv_9x9", 0), ("none", 1)]))),
                ("reads state 2, there are 2", repr(dict(GENOTYPE, normal=[("none", 0), ("none", 2)]))),
                ("has 1 edges", repr(dict(GENOTYPE, normal=[("none", 0)]))),
                ("list of (operation, state)", repr(dict(GENOTYPE, normal=3))),
                ("normal_concat [9]", repr(dict(GENOTYPE, normal_concat=[9])))):
            self.refuse(3, fragment, source, out, "--genotype", text)

    def run_program(self, *args, before=lambda: None, during=lambda child: None):
        """(exit code, stderr), with nothing on stdout; before() is called in the child, during(child) beside it."""
        def start():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in the background of a shell
            before()
        with subprocess.Popen([sys.executable, "-B", str(CONVERT), *map(str, args)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, preexec_fn=start) as child:
            during(child)
            said, complaints = child.communicate()
        self.assertEqual(said, "", complaints)
        return child.returncode, complaints

    def test_the_program_itself(self):
        """Once as a program: exit codes reach the shell and no traceback does."""
        for want, args in ((2, ()), (3, (self.save([1]), self.dir / "out.h5"))):
            code, line = self.run_program(*args)
            self.assertEqual((code, line.count("\n")), (want, 1), line)


if __name__ == "__main__":
    unittest.main()
