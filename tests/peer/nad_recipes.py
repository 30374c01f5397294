"""Random networks and images that any program can repeat bit for bit, and their place in .h5 files (weights/FORMAT.md, replay
cases): a recipe of some kilobytes stands for a network's weights.
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from nad_networks import build


def fnv1a64(s):
    h = 0xCBF29CE484222325
    for b in s.encode():
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def hash_uniform(name, seed, n, bound):
    """float32 w[i] = (k_i - 2^23) * 2^-23 * bound, k_i = top 24 bits of splitmix64(key + (i+1)*golden),
    key = fnv1a64(name) ^ seed.  Every step but the last product is exact; the product rounds once."""
    out = np.empty(n, np.float32)
    key = np.uint64(fnv1a64(name) ^ seed)
    step = 1 << 22
    with np.errstate(over="ignore"):
        for s in range(0, n, step):
            e = min(n, s + step)
            z = np.arange(s + 1, e + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            k = (z >> np.uint64(40)).astype(np.int64) - (1 << 23)
            out[s:e] = (k.astype(np.float32) * np.float32(2.0 ** -23)) * np.float32(bound)
    return out


def checksum(a):
    """fnv1a64 over the little-endian 32-bit words folded as sum(word*odd): cheap, order-sensitive."""
    w = np.ascontiguousarray(a, np.float32).view(np.uint32).ravel().astype(np.uint64)
    with np.errstate(over="ignore"):
        idx = np.arange(1, len(w) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
        return int((w * idx).sum(dtype=np.uint64))


def recipe_from_h5(f):
    g = f["weights"]
    rec = {"seed": int(g.attrs["seed"]), "bound": {}, "small": {}, "shape": {}}
    for k in g["bound"]:
        rec["bound"][k] = np.float32(g["bound"][k][()])
        rec["shape"][k] = tuple(g["bound"][k].attrs["shape"])
    for k in g["small"]:
        rec["small"][k] = g["small"][k][()]
    return rec


def recipe_to_h5(f, rec, sd=None):
    g = f.require_group("weights")
    g.attrs["seed"] = np.uint64(rec["seed"])
    b, s = g.require_group("bound"), g.require_group("small")
    for k, v in rec["bound"].items():
        d = b.create_dataset(k, data=np.float32(v))
        d.attrs["shape"] = rec["shape"][k]
        if sd is not None:
            d.attrs["checksum"] = np.uint64(checksum(sd[k]))
    for k, v in rec["small"].items():
        s.create_dataset(k, data=np.asarray(v, np.float32))


def weights_from_recipe(rec):
    sd = {k: torch.from_numpy(np.array(v, np.float32)) for k, v in rec["small"].items()}
    for k, bound in rec["bound"].items():
        sh = rec["shape"][k]
        sd[k] = torch.from_numpy(hash_uniform(k, rec["seed"], int(np.prod(sh)), bound).reshape(sh))
    return sd


def make_recipe(arch, seed, calib):
    """Random network that behaves like a trained one numerically: He-uniform convolutions; BN statistics =
    the statistics measured on `calib` disturbed by N(0,0.1) in the mean (units of std) and U(0.5,1.5) in the
    variance; gamma U(0.5,1.5); beta N(0,0.1); VGG's convolutions rescaled to unit output std; the classifier
    centred so that different images get different labels."""
    net = build(arch)
    sd = net.state_dict()
    rng = np.random.RandomState(seed)
    rec = {"seed": seed, "bound": {}, "shape": {}, "small": {}}
    mods = dict(net.named_modules())
    hooks, last = [], {"vgg16": "classifier.6", "resnet50": "fc"}.get(arch, "classifier")

    def gen(name, mod):
        w = mod.weight
        fan = int(np.prod(w.shape[1:]))
        rec["shape"][name + ".weight"] = tuple(w.shape)

        def put(bound):
            rec["bound"][name + ".weight"] = np.float32(bound)
            mod.weight.data = torch.from_numpy(
                hash_uniform(name + ".weight", seed, w.numel(), bound).reshape(tuple(w.shape)))
        b0 = np.float32(np.sqrt(6.0 / fan))
        put(b0)
        if mod.bias is not None:
            rec["small"][name + ".bias"] = mod.bias.data = torch.from_numpy(
                rng.uniform(-0.1, 0.1, mod.bias.numel()).astype(np.float32))

        def pre(mod, inp):
            if mod.bias is None:
                return
            op = (lambda x: F.linear(x, mod.weight)) if isinstance(mod, nn.Linear) else \
                 (lambda x: F.conv2d(x, mod.weight, None, mod.stride, mod.padding, mod.dilation, mod.groups))
            y = op(inp[0])
            if name == last:
                put(b0 * np.float32(1.5 / float((y - y.mean(0)).std())))
                bias = -op(inp[0]).mean(0)
                mod.bias.data = bias.clone()
                rec["small"][name + ".bias"] = bias.clone()
            else:
                put(b0 * np.float32(1.0 / float(y.std())))
        hooks.append(mod.register_forward_pre_hook(pre))

    def bn(name, mod):
        def pre(mod, inp):
            x = inp[0]
            mean, var = x.mean((0, 2, 3)).numpy(), x.var((0, 2, 3)).numpy() + 1e-3
            c = len(mean)
            vals = {"weight": rng.uniform(0.5, 1.5, c), "bias": rng.normal(0, 0.1, c),
                    "running_mean": mean + rng.normal(0, 0.1, c) * np.sqrt(var),
                    "running_var": var * rng.uniform(0.5, 1.5, c)}
            if name.endswith("bn3"):                   # residual branches half as strong as the trunk
                vals["weight"] *= 0.5
            for k, v in vals.items():
                t = torch.from_numpy(v.astype(np.float32))
                getattr(mod, k).data = t
                rec["small"][name + "." + k] = t.clone()
        hooks.append(mod.register_forward_pre_hook(pre))

    for name, mod in mods.items():
        if isinstance(mod, (nn.Conv2d, nn.Linear)):
            gen(name, mod)
        elif isinstance(mod, nn.BatchNorm2d):
            bn(name, mod)
    with torch.no_grad():
        net(calib)
    for h in hooks:
        h.remove()
    want = {k for k in sd if not k.endswith("num_batches_tracked")}
    have = set(rec["bound"]) | set(rec["small"])
    assert want == have, (sorted(want ^ have)[:5])
    return rec


# ------------------------------------------------------------------------------------------------
# images
# ------------------------------------------------------------------------------------------------
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def image_affine():
    """x = u8*scale + shift in float32, scale rounded to 16 bits so that u8*scale is exact (FMA or not, the
    same bits)."""
    scale, shift = [], []
    for mu, sd in zip(_MEAN, _STD):
        s = np.float32(1.0 / (255.0 * sd))
        bits = np.array([s], np.float32).view(np.uint32)
        bits = (bits + np.uint32(0x80)) & np.uint32(0xFFFFFF00)
        scale.append(bits.view(np.float32)[0])
        shift.append(np.float32(-mu / sd))
    return np.array(scale, np.float32), np.array(shift, np.float32)


def u8_to_float(u8, scale, shift):
    x = u8.astype(np.float32) * scale.reshape(1, 3, 1, 1)
    return torch.from_numpy(x + shift.reshape(1, 3, 1, 1))


def synth_images(n, seed, size=224, like=None, mix=0.0):
    """Smooth coloured noise plus texture, uint8.  With `like`, images are (1-mix)*like + mix*fresh."""
    rng = np.random.RandomState(seed)
    out = np.empty((n, 3, size, size), np.uint8)
    for i in range(n):
        acc = np.zeros((3, size, size), np.float32)
        for k, amp in ((4, 70.0), (14, 40.0), (56, 25.0), (size, 10.0)):
            t = torch.from_numpy(rng.randn(1, 3, k, k).astype(np.float32))
            acc += amp * F.interpolate(t, size=(size, size), mode="bilinear", align_corners=False)[0].numpy()
        acc = acc + 120.0 + 25.0 * rng.randn(3, 1, 1)
        if like is not None:
            acc = (1 - mix) * like.astype(np.float32) + mix * acc
        out[i] = np.clip(np.rint(acc), 0, 255).astype(np.uint8)
    return out


def read_images(f):
    if "images" in f:
        return torch.from_numpy(f["images"][()].astype(np.float32))
    return u8_to_float(f["images_u8"][()], f["images_u8"].attrs["scale"], f["images_u8"].attrs["shift"])
