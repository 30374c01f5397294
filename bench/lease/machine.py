"""The machine that a package is unpacked on: its tools, and two environments.

The package's programs get its libraries and those of CUDA in LD_LIBRARY_PATH. The machine's own programs (Python, ncu) must
not see them: PyTorch would load another libcudnn or libhdf5 than it was built with.
"""
import glob
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

TOOL_FOLDERS = ("/usr/local/cuda*/bin", "/usr/local/cuda*/compute-sanitizer", "/usr/local/nvidia/bin",
                "/opt/nvidia/nsight-compute/*")
CUDA_LIBRARIES = ("libcudnn.so.9", "libcublas.so.1[0-9]", "libcublasLt.so.1[0-9]", "libnvrtc.so.1[0-9]")
GPU_FIELDS = "name,driver_version,memory.total,clocks.max.sm,power.limit,compute_cap"


def library_folders():
    """Where cuDNN, cuBLAS and what they open lie: with the Python packages, else with the toolkit."""
    places = [os.path.join(sysconfig.get_paths()[k], "nvidia/*/lib") for k in ("purelib", "platlib")]
    places += ["/opt/*/.venv/lib/python3*/site-packages/nvidia/*/lib", "/opt/*/lib/python3*/site-packages/nvidia/*/lib",
               "/usr/local/cuda*/lib64", "/usr/local/cuda*/targets/x86_64-linux/lib", "/usr/lib/x86_64-linux-gnu"]
    found = []
    for library in CUDA_LIBRARIES:
        files = next((f for f in (sorted(glob.glob(os.path.join(p, library)), reverse=True) for p in places) if f), [])
        if files and os.path.dirname(files[0]) not in found:
            found.append(os.path.dirname(files[0]))
    return found


class Machine:
    """root: the unpacked package, laid out as the repository, with bin/ and lib/. work: for results and caches."""

    def __init__(self, root, work):
        self.root, self.work = Path(root), Path(work)
        folders = [f for pattern in TOOL_FOLDERS for f in sorted(glob.glob(pattern), reverse=True)]
        self.own = dict(os.environ, PATH=os.pathsep.join([os.environ.get("PATH", "/usr/bin:/bin"), *folders]))
        home = self.work / "home"  # the real one may be read-only
        home.mkdir(parents=True, exist_ok=True)
        self.own.update(HOME=str(home), TMPDIR=str(home), XDG_CACHE_HOME=str(home / "cache"),
                        CUDA_CACHE_PATH=str(home / "cuda"), TRITON_CACHE_DIR=str(home / "triton"), TORCHINDUCTOR_CACHE_DIR=str(home / "inductor"),
                        PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1")
        self.libraries = library_folders()
        staged = [str(self.root / "lib"), *self.libraries, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        self.staged = dict(self.own, LD_LIBRARY_PATH=os.pathsep.join(staged))
        self.runtime = self.choose_runtime()

    def choose_runtime(self):
        """Whose C++ runtime the programs get: the machine's own if they start with it, else the one that travels along."""
        program = self.root / "bin/bench_step"
        if not program.exists():
            return ""
        for runtime in ("", str(self.root / "lib/runtime")):
            environment = dict(self.staged)
            if runtime:
                environment["LD_LIBRARY_PATH"] = runtime + os.pathsep + environment["LD_LIBRARY_PATH"]
            try:
                done = subprocess.run([str(program), "--help"], capture_output=True, text=True, env=environment, timeout=10)
            except (OSError, subprocess.TimeoutExpired) as error:
                return f"bench_step does not start: {error}"
            if done.returncode == 0:
                self.staged = environment
                return "the package's" if runtime else "the machine's"
        return f"bench_step does not start: {(done.stderr.splitlines() or [''])[-1][:200]}"

    def program(self, name):
        return str(self.root / "bin" / name)

    def tool(self, name):
        """Its path; the name itself where there is none, and the job that starts it says so."""
        return shutil.which(name, path=self.own["PATH"]) or name

    def python(self):
        """The Python that has PyTorch: the plain one on PATH."""
        return os.environ.get("NAD_PYTHON") or self.tool("python3") or sys.executable

    def gpu(self):
        """One line about the first GPU, "" where there is none."""
        try:
            done = subprocess.run([self.tool("nvidia-smi"), "--query-gpu=" + GPU_FIELDS, "--format=csv,noheader"],
                                  capture_output=True, text=True, env=self.own, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else ""

    def facts(self):
        return {"gpu": self.gpu(), "host": socket.gethostname(), "cores": os.cpu_count(), "libraries": self.libraries,
                "runtime": self.runtime,
                "kernel": " ".join(os.uname()[i] for i in (0, 2, 4)), "libc": os.confstr("CS_GNU_LIBC_VERSION"),
                "python": sys.version.split()[0]}
