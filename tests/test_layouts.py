#!/usr/bin/env python3
"""Tests of the layouts that weights/convert.py reads: networks that frameworks wrote (layouts/make_layouts.py) convert, and
the engine gives those frameworks' logits; what wraps a state dict; several sets of weights; how images are prepared."""
import contextlib
import io
import json
import os
import re
import sys
import unittest
import zipfile

import h5py
import numpy as np
import torch

from convert_cases import FAMILIES, GENOTYPE, ROOT, Case, random_state, resnet50

ENGINE = os.path.join(os.path.dirname(os.environ.get("NAD_RUN", str(ROOT / "build" / "nad_run"))), "nad_replay")
NETWORKS = zipfile.ZipFile(str(ROOT / "tests" / "layouts" / "layouts.zip"))
NAMES = sorted(n[:-len(".json")] for n in NETWORKS.namelist() if n.endswith(".json"))
NEEDS = {".onnx": "onnx", ".caffemodel": "google.protobuf"}


def installed(module):
    try:
        __import__(module)
        return True
    except ImportError:
        return False


class LayoutCase(Case):
    def run_convert(self, *args):
        """(exit code, stdout, stderr)"""
        said, complaints = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
            try:
                code = self.main([str(a) for a in args])
            except SystemExit as e:
                code = e.code
        return code, said.getvalue(), complaints.getvalue()

    def convert(self, source, *args):
        """(attributes, tensors) of the weights file, with what was said."""
        out = self.dir / "out.h5"
        code, self.said, complaints = self.run_convert(source, out, *args)
        self.assertEqual(code, 0, complaints)
        with h5py.File(out, "r") as f:
            return dict(f.attrs), {n: f["weights"][n][()] for n in f["weights"]}

    def refuse(self, code, fragment, *args):
        with self.subTest(fragment=fragment):
            got, _, line = self.run_convert(*args)
            self.assertEqual((got, line.count("\n")), (code, 1), line)
            self.assertIn(fragment, line)

    def unpack(self, name):
        """(path of the network's file, logits, arguments)"""
        path = self.dir / name
        path.write_bytes(NETWORKS.read(name))
        told = json.loads(NETWORKS.read(name + ".json"))
        return path, np.array(told["logits"]), told["arguments"]

    def reference(self, logits):
        path = self.dir / "ref.npz"
        np.savez(path, images=np.load(io.BytesIO(NETWORKS.read("images.npy"))), logits=logits)
        return path


class Frameworks(LayoutCase):
    def agree(self, name):
        path, logits, arguments = self.unpack(name)
        self.convert(path, *arguments, "--verify", self.reference(logits), "--engine", ENGINE)
        found = re.search(r"verified: Top-1 equal for 3 of 3 images, logits differ by at most (\S+) ", self.said)
        self.assertTrue(found, self.said)
        self.assertLess(float(found.group(1)), 1e-5 * max(1, np.abs(logits).max()), name)

    def test_the_archive_has_every_layout(self):
        from layout import all_layouts
        titles = {layout.title for layout in all_layouts()}
        for name in NAMES:
            if NEEDS.get(os.path.splitext(name)[1]) and not installed(NEEDS[os.path.splitext(name)[1]]):
                self.skipTest("not installed: " + NEEDS[os.path.splitext(name)[1]])
            path, _, arguments = self.unpack(name)
            self.convert(path, *arguments)
            titles.discard(re.search("layout: (.*)", self.said).group(1))
        # in tests/test_convert.py: the plain ones of torchvision and of DARTS
        self.assertEqual(titles, {"torchvision's VGG16", "torchvision's ResNet-50", "the DARTS authors' network"})


for _name in NAMES:
    def _test(self, name=_name):
        module = NEEDS.get(os.path.splitext(name)[1])
        if module and not installed(module):
            self.skipTest("%s is not installed" % module)
        self.agree(name)
    setattr(Frameworks, "test_" + re.sub(r"\W", "_", _name), _test)


class Verifying(LayoutCase):
    def test_what_does_not_agree(self):
        path, logits, arguments = self.unpack("timm_vgg16.safetensors")
        out = self.dir / "out.h5"
        verify = lambda ref, *more: (path, out, *arguments, "--verify", ref, "--engine", ENGINE, *more)
        self.refuse(3, "out.h5 was written, but --verify fails: Top-1 equal for 3 of 3 images, logits differ by at most 0.0",
                    *verify(self.reference(logits + np.array([0, 0.05, 0, 0]) * (logits < logits.max(1, keepdims=True)))))
        self.refuse(3, "is the preparation of images right (--preset)", *verify(self.reference(logits), "--interpolation", "bilinear"))
        self.refuse(3, "has 4 classes, the reference 5", *verify(self.reference(np.hstack([logits, logits[:, :1] - 1]))))
        self.refuse(3, "take them before the softmax",
                    *verify(self.reference(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))))
        self.refuse(3, "logits are float64 [2, 4], expected finite floats [3, classes]", *verify(self.reference(logits[:2])))
        text = self.dir / "text.npz"
        text.write_text("no archive")
        self.refuse(3, "is no .npz file of plain arrays", *verify(text))
        np.savez(text, x=logits)
        self.refuse(3, "holds x, expected the arrays images and logits", *verify(text))
        self.refuse(2, "not at /nowhere: build it", path, out, "--verify", text, "--engine", "/nowhere")
        self.refuse(2, "--engine goes with --verify", path, out, "--engine", ENGINE)


