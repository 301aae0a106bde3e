#!/usr/bin/env bash
# Resolves the ranges of pyproject.toml, all extras included, in a fresh environment and pins what came out.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
# The version of torch is a choice (docs/dependencies.md), not the newest.
"$folder/bin/pip" install --quiet 'torch==2.13.0' --editable '.[dev,slurm,track,xtb]'
{
    echo "# Exact versions for pip, written by envs/lock.sh. Python $("$folder/bin/python" -c 'import platform; print(platform.python_version())')."
    "$folder/bin/pip" freeze --exclude-editable | sed 's/+cpu$//'
} >envs/constraints.txt
