#!/usr/bin/env python3
"""Compares ternlet with transformers on random checkpoints that have a family's exact shape; see README.md.

    python3 tests/families/check.py [--ternlet FILE] [--tokens N] [--dir FOLDER] [--keep] [FAMILY...]
"""

import argparse
import gc
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from gguf_file import write_gguf
from reference import MARGIN, Reference
from weights import Weights
from zoo import FAMILIES

# tests/golden/README.md: ten times the worst that a correct f32 implementation reached.
STRICT = 2e-4
GREEDY_STEPS = 8
# The same of a vector of length 1: its elements are about 1/sqrt(dim), a hundredth of logits.
STRICT_VECTOR = 2e-6


class Refused(Exception):
    """The program ended with an error, which is the text."""


def run(command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise Refused(result.stderr.strip() or result.stdout.strip())
    return result.stdout


def reference_of(family, folder, n_tokens):
    """Writes the checkpoint into `folder`; the source to pack, the prompt and what transformers makes of it."""
    weights = Weights(family)
    weights.save(folder)
    source = folder
    if family.gguf:
        source = folder / "model.gguf"
        write_gguf(source, family.gguf, weights)
    config = weights.config
    del weights
    gc.collect()
    reference = Reference(folder, family, config)
    ids, margin = reference.prompt(n_tokens, seed=1)
    if family.reference == "embedding":
        return source, ids, margin, reference.model.vector(ids), ([], [])
    return source, ids, margin, reference.logits(ids), reference.greedy(ids, GREEDY_STEPS)


def check(family, ternlet, parent, n_tokens):
    """One row of the table."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{family.name}-", dir=parent))
    try:
        started = time.time()
        source, ids, margin, expected, (greedy, gaps) = reference_of(family, folder, n_tokens)
        gc.collect()
        searched = time.time()
        packed, ids_file, found_file = folder / "model.tern", folder / "ids.json", folder / "found.npy"
        ids_file.write_text(json.dumps(ids))
        run([ternlet, "pack", source, "-o", packed, "--head", "source"])
        done = time.time()
        run([ternlet, "verify", packed])
        if family.reference == "embedding":
            printed = run([ternlet, "embed", packed, "--ids-file", ids_file, "--kv", "f32"])
            found = np.array(json.loads(printed)["embedding"])
            agreeing, top_1, limit = GREEDY_STEPS, 1.0, STRICT_VECTOR
        else:
            printed = run([ternlet, "logits", packed, "--ids-file", ids_file, "--out", found_file, "--kv", "f32",
                           "--greedy", GREEDY_STEPS])
            found = np.load(found_file)
            same = json.loads(printed.split("greedy_ids:")[1])
            agreeing = next((i for i, pair in enumerate(zip(same, greedy)) if pair[0] != pair[1]), GREEDY_STEPS)
            top_1, limit = float((found.argmax(1) == expected.argmax(1)).mean()), STRICT
        error = float(np.abs(found - expected).max())
        is_safe = margin >= MARGIN * 0.9
        passes = error <= limit and top_1 == 1.0 and agreeing == GREEDY_STEPS and is_safe
        note = "" if agreeing == GREEDY_STEPS else f" (gap {gaps[agreeing]:.3f})"
        c = family.config
        shape = (f"{c['hidden_size']}/{c['intermediate_size']} {c['num_attention_heads']}/{c['num_key_value_heads']}x"
                 f"{c.get('head_dim') or c['hidden_size'] // c['num_attention_heads']} v{c['vocab_size']}")
        choices = f"{top_1:5.3f} {agreeing}/{GREEDY_STEPS}{note}" if greedy else "one vector"
        print(f"{family.name:30} {shape:36} {family.layers} {margin:8.1e} {np.std(expected):5.2f} {error:9.2e} "
              f"{choices:9} {'PASS' if passes else 'FAIL'}   "
              f"[reference {searched - started:.0f} s, pack {done - searched:.0f} s]", flush=True)
        return passes
    except Refused as e:
        print(f"{family.name:30} FAIL: {e}", flush=True)
        return False
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ternlet", default="target/release/ternlet", help="the program [target/release/ternlet]")
    parser.add_argument("--tokens", type=int, default=8, help="length of the prompt [8]")
    parser.add_argument("--dir", default=None, help="where checkpoints go, up to 5 GB at a time [the system's]")
    parser.add_argument("--list", action="store_true", help="list the families and what is assumed of them")
    parser.add_argument("family", nargs="*", help="names or parts of names [all]")
    args = parser.parse_args()
    chosen = [f for f in FAMILIES if not args.family or any(part in f.name for part in args.family)]
    if not chosen:
        parser.error(f"expected part of one of {', '.join(f.name for f in FAMILIES)}")
    if args.list:
        for family in chosen:
            print(f"{family.name:30} {family.reference:13} assumed: {family.assumed or 'nothing'}")
        return 0
    print(f"{'family':30} {'hidden/ffn heads vocabulary':36} L   margin   std max error top-1 greedy", flush=True)
    results = [check(family, args.ternlet, args.dir, args.tokens) for family in chosen]
    print(f"{sum(results)} of {len(results)} pass")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