class Wrapped(LayoutCase):
    def setUp(self):
        super().setUp()
        self.state = random_state(resnet50()[0])
        self.averaged = {n: v * 2 for n, v in self.state.items()}

    def under(self, prefix, state=None):
        return {prefix + n: v for n, v in (state or self.state).items()}

    def check(self, tensors, state=None):
        want = {n: v for n, v in (state or self.state).items() if not n.endswith("num_batches_tracked")}
        self.assertEqual(set(tensors), set(want))
        for name, value in want.items():
            np.testing.assert_array_equal(tensors[name], value.numpy(), name)

    def test_what_wraps_a_state_dict(self):
        lightning = {**self.under("model."), "criterion.weight": torch.ones(5)}
        for label, said, value in (
                ("compiled", "", self.under("_orig_mod.")),
                ("compiled in parallel", "", self.under("module._orig_mod.")),
                ("parallel in compiled", "", self.under("_orig_mod.module.")),
                ("a compiled part", "", {n.replace("layer1.", "layer1._orig_mod."): v for n, v in self.state.items()}),
                ("nested twice", ", weights model.state_dict", {"model": {"state_dict": self.state}, "epoch": 3}),
                ("averaged", "", {**self.under("module."), "n_averaged": torch.tensor(9)}),
                ("lightning", ", weights state_dict.model\n", {"state_dict": lightning, "hyper_parameters": {"lr": 0.1},
                                                               "optimizer_states": [{"state": {0: {"m": torch.ones(2)}}}]}),
                ("net", ", weights state_dict.net\n", {"state_dict": self.under("net.")}),
                ("backbone", ", weights state_dict.net.backbone\n", {"state_dict": self.under("net._orig_mod.backbone.")})):
            with self.subTest(label):
                _, tensors = self.convert(self.save(value))
                self.check(tensors)
                self.assertIn("layout: torchvision's ResNet-50" + said, self.said)
                if label == "lightning":
                    self.assertIn("passed over: optimizer_states (1 tensors), state_dict.criterion (1 tensors)", self.said)

    def test_sets_of_weights_are_never_chosen_silently(self):
        out = self.dir / "out.h5"
        for plain, averaged in (("state_dict", "state_dict_ema"), ("model", "model_ema")):
            source = self.save({plain: self.state, averaged: self.under("module.", self.averaged), "epoch": 1})
            self.refuse(2, "several sets of weights (%s, %s): choose one with --weights-set" % (plain, averaged), source, out)
            self.refuse(2, "--weights-set ema: the file holds %s, %s" % (plain, averaged), source, out, "--weights-set", "ema")
            self.check(self.convert(source, "--weights-set", plain)[1])
            self.check(self.convert(source, "--weights-set", averaged)[1], self.averaged)
            self.assertIn("passed over: %s" % plain, self.said)
        source = self.save({"state_dict": {**self.under("net."), **self.under("ema.net.", self.averaged)}})
        self.refuse(2, "(state_dict.ema.net, state_dict.net)", source, out)
        self.check(self.convert(source, "--weights-set", "state_dict.ema.net")[1], self.averaged)

    def test_every_tensor_under_the_prefix_is_used(self):
        out = self.dir / "out.h5"
        without = {n: v for n, v in self.state.items() if n != "bn1.bias"}
        self.refuse(3, "not those of torchvision's ResNet-50, the nearest layout: missing: bn1.bias; unexpected: se.weight",
                    self.save({"state_dict": self.under("net.", {**without, "se.weight": torch.ones(2)})}), out)
        path, _, _ = self.unpack("hugging_face_resnet50.safetensors")
        from safetensors_file import read
        state = {n: torch.from_numpy(v.copy()) for n, v in read(str(path)).items()}
        state["resnet.extra.weight"] = torch.ones(3)
        state.pop("classifier.1.bias")
        self.refuse(3, "Hugging Face's ResNet-50, the nearest layout: missing: fc.bias; unexpected: resnet.extra.weight",
                    self.save(state), out)
        path, _, _ = self.unpack("timm_vgg16_bn.pth")
        state = torch.load(str(path))
        state.pop("features.1.running_var")
        self.refuse(3, "timm's VGG16 with BatchNorm, the nearest layout: missing: features.1.running_var", self.save(state), out)

    def test_keras_3_names_its_layers_in_attributes(self):
        """x.weights.h5 and x.keras, written here with the names of Keras 3.6: layers/<type>_<n>/vars/<i>."""
        path, _, arguments = self.unpack("keras_resnet50.h5")
        _, want = self.convert(path, *arguments)
        new, count = self.dir / "x.weights.h5", {}
        with h5py.File(path, "r") as old, h5py.File(new, "w") as f:
            layers = old["model_weights"]
            for layer in layers.attrs["layer_names"]:
                names = layers[layer].attrs["weight_names"]
                kind = {2: "conv2d", 4: "batch_normalization"}.get(len(names), "activation")
                count[kind] = count.get(kind, -1) + 1
                group = f.create_group("layers/%s%s/vars" % (kind, "_%d" % count[kind] if count[kind] else ""))
                group.attrs["name"] = layer
                for i, name in enumerate(names):
                    group[str(i)] = layers[layer][name][()]
        archive = self.dir / "x.keras"
        with zipfile.ZipFile(archive, "w") as z:
            z.write(new, "model.weights.h5")
            z.writestr("config.json", "{}")
        for source in (new, archive):
            attributes, got = self.convert(source, *arguments)
            self.assertEqual(set(got), set(want))
            for name, value in want.items():
                np.testing.assert_array_equal(got[name], value, name)
            self.assertEqual((attributes["stride_conv"], attributes["batchnorm_eps"]), (1, 1.001e-5))
        with h5py.File(new, "a") as f:
            del f["layers/conv2d/vars"].attrs["name"]
        self.refuse(3, "its layers have no names", new, self.dir / "out.h5")

    def test_other_files(self):
        out, path = self.dir / "out.h5", self.dir / "x.h5"
        with h5py.File(path, "w") as f:
            f["a"] = np.ones(3)
        self.refuse(3, "without the layers of a Keras model", path, out)
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"damaged" * 9)
        self.refuse(3, "damaged or none of Keras'", path, out)
        for name, fragment in (("x.onnx", "no ONNX file"), ("x.caffemodel", "no file of Caffe")):
            if installed(NEEDS[os.path.splitext(name)[1]]):
                (self.dir / name).write_bytes(b"\xff" * 40)
                self.refuse(3, fragment, self.dir / name, out)

    def test_a_package_that_is_not_there(self):
        out = self.dir / "out.h5"
        for name, module, install in (("onnx_vgg16.onnx", "onnx", "onnx"),
                                      ("caffe_vgg16.caffemodel", "google.protobuf.descriptor_pb2", "protobuf")):
            path, _, _ = self.unpack(name)
            before = {m: sys.modules.get(m) for m in (module,)}
            sys.modules[module] = None  # an import of it fails
            try:
                self.refuse(2, "needs the Python package %s, which is not installed: python3 -m pip install %s"
                            % (install, install), path, out)
            finally:
                for m, value in before.items():
                    sys.modules.pop(m) if value is None else sys.modules.update({m: value})


