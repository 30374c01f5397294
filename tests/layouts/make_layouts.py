#!/usr/bin/env python3
"""Makes layouts.zip: a small random network in each layout that convert.py reads, written by the framework whose layout it
is, and what that framework answers. tests/test_layouts.py converts them and runs the engine.

    python3 make_layouts.py [OUT]      needs torch, torchvision, timm, transformers, tensorflow, onnx, opencv-python

Caffe itself is not to be had: its file is written here byte by byte, and read and run by OpenCV. The zip holds the files,
images.npy (uint8 [N, H, W, 3]) and for each file NAME.json: {"logits": [N][classes], "arguments": of convert.py}. Values
are multiples of 1/64, so that the zip stays small.
"""
import io
import json
import os
import struct
import sys
import tempfile
import zipfile

import numpy as np
import torch
import torchvision
from torchvision.transforms import functional as F

SEED, CLASSES = 233, 4
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
CAFFE_MEAN = np.float32([103.939, 116.779, 123.68])  # blue, green, red
HERE = os.path.dirname(os.path.abspath(__file__))


def images():
    """Waves and a block, larger than any input: [3, 44, 52, 3]."""
    y, x = np.mgrid[0:44, 0:52].astype(np.float64)
    made = []
    for n in range(3):
        pixels = np.stack([128 + 127 * np.sin(x / (3 + 2 * c + n) + y / (7 - c) + c * n) for c in range(3)], -1)
        pixels[8 + 5 * n:20 + 5 * n, 10:30] = [255, 40 * n, 128]
        made.append(np.clip(pixels, 0, 255).astype(np.uint8))
    return np.stack(made)


def cropped(raw, size, resize, interpolation):
    from PIL import Image
    return [F.center_crop(F.resize(Image.fromarray(i), resize, interpolation), size) for i in raw]


def torch_inputs(raw, size, ratio=0.875, bicubic=False):
    mode = F.InterpolationMode.BICUBIC if bicubic else F.InterpolationMode.BILINEAR
    return torch.stack([F.normalize(F.to_tensor(i), *IMAGENET) for i in cropped(raw, size, int(size / ratio), mode)])


