#!/usr/bin/env python3
"""scripts/gpu --lease without a GPU: the rehearsal of both calls with stand-ins that hang, crash and lack PyTorch or the
right to read counters; what travels is complete; what comes back becomes a section of the results."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "bench"))
from lease import jobs, machine, pack, plan, report, standins  # noqa: E402

REPLAY = Path(os.environ.get("NAD_RUN", SOURCE / "build" / "nad_run")).with_name("nad_replay")


def lease(*args):
    return subprocess.run([sys.executable, str(SOURCE / "scripts/gpu"), "--lease", *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300)


class Lease(unittest.TestCase):
    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="nad_lease_"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def rehearse(self, *args):
        done = lease("rehearse", "--out", self.dir / "r", "--scale", "0.1", *args)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)  # the rehearsal checks itself
        return (self.dir / "r/section.md").read_text()

    def test_faults_are_named_and_everything_else_is_there(self):
        section = self.rehearse("--fault", "all")
        for text in ("step-vgg16-captured: stopped at its limit", "device_cuda_ops: ended by SIGSEGV", "ERR_NVGPUCTRPERM",
                     "peer: exit code 1: ModuleNotFoundError: No module named 'torch'",
                     "| resnet50 | 11.5 | 20 | 37 | 57 | 50.00 | 0.88 | 2.50 | 50.00 | 0.00 |", "| copy | GB/s | 3000 | 3000 |",
                     "| profile | 8 of 8 |", "| kernels | 1 of 1 |", "### vgg16: the layers that take longest"):
            self.assertIn(text, section)

    def test_without_a_fault_nothing_fails(self):
        section = self.rehearse("--fault", "none")
        for text in ("| vgg16 | 50.00 | 100.00 | 100.00 | 2.00 |", "| vgg16 | fp32 | 1.0e-05 |",
                     "| conv2d_gemm_kernel<1> | 100.0 | 1234 | - | 61.5 |",
                     "| conv2d | bf16 | 1 of 1 | 75 | 75 | 1 of 1 | 50 | - |"):
            self.assertIn(text, section)
        self.assertNotIn("exit code", section)

    def test_less_time_than_planned_cuts_the_end(self):
        self.rehearse("--fault", "none")
        back, scale = self.dir / "short", 0.1
        # From here on the stand-ins take as long as a device may: the call's 50 s cannot hold them all.
        standins.write(self.dir / "r/package", self.dir / "r/tools", [], scale)
        begin = time.monotonic()
        done = subprocess.run([sys.executable, str(self.dir / "r/package/scripts/gpu"), "--lease", "main", "--seconds", "50",
                               "--scale", str(scale), "--out", str(back), "--results", str(self.dir / "short-results")],
                              stdout=subprocess.PIPE, text=True, timeout=100,
                              env=dict(os.environ, NAD_PYTHON=str(self.dir / "r/tools/python3"),
                                       PATH=f"{self.dir / 'r/tools'}{os.pathsep}{os.environ['PATH']}"))
        self.assertLess((time.monotonic() - begin) / scale, 50 + 100)  # Python's own start does not scale
        self.assertEqual(done.returncode, 1)
        with report.Results([back / "gpu-results.tgz"]) as result:
            runs = result.runs
        statuses = [r["status"] for r in runs[0]["results"]]
        self.assertIn("ok", statuses)
        self.assertIn("not started, no time was left", statuses)
        self.assertEqual(len(statuses), sum(len(s.jobs) for s in plan.main(machine.Machine(SOURCE, self.dir / "m"))))

    def test_the_stages_fill_the_call(self):
        stages = plan.main(machine.Machine(SOURCE, self.dir))
        self.assertEqual(sum(s.seconds for s in stages), plan.MAIN_SECONDS - plan.MARGIN)
        names = [job.name for s in stages for job in s.jobs]
        self.assertEqual(len(names), len(set(names)))
        programs = {Path(job.command[0]).name for s in stages for job in s.jobs if str(SOURCE / "bin") in job.command[0]}
        self.assertLessEqual(programs, set(pack.PROGRAMS))
        sources = {p.stem for p in (SOURCE / "tests").glob("test_cuda_*.cpp")}
        self.assertEqual({"test_cuda_" + t for t in (*plan.DEVICE_TESTS, "bench")}, sources)

    def test_programs_that_need_a_newer_runtime_get_the_package_s(self):
        program = self.dir / "bin/bench_step"
        program.parent.mkdir()
        program.write_text('#!/bin/sh\ncase "$LD_LIBRARY_PATH" in */lib/runtime:*) exit 0 ;; esac; echo too old >&2; exit 1\n')
        program.chmod(0o755)
        here = machine.Machine(self.dir, self.dir / "work")
        self.assertEqual(here.runtime, "the package's")
        self.assertTrue(here.staged["LD_LIBRARY_PATH"].startswith(str(self.dir / "lib/runtime") + ":"))
        self.assertNotIn(str(self.dir), here.own.get("LD_LIBRARY_PATH", ""))
        program.write_text("#!/bin/sh\necho broken >&2; exit 1\n")
        self.assertEqual(machine.Machine(self.dir, self.dir / "work").runtime, "bench_step does not start: broken")

    def test_a_child_in_a_session_of_its_own_is_ended(self):
        mark = self.dir / "child"
        script = f"trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > {mark}; while :; do sleep 1; done' & exit 0 & wait"
        here, told = machine.Machine(self.dir, self.dir / "work"), []
        job = jobs.Job("hangs", ["/bin/sh", "-c", script], own=True)
        jobs.run_jobs([job], here, self.dir, 1, time.monotonic() + 2, lambda *what: told.append(what), grace=0.3)
        self.assertEqual([status for _, status, _ in told], ["stopped at its limit"])
        time.sleep(0.2)
        state = Path("/proc", mark.read_text().strip(), "stat")
        self.assertTrue(not state.exists() or ") Z " in state.read_text())

    @unittest.skipUnless(os.geteuid() == 0 or subprocess.run(["unshare", "--user", "--map-root-user", "true"]).returncode == 0,
                         "neither root nor user namespaces: no empty root can be made")
    def test_what_travels_is_complete(self):
        tree = self.dir / "tree"
        tree.mkdir()
        pack.collect(tree, {"nad_replay": REPLAY})
        self.assertEqual(pack.start_in_empty_root(tree), ["nad_replay"])
        self.assertRegex(pack.needed_versions(tree), r"^GLIBC_2\.\d+ GLIBCXX_3\.4\.\d+$")
        library = next((tree / "lib").glob("libhdf5*"))
        library.unlink()
        with self.assertRaisesRegex(pack.Broken, "nad_replay does not start in an empty root: .*libhdf5"):
            pack.start_in_empty_root(tree)

    def test_the_section_takes_its_place(self):
        page = self.dir / "RESULTS.md"
        page.write_text("# Results\n\nbefore\n")
        report.write_into(page, report.section())
        self.assertIn("**Not measured yet", page.read_text())
        page.write_text(page.read_text() + "after\n")
        report.write_into(page, "## Other\n")
        self.assertEqual(page.read_text(), "# Results\n\nbefore\n\n" + report.BEGIN + "## Other\n" + report.END + "after\n")

    def test_bad_usage(self):
        for args, text in ((["report", self.dir / "none.tgz"], "none.tgz does not exist"),
                           (["rehearse", "--out", self.dir, "--fault", "fire"], "fault fire is unknown")):
            done = lease(*args)
            self.assertEqual(done.returncode, 2)
            self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main()
