"""Thirty SIGKILLs at random instants over ten trajectories: nothing may be lost, and the final bytes are the same.

    python benchmarks/kills.py [--seed 1]

Ten compounds are relaxed and simulated at GFN2-xTB without disturbance. Then they are simulated again, and each process
is killed three times at a random instant before the last one is left alone. The state is saved every 0.2 s here, so
that kills hit runs that have been taken up before.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from rdkit import Chem

from mdstride.formats.provenance import sha256
from mdstride.relax.stage import relax_compound

ROOT = Path(__file__).resolve().parent.parent
SMILES = ("O", "CO", "C=O", "N#CC", "CC", "CN", "OO", "C1CC1", "CC=O", "c1ccoc1")
KILLS = 3
"""Of each trajectory."""

SIMULATE = """
import json, sys
from pathlib import Path
from mdstride.simulate import run
from mdstride.simulate.stage import simulate_replica
run.SAVE_EVERY = 0.2
settings, reference, structure, state, output = json.loads(sys.argv[1])
paths = {"structure": Path(structure), "state": Path(state), "output": Path(output)}
simulate_replica(settings, reference, replica=0, **paths)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the instants (default: 1)")
    random.seed(parser.parse_args().seed)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    settings = {**config["simulate"], "production": 4.0}
    equal = went_on = killed = 0
    with tempfile.TemporaryDirectory() as name:
        for number, smiles in enumerate(SMILES):
            folder = Path(name, str(number))
            structure = folder / "structure.h5"
            key = Chem.MolToInchiKey(Chem.MolFromSmiles(smiles))
            relax_compound(config["relax"], config["reference"], compound_id=key, smiles=smiles, output=structure)
            arguments = (settings, config["reference"], structure, folder)
            seconds = simulate(*arguments, "whole")
            hit = 0
            while hit < KILLS:
                if kill(*arguments, "killed", after=random.uniform(0.2, 0.8) * seconds):
                    hit += 1
                    went_on += (folder / "state-killed/point.h5").exists()
                else:  # it was faster: once more from the start
                    (folder / "killed.h5md").unlink()
            killed += hit
            simulate(*arguments, "killed")
            equal += sha256(folder / "whole.h5md") == sha256(folder / "killed.h5md")
            if any(path.name.startswith("state") for path in folder.iterdir()):
                raise SystemExit(f"left behind in {folder}: {sorted(path.name for path in folder.iterdir())}")
            sys.stderr.write(f"{smiles}: {seconds:.1f} s, {equal} of {number + 1} equal so far\n")
    print(f"{killed} kills, after {went_on} of which a saved state was there; {equal} of {len(SMILES)} files equal")


def start(settings: dict, reference: dict, structure: Path, folder: Path, name: str) -> subprocess.Popen:
    values = [settings, reference, str(structure), str(folder / f"state-{name}"), str(folder / f"{name}.h5md")]
    command = [sys.executable, "-c", SIMULATE, json.dumps(values)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})


def simulate(*arguments) -> float:
    """Seconds of an undisturbed run."""
    begin = time.perf_counter()
    if start(*arguments).wait(timeout=600):
        raise SystemExit("a run failed")
    return time.perf_counter() - begin


def kill(*arguments, after: float) -> bool:
    """Whether the run was still there to be killed."""
    process = start(*arguments)
    time.sleep(after)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


if __name__ == "__main__":
    main()
