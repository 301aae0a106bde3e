#!/usr/bin/env bash
# Snakemake runs this once in a new conda environment, from the folder the workflow was started in.
set -euo pipefail
pip install --no-deps --editable .
