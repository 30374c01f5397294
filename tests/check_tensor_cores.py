#!/usr/bin/env python3
"""The machine code of the convolutions: python3 check_tensor_cores.py NVCC [CUOBJDUMP or NVDISASM]

Compiles kernels/cuda/conv2d*.cu for sm_80 and sm_90 and looks at the result: the tf32 and bf16 kernels multiply on tensor
cores in that type and read shared memory by matrices, kernels that copy do so asynchronously, the fp32 kernels use no
tensor cores, and no kernel keeps registers in local memory (a spill, or an array that did not become registers).
Without a disassembler the last point is checked alone, and the output says so.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ARCHITECTURES = ["sm_80", "sm_90"]

# What the (mangled) name of an instantiation says, and the instructions that it must have.
MATH = {
    "10TensorMathIf": ("tf32", ["HMMA.1688.F32.TF32", "LDSM"]),
    "10TensorMathI13__nv_bfloat16": ("bf16", ["HMMA.16816.F32.BF16", "LDSM"]),
    "8Fp32Math": ("fp32", ["FFMA"]),
}
COPIES = "5LoadsE0E"


def compile_cubin(nvcc, source, architecture, cubin):
    """The compiler's account of every kernel's resources."""
    command = [nvcc, "-std=c++20", "-O3", "-I" + ROOT, "-arch=" + architecture, "-diag-suppress=554", "-Xptxas=-v", "-cubin",
               source, "-o", cubin]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def local_memory(account):
    """(kernel, what it keeps in local memory) of the kernels that do; and how many kernels there are."""
    kernels = re.findall(r"Function properties for (\S+)\n\s*(\d+ bytes stack frame, \d+ bytes spill stores, "
                         r"\d+ bytes spill loads)", account)
    return [(name, text) for name, text in kernels if set(re.findall(r"\d+", text)) != {"0"}], len(kernels)


def functions(disassembler, cubin):
    """name -> instructions."""
    command = [disassembler, "-sass", cubin] if "cuobjdump" in disassembler else [disassembler, "-c", cubin]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found, current = {}, None
    for line in text.splitlines():
        name = re.match(r"\s*(?:Function : |\.section\s+\.text\.)([\w$.]+)", line)
        op = re.match(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", line)
        if name:
            current = found.setdefault(name[1], [])
        elif op and current is not None:
            current.append(op[1])
    return found


def check(name, instructions):
    """What is wrong with a GEMM kernel, as texts."""
    kinds = [kind for mark, kind in MATH.items() if mark in name]
    if len(kinds) != 1:
        return ["unknown arithmetic"]
    precision, needed = kinds[0]
    needed = needed + (["LDGSTS"] if COPIES in name else [])
    wrong = [f"no {op}" for op in needed if not any(i.startswith(op) for i in instructions)]
    if precision == "fp32" and any(re.match("[HID]G?MMA", i) for i in instructions):
        wrong.append("tensor cores, although the products are fp32")
    return wrong


def main():
    nvcc = sys.argv[1]
    disassembler = sys.argv[2] if len(sys.argv) > 2 and os.path.exists(sys.argv[2]) else None
    problems, kernels, checked = [], 0, {kind: 0 for kind, _ in MATH.values()}
    with tempfile.TemporaryDirectory() as folder:
        cubin = os.path.join(folder, "kernels.cubin")
        for source in sorted(glob.glob(os.path.join(ROOT, "kernels/cuda/conv2d*.cu"))):
            for architecture in ARCHITECTURES:
                where = f"{os.path.basename(source)} {architecture}"
                spills, count = local_memory(compile_cubin(nvcc, source, architecture, cubin))
                kernels += count
                problems += [f"{where}: {name}: {text}" for name, text in spills]
                for name, instructions in functions(disassembler, cubin).items() if disassembler and count else []:
                    if "conv2d_gemm_kernel" not in name:
                        continue
                    problems += [f"{where}: {name}: {text}" for text in check(name, instructions)]
                    for mark, (kind, _) in MATH.items():
                        checked[kind] += mark in name
    if kernels == 0:
        problems.append("the compiler names no kernels")
    if disassembler:
        problems += [f"no {kind} kernel" for kind, count in checked.items() if count == 0]
        looked = ", ".join(f"{count} {kind}" for kind, count in checked.items())
    else:
        looked = "instructions not checked: neither cuobjdump nor nvdisasm was found"
    for problem in problems:
        print(problem)
    print(f"{kernels} kernels for {' and '.join(ARCHITECTURES)}; {looked}; {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