class Preparing(LayoutCase):
    def setUp(self):
        super().setUp()
        self.source = self.save(random_state(resnet50()[0]))

    def told(self, *args):
        attributes, _ = self.convert(self.source, *args)
        return tuple(attributes[n] for n in ("input_size", "resize_size", "interpolation", "preprocessing"))

    def test_presets(self):
        self.assertEqual(self.told(), (224, 256, "bilinear", "torchvision-v1"))
        self.assertEqual(self.told("--preset", "torchvision-v2"), (224, 232, "bilinear", "torchvision-v2"))
        self.assertEqual(self.told("--preset", "timm"), (224, 256, "bicubic", "timm"))
        self.assertEqual(self.told("--preset", "timm", "--crop-ratio", 0.95, "--input-size", 160),
                         (160, 168, "bicubic", "timm and --crop-ratio"))
        attributes, tensors = self.convert(self.source, "--preset", "caffe")
        np.testing.assert_allclose(attributes["mean"], np.array([123.68, 116.779, 103.939]) / 255, rtol=1e-6)
        np.testing.assert_allclose(attributes["std"], [1 / 255] * 3)
        state = random_state(resnet50()[0])
        np.testing.assert_array_equal(tensors["conv1.weight"], state["conv1.weight"].numpy()[:, ::-1])  # blue comes first
        _, plain = self.convert(self.source, "--preset", "caffe", "--channel-order", "rgb")
        np.testing.assert_array_equal(plain["conv1.weight"], state["conv1.weight"].numpy())

    def test_configuration_of_timm(self):
        config = dict(input_size=[3, 224, 224], crop_pct=0.95, interpolation="bicubic", mean=[0.5, 0.4, 0.3], std=[0.2] * 3)
        path = self.dir / "config.json"
        path.write_text(json.dumps(dict(architecture="resnet50", pretrained_cfg=config)))
        self.assertEqual(self.told(), (224, 235, "bicubic", "config.json beside it"))
        self.assertIn("images: config.json beside it: shorter side to 235, centre 224x224, bicubic, mean 0.5, 0.4, 0.3", self.said)
        self.assertEqual(self.told("--preset", "torchvision-v1")[1:3], (256, "bilinear"))
        moved = path.rename(self.dir / "other.json")
        self.assertEqual(self.told()[3], "torchvision-v1")
        self.assertEqual(self.told("--preset", moved), (224, 235, "bicubic", "other.json"))
        out = self.dir / "out.h5"
        for fragment, change in (("crop squash 0.95", dict(crop_mode="squash")), ("lanczos", dict(interpolation="lanczos")),
                                 ("input [3, 224, 192]", dict(input_size=[3, 224, 192])), ("not those of timm", dict(mean="x"))):
            moved.write_text(json.dumps(dict(config, **change)))
            self.refuse(3, fragment, self.source, out, "--preset", moved)
        moved.write_text("{}")
        self.refuse(3, "none of timm's config.json", self.source, out, "--preset", moved)
        path.write_text(json.dumps(dict(architectures=["ResNetForImageClassification"], num_channels=3)))
        self.assertEqual(self.told()[3], "torchvision-v1")  # another program's configuration says nothing

    def test_wrong_values(self):
        out = self.dir / "out.h5"
        self.refuse(2, "--preset: tv is neither one of torchvision-v1, ", self.source, out, "--preset", "tv")
        self.refuse(2, "--crop-ratio: 0.1 to 1", self.source, out, "--crop-ratio", 1.5)
        self.refuse(2, "give one", self.source, out, "--mean", 0, 0, 0, "--mean-file", "x")
        if installed("google.protobuf"):
            self.refuse(3, "mean file x cannot be read", self.source, out, "--mean-file", "x")

    @unittest.skipUnless(installed("google.protobuf"), "protobuf is not installed")
    def test_mean_image_of_caffe(self):
        path = self.dir / "mean.binaryproto"
        path.write_bytes(NETWORKS.read(path.name))
        attributes, _ = self.convert(self.source, "--preset", "caffe", "--mean-file", path)
        np.testing.assert_allclose(attributes["mean"], np.array([123.68, 116.779, 103.939]) / 255, rtol=1e-6)


