"""The package: programs for sm_90 with the libraries that they need, scripts and cases, as one file that unpacks to a tree
laid out as the repository. It is built and collected here, and every program is started in an empty root."""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from datetime import date
from pathlib import Path

from . import plan

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build-lease"
PACKAGE = Path(".gpu/lease/package.txz")  # in a folder that git ignores
MOST_BYTES = 20_000_000
PROGRAMS = {"bench_step": "bench", "bench_kernels": "bench", "nad_replay": ".",
            **{"device_cuda_" + t: "tests/device" for t in (*plan.DEVICE_TESTS, "bench")}}
CONFIGURE = ["-DCMAKE_BUILD_TYPE=Release", "-DNAD_CUDA=ON", "-DNAD_ONEDNN=OFF", "-DCMAKE_CUDA_ARCHITECTURES=90",
             "-DCMAKE_CUDA_RUNTIME_LIBRARY=Static"]
SCRIPTS = ("scripts/gpu", "bench/*.py", "bench/lease/*.py", "tests/agreement.py", "tests/peer/*.py", "tests/golden/*.h5",
           "tests/golden/images.bin")
# Every machine has these; those of the second kind may be too old there and travel as a way out.
SYSTEM = re.compile(r"(linux-vdso|ld-linux|libc|libm|libdl|librt|libpthread|libutil|libresolv|libcuda)[.-]")
RUNTIME = re.compile(r"(libstdc\+\+|libgcc_s)[.-]")


class Broken(Exception):
    pass


def run(command, **options):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise Broken(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


def build(jobs):
    generator = ["-G", "Ninja"] if shutil.which("ninja") and not (BUILD / "CMakeCache.txt").exists() else []
    run(["cmake", "-S", ROOT, "-B", BUILD, *CONFIGURE, *generator])
    run(["cmake", "--build", BUILD, "-j", jobs, "--target", *PROGRAMS])
    return {name: BUILD / folder / name for name, folder in PROGRAMS.items()}


def libraries_of(program):
    """{name: path}; raises Broken where one is missing here."""
    text = run(["ldd", program])
    if "not found" in text:
        raise Broken(f"{program} needs what is not here: {re.findall(r'(.*) => not found', text)}")
    return dict(re.findall(r"^\s*(\S+) => (/\S+)", text, re.M))


def collect(tree, programs):
    """programs: {name: path}. Copies them and what they need into a tree that has nothing yet."""
    for pattern in SCRIPTS:
        for file in sorted(ROOT.glob(pattern)):
            to = tree / file.relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, to)
    (tree / "bin").mkdir(parents=True)
    (tree / "lib/runtime").mkdir(parents=True)
    for name, program in programs.items():
        shutil.copy2(program, tree / "bin" / name)
        subprocess.run(["strip", str(tree / "bin" / name)], check=False)
        for library, path in libraries_of(program).items():
            if not SYSTEM.match(library):
                to = tree / ("lib/runtime" if RUNTIME.match(library) else "lib") / library
                shutil.copy2(os.path.realpath(path), to)


def needed_versions(tree):
    """The newest versions of glibc and libstdc++ that anything in the tree asks for."""
    newest = {}
    for file in [*(tree / "bin").iterdir(), *(f for f in (tree / "lib").iterdir() if f.is_file())]:
        text = subprocess.run(["objdump", "-T", str(file)], capture_output=True, text=True).stdout
        for name, version in re.findall(r"\b(GLIBC|GLIBCXX)_([0-9.]+)", text):
            number = tuple(map(int, version.split(".")))
            newest[name] = max(newest.get(name, (0,)), number)
    return " ".join(f"{name}_{'.'.join(map(str, n))}" for name, n in sorted(newest.items()))


