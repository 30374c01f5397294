#!/usr/bin/env bash
# A user's first hour on an empty Debian: for each release, debootstrap into FOLDER/NAME, clone this repository there,
# then scripts/deps --programs, scripts/build, scripts/demo and scripts/test inside, each timed. Needs root, debootstrap, and
# some 5 GB a release; packages come from this machine's Debian mirror. Commits count, uncommitted changes do not.
#
#   tests/fresh_roots.sh FOLDER [NAME...]      default: bookworm trixie (Debian 12 and 13)
#   STEPS="deps build" tests/fresh_roots.sh .. some of the steps deps, build, demo, test; "demo demo" shows what is taken over
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 1 ] || { sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2; }
[ "$(id -u)" -eq 0 ] && command -v debootstrap >/dev/null || { echo "fresh_roots: needs root and debootstrap" >&2; exit 1; }
mkdir -p "$1" && folder=$(cd "$1" && pwd) && shift
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)

# A command in a root, in mount and process spaces of its own: nothing stays mounted or running after it.
inside() {
  unshare --mount --pid --fork --kill-child bash -c '
    mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc"  # with pseudo terminals
    exec chroot "$1" env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -c "cd /nad && $2"' - "$1" "$2"
}

failed=0 TIMEFORMAT='%0R s (%0U + %0S s of processor)'
[ $# -gt 0 ] || set -- bookworm trixie
for release in "$@"; do
  root=$folder/$release
  [ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase "$release" "$root" "$mirror" >"$root.debootstrap.log"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  rm -rf "$root/nad"
  git clone -q "$source" "$root/nad"
  for step in ${STEPS:-deps build demo test}; do
    command="scripts/$step"
    [ "$step" != deps ] || command="scripts/deps --programs"
    outcome=passed
    { time inside "$root" "nice $command" >"$root.$step.log" 2>&1 || { outcome="FAILED, see $root.$step.log" failed=1; }; } 2>"$root.time"
    echo "$release $(git -C "$root/nad" rev-parse --short HEAD): $command: $(cat "$root.time"), $outcome"
    [ "$step" != demo ] || sed -n 's/.*of processor.*/  after the build: &/p' "$root.demo.log"
  done
done
exit "$failed"
