"""What reasoning expects of a GPU: a step of gate learning of 256 images in bf16, 16 classes of 16. Each pair: H100, H200.

Floors in milliseconds. fused: every layer's arithmetic or what a network fused from end to end must move, whichever takes
longer; two_bytes, four_bytes: this design with perfect kernels, every layer's values in memory in so many bytes. expected:
today's kernels. What moves a result away from `expected`, and what to do then: docs/GPU.md.
"""
FUSED = {"vgg16": 28, "resnet50": 11.5, "densenet121": 8.0, "darts": 5.7}
TWO_BYTES = {"vgg16": (36, 32), "resnet50": (20, 15), "densenet121": (18, 13), "darts": (11.6, 8)}
FOUR_BYTES = {"vgg16": (53, 43), "resnet50": (37, 27), "densenet121": (36, 25), "darts": (23, 16)}
EXPECTED = {"vgg16": (140, 132), "resnet50": (57, 46), "densenet121": (57, 47), "darts": (31, 23)}
UPLOADS = "0.2 to 0.3"  # of a step with 16 classes: 64 small transfers
# Bytes read and written by a copy. mma.sync reaches about 63 % of the 790 TFLOP/s that a library's product of bf16 matrices reaches with wgmma; tf32
# half of it; FMA nine tenths of the 67 TFLOP/s of the datasheet.
CEILINGS = {"copy": ("GB/s", (3000, 4300)), "mma bf16": ("TFLOP/s", (500, 500)), "mma tf32": ("TFLOP/s", (250, 250)),
            "fma fp32": ("TFLOP/s", (60, 60))}


def which(gpu):
    """The member of a pair that a GPU's name picks, or None."""
    return 0 if "H100" in gpu else 1 if "H200" in gpu else None


def text(pair, gpu):
    index = which(gpu)
    return f"{pair[0]} / {pair[1]}" if index is None else str(pair[index])