def caffe_inputs(raw, size):
    """NHWC, blue first, 0 to 255, mean subtracted."""
    pixels = cropped(raw, size, size * 256 // 224, F.InterpolationMode.BILINEAR)
    return np.stack([np.asarray(i, np.float32)[..., ::-1] - CAFFE_MEAN for i in pixels])


def coarse(array, scale=1.0):
    return (np.round(np.asarray(array) * scale * 64) / 64).astype(np.float32)


def randomise(module, rng):
    """Every parameter and statistic drawn; He's deviation, so that logits are of the order of one."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.dtype != torch.float32:
                continue
            if name.endswith("running_var"):
                drawn = rng.uniform(0.5, 2, value.shape)
            elif value.ndim >= 2:
                drawn = rng.randn(*value.shape) * np.sqrt(2 / value[0].numel())
            else:
                drawn = rng.randn(*value.shape) * 0.3 + (name.endswith("weight"))
            value.copy_(torch.from_numpy(coarse(drawn)))
    return module.eval()


class Zip:
    def __init__(self, path, raw):
        self.zip, self.raw = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9), raw
        buffer = io.BytesIO()
        np.save(buffer, raw)
        self.add("images.npy", buffer.getvalue())

    def add(self, name, data):
        self.zip.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)

    def network(self, name, data, logits, arguments):
        self.add(name, data)
        rounded = [[float("%.8g" % v) for v in row] for row in np.asarray(logits, np.float64)]
        self.add(name + ".json", json.dumps(dict(logits=rounded, arguments=[str(a) for a in arguments])).encode())
        print("%-28s %7d bytes, logits to %.3g" % (name, len(data), np.abs(rounded).max()))

    def module(self, name, module, arguments, size, save=torch.save, inputs=None):
        with torch.no_grad():
            logits = module(torch_inputs(self.raw, size) if inputs is None else inputs)
        buffer = io.BytesIO()
        save(module.state_dict(), buffer)
        self.network(name, buffer.getvalue(), getattr(logits, "logits", logits), ["--input-size", size, *arguments])


# PyTorch's programs -------------------------------------------------------------------------------
def vgg(norm):
    net = torchvision.models.VGG(torchvision.models.vgg.make_layers([4, "M", 5, 5, "M"], norm), CLASSES, False)
    net.avgpool = torch.nn.AdaptiveAvgPool2d(7)
    net.classifier = torch.nn.Sequential(torch.nn.Linear(245, 6), torch.nn.ReLU(), torch.nn.Dropout(),
                                         torch.nn.Linear(6, 6), torch.nn.ReLU(), torch.nn.Dropout(),
                                         torch.nn.Linear(6, CLASSES))
    return net


def densenet():
    return torchvision.models.DenseNet(4, (2, 1), 6, 2, num_classes=CLASSES)


def timm_vgg(norm):
    from timm.layers import ClassifierHead
    from timm.models import vgg as timm_vgg_module
    net = timm_vgg_module.VGG(cfg=[4, "M", 5, 5, "M"], num_classes=CLASSES, norm_layer=norm)
    net.pre_logits = timm_vgg_module.ConvMlp(5, 6, 7, 1.0, act_layer=torch.nn.ReLU, conv_layer=torch.nn.Conv2d)
    net.head = ClassifierHead(6, CLASSES, pool_type="avg")
    return net


def hugging_face_resnet():
    from transformers import ResNetConfig, ResNetForImageClassification
    return ResNetForImageClassification(ResNetConfig(embedding_size=6, hidden_sizes=[8, 16], depths=[2, 2],
                                                     layer_type="bottleneck", num_labels=CLASSES))


class Logits(torch.nn.Module):
    """Of the peer's gated networks, without gates."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)[0]


def darts():
    sys.path.insert(0, os.path.join(HERE, "..", "peer"))
    import nad_networks
    return Logits(nad_networks.DartsNet(CLASSES, c=4, layers=3))


def write_torch(out, rng):
    from safetensors.torch import save as save_safetensors
    safetensors = lambda state, f: f.write(save_safetensors({k: v.contiguous() for k, v in state.items()}))
    out.module("torchvision_vgg16_bn.pth", randomise(vgg(True), rng), [], 28)
    out.module("torchvision_densenet121.pth", randomise(densenet(), rng), [], 32)
    bicubic = torch_inputs(out.raw, 28, 0.95, True)
    out.module("timm_vgg16.safetensors", randomise(timm_vgg(None), rng),
               ["--preset", "timm", "--crop-ratio", 0.95], 28, save=safetensors, inputs=bicubic)
    out.module("timm_vgg16_bn.pth", randomise(timm_vgg(torch.nn.BatchNorm2d), rng),
               ["--preset", "timm", "--crop-ratio", 0.95], 28, inputs=bicubic)
    out.module("hugging_face_resnet50.safetensors", randomise(hugging_face_resnet(), rng), [], 32, save=safetensors)


# ONNX ---------------------------------------------------------------------------------------------
def write_onnx(out, rng):
    for name, net, size in (("vgg16", vgg(False), 28), ("vgg16_bn", vgg(True), 28), ("resnet50", hugging_face_resnet(), 32),
                            ("densenet121", densenet(), 32), ("darts", darts(), 224)):
        net, buffer, inputs = randomise(net, rng), io.BytesIO(), torch_inputs(out.raw, size)
        with torch.no_grad():
            logits = net(inputs)
        torch.onnx.export(net, inputs[:1], buffer, opset_version=13)
        out.network("onnx_%s.onnx" % name, buffer.getvalue(), getattr(logits, "logits", logits), ["--input-size", size])


# Keras --------------------------------------------------------------------------------------------
def keras_vgg(layers, x):
    for stage, widths in enumerate(((4,), (5, 5)), 1):
        for k, width in enumerate(widths, 1):
            x = layers.Conv2D(width, 3, padding="same", activation="relu", name="block%d_conv%d" % (stage, k))(x)
        x = layers.MaxPooling2D(2, name="block%d_pool" % stage)(x)
    x = layers.Flatten()(x)
    for name in ("fc1", "fc2"):
        x = layers.Dense(6, activation="relu", name=name)(x)
    return layers.Dense(CLASSES, name="predictions")(x)


def keras_resnet(layers, x):
    from keras.src.applications import resnet
    resnet.layers = layers  # else set by ResNet() only
    x = layers.ZeroPadding2D(3)(x)
    x = layers.Conv2D(6, 7, strides=2, name="conv1_conv")(x)
    x = layers.Activation("relu")(layers.BatchNormalization(epsilon=1.001e-5, name="conv1_bn")(x))
    x = layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(x))
    x = resnet.stack1(x, 2, 2, stride1=1, name="conv2")
    x = resnet.stack1(x, 3, 2, name="conv3")
    return layers.Dense(CLASSES, name="predictions")(layers.GlobalAveragePooling2D()(x))


def keras_densenet(layers, x):
    from keras.src.applications import densenet as d
    norm = lambda name: layers.BatchNormalization(epsilon=1.001e-5, name=name)
    x = layers.Conv2D(6, 7, strides=2, use_bias=False, name="conv1/conv")(layers.ZeroPadding2D(3)(x))
    x = layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(layers.Activation("relu")(norm("conv1/bn")(x))))
    for block in (1, 2):
        x = d.conv_block(x, 2, name="conv2_block%d" % block)
    x = d.transition_block(x, 0.5, name="pool2")
    x = d.conv_block(x, 2, name="conv3_block1")
    x = layers.Activation("relu")(norm("bn")(x))
    return layers.Dense(CLASSES, name="predictions")(layers.GlobalAveragePooling2D()(x))