class ListOfValImages(LayoutCase):
    def setUp(self):
        super().setUp()
        import val_list
        self.kit = self.dir / "kit"
        (self.kit / "data").mkdir(parents=True)
        (self.kit / "data" / "ILSVRC2012_validation_ground_truth.txt").write_text("2\n1\n2\n")
        self.list = lambda *args: val_list.main(["val_list.py", *map(str, args)])

    def said_by(self, *args):
        said, complaints = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
            code = self.list(*args)
        return code, said.getvalue() or complaints.getvalue()

    @unittest.skipUnless(installed("scipy.io"), "SciPy is not installed")
    def test_the_kits_numbers_become_ids(self):
        from scipy.io import savemat
        synsets = np.zeros(3, dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
        synsets[:] = [(1, "n02119789", 0), (2, "n02100735", 0), (1001, "n00001740", 9)]
        path = self.kit / "data" / "meta.mat"
        savemat(str(path), {"synsets": synsets.reshape(-1, 1)}, do_compression=True)
        self.assertEqual(self.said_by(self.kit), (0, "ILSVRC2012_val_00000001.JPEG n02100735\nILSVRC2012_val_00000002.JPEG "
                                                     "n02119789\nILSVRC2012_val_00000003.JPEG n02100735\n"))
        savemat(str(path), {"synsets": synsets[:1]})
        code, line = self.said_by(self.kit)
        self.assertEqual((code, "line 1: 2 is no class of meta.mat" in line), (3, True), line)
        path.write_text("damaged")
        code, line = self.said_by(self.kit)
        self.assertEqual((code, "is not ImageNet's meta.mat" in line), (3, True), line)

    def test_what_is_missing(self):
        code, line = self.said_by(self.dir / "absent")
        self.assertEqual((code, line.count("\n")), (2, 1), line)
        code, line = self.said_by(self.kit)  # without SciPy, or without meta.mat
        self.assertIn(code, (2, 3))
        self.assertEqual(line.count("\n"), 1, line)


if __name__ == "__main__":
    unittest.main()