def start_in_empty_root(tree):
    """Starts every program where there is nothing but the tree and glibc. Returns what started; raises Broken."""
    started = []
    with tempfile.TemporaryDirectory(prefix="nad_root_") as folder:
        root = Path(folder)
        shutil.copytree(tree, root / "package", symlinks=True)
        for program in sorted((tree / "bin").iterdir()):
            text = run(["ldd", program])
            system = [p for n, p in re.findall(r"(\S+) => (/\S+)", text) if SYSTEM.match(n)]  # its libraries' too
            system += re.findall(r"^\s*(/\S*ld-linux\S+)", text, re.M)
            for path in set(system):
                to = root / path.lstrip("/")
                to.parent.mkdir(parents=True, exist_ok=True)
                if not to.exists():
                    shutil.copy2(os.path.realpath(path), to)
            command = ["chroot", folder, "/package/bin/" + program.name, "--help"]
            if os.geteuid() != 0:
                command = ["unshare", "--user", "--map-root-user", *command]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                                  env={"LD_LIBRARY_PATH": "/package/lib:/package/lib/runtime", "PATH": os.environ["PATH"]})
            # A device test looks for the device first: 4 says that there is none, so it did start.
            if done.returncode not in (0, 4):
                raise Broken(f"{program.name} does not start in an empty root: {(done.stderr or done.stdout).strip()[:500]}")
            started.append(program.name)
    return started


def describe(tree):
    commit = run(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip()
    return f"{commit} of {date.today().isoformat()}, needs {needed_versions(tree) or 'nothing of glibc'}"


def write(tree, package):
    package.parent.mkdir(parents=True, exist_ok=True)
    unfinished = package.with_suffix(".part")
    with tarfile.open(unfinished, "w:xz", preset=6) as archive:
        for path in sorted(tree.iterdir()):
            archive.add(path, arcname=path.name)
    unfinished.replace(package)
    return package.stat().st_size


def instructions(package):
    unpack = f"mkdir -p /tmp/nad_lease && python3 -m tarfile -e {package} /tmp/nad_lease"
    call = "python3 /tmp/nad_lease/scripts/gpu --lease {} --seconds $(({} - SECONDS)) --out \"$OUT\""
    return f"""Two calls from this repository's root, the second within 30 s of the first; OUT is the folder whose files come back.
Take along the ignored folder {package.parent}. Where less time is left than a call asks for, say so in --seconds:
what matters most comes first.

1. at most {plan.SMOKE_SECONDS} s (time limit {plan.SMOKE_SECONDS + 15}):
{unpack} && {call.format("smoke", plan.SMOKE_SECONDS)}

2. at most {plan.MAIN_SECONDS} s (time limit {plan.MAIN_SECONDS + 10}):
test -x /tmp/nad_lease/scripts/gpu || {{ {unpack}; }}; {call.format("main", plan.MAIN_SECONDS)}

Then, with what came back: scripts/gpu --lease report FOLDER/gpu-results.tgz --write
"""


def pack(jobs, package=ROOT / PACKAGE):
    try:
        programs = build(jobs)
        with tempfile.TemporaryDirectory(prefix="nad_package_") as folder:
            tree = Path(folder) / "tree"
            tree.mkdir()
            collect(tree, programs)
            (tree / "PACKAGE").write_text(describe(tree) + "\n")
            started = start_in_empty_root(tree)
            unpacked = sum(f.stat().st_size for f in tree.rglob("*") if f.is_file())
            packed = write(tree, package)
            print((tree / "PACKAGE").read_text() + f"{len(started)} programs start in an empty root; {unpacked / 1e6:.1f} MB, "
                  f"{packed / 1e6:.1f} MB packed\n")
        if packed > MOST_BYTES:
            raise Broken(f"{package} has {packed / 1e6:.1f} MB, expected at most {MOST_BYTES / 1e6:.0f}")
    except (Broken, OSError) as error:
        print(f"scripts/gpu: {error}", file=sys.stderr)
        return 1
    print(instructions(package.relative_to(ROOT) if package.is_relative_to(ROOT) else package))
    return 0
