#!/usr/bin/env bash
# Snakemake runs this once in a new conda environment. The package is the one that the workflow itself runs with, which is
# not the folder it was started in where it is a module of another workflow.
set -euo pipefail
pip install --no-deps --editable "${MDSTRIDE:-.}"
