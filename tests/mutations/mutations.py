#!/usr/bin/env python3
"""Breaks the code on purpose, in every way that mutations.toml has, and checks
that the simulation notices each.

All mutations are built into one copy of the tree (target/mutations), each
behind a switch that an environment variable turns on, so that it is built
once. Without a switch the copy has to pass; with one it has to fail.

usage: mutations.py [--seeds N] [--jobs N] [--json] [NAME...]
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "target" / "mutations"
FAILED = re.compile(r"^seed (\d+) violates ([^:]+): (.*)$", re.MULTILINE)

SWITCH = '''
/// Tells whether a mutation is switched on.
#[must_use]
pub fn mutated(name: &str) -> bool {
    static ON: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    let on = ON.get_or_init(|| {
        let names = std::env::var("MUTATIONS").unwrap_or_default();
        names.split(',').map(str::to_owned).collect()
    });
    on.iter().any(|on| on == name)
}
'''


def files():
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout
    return [name for name in names.decode().split("\0") if name and (ROOT / name).is_file()]


def mutate(text, mutation):
    crate = "crate" if mutation["file"].startswith("common/core/") else "cloud_sync_core"
    find, replace = mutation["find"].strip("\n"), mutation["replace"].strip("\n")
    if text.count(find) != 1:
        times = text.count(find)
        sys.exit(f"{mutation['name']}: its text is {times} times in {mutation['file']}; mend it")
    return text.replace(find, replace.replace("{on}", f'{crate}::mutated("{mutation["name"]}")'))


def copy(mutations):
    """Makes the copy, touching only what differs from the last one."""
    wanted = {}
    for name in files():
        wanted[name] = (ROOT / name).read_bytes()
    for mutation in mutations:
        text = wanted[mutation["file"]].decode()
        wanted[mutation["file"]] = mutate(text, mutation).encode()
    wanted["common/core/src/lib.rs"] += SWITCH.encode()
    for name, content in wanted.items():
        path = COPY / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for path in [path for path in COPY.rglob("*.rs") if path.is_file()]:
        if str(path.relative_to(COPY)) not in wanted:
            path.unlink()


def build():
    """Builds the copy beside the tree itself, whose dependencies it shares."""
    command = ["cargo", "build", "--quiet", "--locked", "--profile", "simulation"]
    command += ["--package", "simulation", "--example", "seeds"]
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    subprocess.run(command, cwd=COPY, env=environment, check=True)
    built = pathlib.Path(target) / "simulation" / "examples" / "seeds"
    # The tree's own has the same name.
    return shutil.copy2(built, COPY / "seeds")


def simulate(program, names, faults, seeds):
    """Returns the first seed that fails, with the invariant and what was seen."""
    environment = {**os.environ, "MUTATIONS": ",".join(names)}
    command = [program, "--seeds", str(seeds), "--first", "--faults", faults]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    found = FAILED.search(run.stdout)
    if run.returncode != 0 and not found:
        sys.exit(f"{names}: {run.stderr or run.stdout}")
    return found and (int(found[1]), found[2], found[3])


def check(program, mutation, seeds):
    """Returns what finds a mutation, and not the layers that are taken away
    with it."""
    also, faults = mutation.get("also", []), mutation.get("faults", "all")
    found = simulate(program, [mutation["name"], *also], faults, seeds)
    if found and also and simulate(program, also, faults, found[0] + 1):
        sys.exit(f"{mutation['name']}: {also} alone is found as soon; choose other faults")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=5000, help="how many to try at most")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    text = (pathlib.Path(__file__).parent / "mutations.toml").read_text()
    mutations = tomllib.loads(text)["mutation"]
    copy(mutations)
    program = build()
    wanted = [m for m in mutations if not args.names or m["name"] in args.names]
    # Some only take a layer away for others.
    known = [m for m in wanted if m.get("survives") and not args.names]
    tried = [m for m in wanted if not m.get("helper") and m not in known]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        sound = pool.submit(simulate, program, [], "all", 300)
        found = list(pool.map(lambda m: check(program, m, args.seeds), tried))
    if sound.result():
        sys.exit(f"without any mutation the simulation fails: {sound.result()}")
    report = []
    for mutation, first in zip(tried, found):
        seed, invariant, text = first or (None, None, None)
        entry = {"name": mutation["name"], "expected": mutation["finds"], "seed": seed,
                 "seeds": None if seed is None else seed + 1, "found": invariant, "text": text}
        report.append(entry)
    survived = [entry["name"] for entry in report if entry["seed"] is None]
    caught = len(report) - len(survived)
    if args.json:
        names = [mutation["name"] for mutation in known]
        print(json.dumps({"mutations": report, "caught": caught, "survive": names}))
    else:
        for entry in report:
            times = "survived" if entry["seed"] is None else f"{entry['seeds']:>5} seeds"
            print(f"{entry['name']:<40} {times:>12}  {entry['found'] or ''}")
        for mutation in known:
            print(f"{mutation['name']:<40} {'not tried':>12}  {mutation['survives']}")
        print(f"{caught} of {len(report) + len(known)} mutations caught")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
