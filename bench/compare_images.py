#!/usr/bin/env python3
"""Images a second of this engine beside torchvision's DataLoader: the same files, the same work, the same cores.

    compare_images.py DIR [--build build] [--threads 2] [--rounds 5] [--most 1000]

DIR holds JPEGs, in any folders. Both sides begin with the files' bytes in memory and end with batches of 16 normalised
images of 224 x 224: decoding alone, RandomResizedCrop with flip alone (on decoded images), both. torchvision has as many
worker processes as the engine has threads. Sides take turns, ratios are medians of the rounds'. Needs torchvision and Pillow.
"""
import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time

import torch
import torchvision
from PIL import Image
from torchvision import transforms

WORK = ("decode", "augment", "both")
AUGMENT = transforms.Compose([
    transforms.RandomResizedCrop(224, scale=(0.08, 1.25), ratio=(3 / 4, 4 / 3)), transforms.RandomHorizontalFlip(),
    transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])


class Images(torch.utils.data.Dataset):
    def __init__(self, files, work):
        self.work = work
        self.items = [open(f, "rb").read() for f in files]
        if work == "augment":
            self.items = [self.decode(data) for data in self.items]

    @staticmethod
    def decode(data):
        return Image.open(io.BytesIO(data)).convert("RGB")

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        image = self.items[i] if self.work == "augment" else self.decode(self.items[i])
        return image.size[0] if self.work == "decode" else AUGMENT(image)


def loader_of(files, work, threads):
    loader = torch.utils.data.DataLoader(Images(files, work), batch_size=16, shuffle=True, num_workers=threads,
                                         persistent_workers=True)
    for _ in loader:  # workers start
        pass
    return loader


def rate(loader):
    begin = time.perf_counter()
    for _ in loader:
        pass
    return len(loader.dataset) / (time.perf_counter() - begin)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", metavar="DIR")
    p.add_argument("--build", default="build")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--most", type=int, default=1000, help="images")
    a = p.parse_args()
    files = sorted(os.path.join(folder, name) for folder, _, names in os.walk(a.folder) for name in names
                   if name.lower().endswith((".jpg", ".jpeg")))[:a.most]
    if not files:
        sys.exit("compare_images.py: no JPEG in " + a.folder)
    torch.set_num_threads(1)
    loaders = {work: loader_of(files, work, a.threads) for work in WORK}
    ours, theirs = {w: [] for w in WORK}, {w: [] for w in WORK}
    for _ in range(a.rounds):
        said = subprocess.run([os.path.join(a.build, "bench", "bench_images"), "--threads", str(a.threads)] + files,
                              stdout=subprocess.PIPE, check=True).stdout
        engine = json.loads(said)
        for work in WORK:
            ours[work].append(engine[work] / a.threads)
            theirs[work].append(rate(loaders[work]) / a.threads)
    print("%d images, %.1f MiB decoded; images a second a core, %d cores; torchvision %s, Pillow %s" % (
        engine["images"], engine["mebibytes"], a.threads, torchvision.__version__, Image.__version__))
    print("| work | nad | torchvision | ratio | ratios from, to |\n|---|---|---|---|---|")
    for work in WORK:
        ratios = [x / y for x, y in zip(ours[work], theirs[work])]
        print("| %s | %.0f | %.0f | %.2f | %.2f, %.2f |" % (work, statistics.median(ours[work]), statistics.median(
            theirs[work]), statistics.median(ratios), min(ratios), max(ratios)))


if __name__ == "__main__":
    main()