def write_keras(out, rng):
    import keras
    from keras import layers
    for name, make, size, whole in (("vgg16", keras_vgg, 28, False), ("resnet50", keras_resnet, 32, True),
                                    ("densenet121", keras_densenet, 32, False)):
        entry = keras.Input((size, size, 3))
        model = keras.Model(entry, make(layers, entry))
        for layer in model.layers:
            drawn = []
            for weight in layer.weights:
                kind, shape = weight.name.split("/")[-1].split(":")[0], tuple(weight.shape)
                value = rng.randn(*shape) * (np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.3)
                drawn.append(coarse({"gamma": value + 1, "moving_variance": rng.uniform(0.5, 2, shape)}.get(kind, value)))
            layer.set_weights(drawn)
        if name != "densenet121":  # its inputs are of the order of 100
            first = next(l for l in model.layers if l.weights)
            first.set_weights([coarse(w, 1 / 16) if w.ndim > 1 else w for w in first.get_weights()])
        inputs = torch_inputs(out.raw, size).permute(0, 2, 3, 1).numpy() if name == "densenet121" else caffe_inputs(out.raw, size)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.h5")
            model.save(path) if whole else model.save_weights(path)
            with open(path, "rb") as f:
                out.network("keras_%s.h5" % name, f.read(), model.predict(inputs, verbose=0), ["--input-size", size])


# Caffe --------------------------------------------------------------------------------------------
def field(number, data):
    """A length-delimited field of the wire format."""
    def varint(value):
        parts = b""
        while value > 127:
            parts, value = parts + bytes([value & 127 | 128]), value >> 7
        return parts + bytes([value])
    return varint(number << 3 | 2) + varint(len(data)) + data


def caffe_blob(array):
    return field(7, field(1, bytes(array.shape))) + field(5, np.asarray(array, "<f4").tobytes())  # sizes below 128


def caffe_network(rng):
    """(prototxt, caffemodel)"""
    text, model = 'name: "small"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 28\ninput_dim: 28\n', b""
    bottom, channels = "data", 3

    def weighted(name, kind, shape, setting):
        nonlocal text, model, bottom
        scale = np.sqrt(2 / np.prod(shape[1:])) / (16 if bottom == "data" else 1)
        weight, bias = coarse(rng.randn(*shape) * scale), coarse(rng.randn(shape[0]) * 0.3)
        model += field(100, field(1, name.encode()) + field(2, kind.encode()) + field(7, caffe_blob(weight))
                       + field(7, caffe_blob(bias)))
        text += 'layer { name: "%s" type: "%s" bottom: "%s" top: "%s" %s }\n' % (name, kind, bottom, name, setting)
        bottom = name

    for stage, widths in enumerate(((4,), (5, 5)), 1):
        for k, width in enumerate(widths, 1):
            weighted("conv%d_%d" % (stage, k), "Convolution", (width, channels, 3, 3),
                     "convolution_param { num_output: %d pad: 1 kernel_size: 3 }" % width)
            text += 'layer { name: "relu%d_%d" type: "ReLU" bottom: "%s" top: "%s" }\n' % (stage, k, bottom, bottom)
            channels = width
        text += ('layer { name: "pool%d" type: "Pooling" bottom: "%s" top: "pool%d" '
                 'pooling_param { pool: MAX kernel_size: 2 stride: 2 } }\n' % (stage, bottom, stage))
        bottom = "pool%d" % stage
    for name, shape in (("fc6", (6, 5 * 49)), ("fc7", (6, 6)), ("fc8a", (CLASSES, 6))):
        if shape[1] > 127:  # blob sizes are one byte here: the older form of four sizes takes fields of their own
            weight, bias = coarse(rng.randn(*shape) * np.sqrt(2 / shape[1])), coarse(rng.randn(shape[0]) * 0.3)
            sizes = b"".join(bytes([n << 3]) + (bytes([v]) if v < 128 else bytes([v & 127 | 128, v >> 7]))
                             for n, v in ((1, 1), (2, 1), (3, shape[0]), (4, shape[1])))
            model += field(100, field(1, name.encode()) + field(2, b"InnerProduct")
                           + field(7, sizes + field(5, weight.astype("<f4").tobytes())) + field(7, caffe_blob(bias)))
            text += ('layer { name: "%s" type: "InnerProduct" bottom: "%s" top: "%s" inner_product_param { num_output: %d } }\n'
                     % (name, bottom, name, shape[0]))
            bottom = name
        else:
            weighted(name, "InnerProduct", shape, "inner_product_param { num_output: %d }" % shape[0])
        if name != "fc8a":
            text += 'layer { name: "relu_%s" type: "ReLU" bottom: "%s" top: "%s" }\n' % (name, bottom, bottom)
    return text, model


def write_caffe(out, rng):
    import cv2
    text, model = caffe_network(rng)
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), np.frombuffer(model, np.uint8))
    logits = []
    for image in caffe_inputs(out.raw, 28):
        net.setInput(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
        logits.append(net.forward()[0].copy())
    out.network("caffe_vgg16.caffemodel", model, logits, ["--input-size", 28])
    mean = np.broadcast_to(CAFFE_MEAN[:, None, None], (3, 2, 2))
    out.add("mean.binaryproto", caffe_blob(mean))


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "layouts.zip")
    rng = np.random.RandomState(SEED)
    out = Zip(path, images())
    for write in (write_torch, write_onnx, write_keras, write_caffe):
        write(out, rng)
    out.zip.close()
    print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
