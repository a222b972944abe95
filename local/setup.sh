#!/bin/sh
# Makes .venv (emulator, aws, pytest) and .venv-sam (sam, cfn-lint, hadolint) at the repository root.
# Safe to repeat: a venv is touched only when its requirements file changed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

venv() {    # folder, requirements file
    stamp="$root/$1/.installed"
    if [ -f "$stamp" ] && cmp -s "$stamp" "$root/local/$2"; then return; fi
    [ -x "$root/$1/bin/python" ] || "${PYTHON:-python3}" -m venv "$root/$1"
    echo "installing local/$2 into $1" >&2
    "$root/$1/bin/python" -m pip install -q --disable-pip-version-check -r "$root/local/$2"
    cp "$root/local/$2" "$stamp"
}

venv .venv requirements.txt
venv .venv-sam requirements-sam.txt
# `python -m perch_local` works from anywhere with this environment.
site=$("$root/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$root/local" > "$site/perch_local.pth"
