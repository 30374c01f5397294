"""scripts/gpu --lease ...: the commands."""
import argparse
import os
import sys
from pathlib import Path

from . import call, pack, plan, rehearse, report, standins

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "bench/RESULTS.md"


def calls(parser, name, seconds):
    p = parser.add_parser(name, help=f"on the machine with the GPU, from an unpacked package: at most {seconds} s")
    p.add_argument("--seconds", type=float, default=seconds, help="that are left for it")
    p.add_argument("--out", type=Path, required=True, help=f"folder for {call.PACKED}")
    p.add_argument("--results", type=Path, default=Path("/tmp/nad_lease_results"), help="folder for logs and files")
    p.add_argument("--scale", type=float, default=1, help="compresses the clock, for rehearsals")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/gpu --lease",
                                     description="Fifteen minutes of a machine with a GPU (docs/GPU.md).")
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("pack", help="build and collect what travels, and print the two calls")
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    calls(commands, "smoke", plan.SMOKE_SECONDS)
    calls(commands, "main", plan.MAIN_SECONDS)
    p = commands.add_parser("report", help="measurements beside predictions, from what came back; without: predictions alone")
    p.add_argument("results", nargs="*", help=f"{call.PACKED} of both calls, or folders")
    p.add_argument("--write", action="store_true", help=f"into {RESULTS.relative_to(ROOT)}, in the place of the last one")
    p.add_argument("--short", action="store_true")
    p = commands.add_parser("rehearse", help="both calls here, with programs that stand in for the device's")
    p.add_argument("--out", type=Path, required=True, help="folder for everything")
    p.add_argument("--scale", type=float, default=0.1, help="how much of its time every stage gets")
    p.add_argument("--fault", default="all", help="all, none or some of " + ",".join(standins.FAULTS))
    p.add_argument("--pace", type=float, default=0, help="1: stand-ins take the time that the device may take, 0: none")
    p.add_argument("--build", type=Path, help="a build: its programs on the model of the GPU take the place of some stand-ins")
    return parser.parse_args(arguments)


def main(arguments):
    args = parse(arguments)
    if args.command == "pack":
        return pack.pack(args.jobs)
    if args.command in ("smoke", "main"):
        return call.run(args.command, ROOT, args.results, args.out, args.seconds, args.scale)
    if args.command == "rehearse":
        return rehearse.run(args.out, args.scale, args.fault, args.build, args.pace)
    missing = [r for r in args.results if not Path(r).exists()]
    if missing:
        print(f"scripts/gpu: {missing[0]} does not exist, expected {call.PACKED} or a folder of results", file=sys.stderr)
        return 2
    shown = ["scripts/gpu --lease pack", "scripts/gpu --lease smoke      # and main: on the machine, as pack says",
             "scripts/gpu --lease report gpu-results.tgz --write"]
    text = report.section(args.results, args.short, [] if args.short else shown)
    if args.write:
        report.write_into(RESULTS, text)
    else:
        print(text)
    return 0
