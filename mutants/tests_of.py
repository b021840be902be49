"""The tests, each with the mutants that it comes to."""
import concurrent.futures
import os
import pathlib
import re
import resource
import struct
import subprocess
import time

# A mutant may ask for memory without end.
MEMORY = 4 << 30
# A test that takes longer than this is left out, seconds.
LONGEST = 60
# One that takes longer than this is for what survives all others, and is not explained.
SLOW = float(os.environ.get("MUTANTS_SLOW", "1"))


def passes(tree, executable, names, environment, timeout):
    """Whether these tests pass; None if they take too long."""
    command = [executable, "--exact", "--test-threads", "1", "--quiet", *names]
    environment = dict(tree.environment, RUST_BACKTRACE="0", CARGO_MANIFEST_DIR=str(tree.tree), **environment)
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=tree.tree, env=environment, stdin=nothing, stdout=nothing, stderr=nothing, preexec_fn=limit,
                               start_new_session=True)
    try:
        return process.wait(timeout) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        return None


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Test:
    def __init__(self, executable, name):
        self.executable, self.name, self.seconds, self.reached, self.kills = executable, name, 0.0, set(), 0
        self.target = re.sub(r"-[0-9a-f]+$", "", pathlib.Path(executable).name)


class Tests:
    def __init__(self, tree, executables, jobs, say):
        self.tree = tree
        tests = []
        for executable in executables:
            names = subprocess.run([executable, "--list", "--format", "terse"], cwd=tree.tree, capture_output=True, text=True).stdout
            tests += [Test(executable, line.removesuffix(": test")) for line in names.splitlines() if line.endswith(": test")]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for test, passed in zip(tests, pool.map(self.measure, tests)):
                if test.reached and not passed:
                    say(f"left out, as without a mutant it {'takes too long' if passed is None else 'fails'}: {test.target} {test.name}")
                    test.reached = set()
        self.all = [test for test in tests if test.reached]

    def measure(self, test):
        """Runs it alone, without a mutant."""
        reached = self.tree.folder / f"reached-{id(test)}"
        start = time.monotonic()
        passed = passes(self.tree, test.executable, [test.name], {"MUTANTS_REACHED": str(reached)}, LONGEST)
        test.seconds = time.monotonic() - start
        if reached.exists():
            test.reached = {number for (number,) in struct.iter_unpack("<I", reached.read_bytes())}
            reached.unlink()
        return passed

    def verdict(self, number, is_explained):
        """`caught`, `timeout` or `missed`: the quick tests first and those that caught others, a few at a time."""
        mine = [test for test in self.all if number in test.reached and (test.seconds < SLOW or not is_explained)]
        left = sorted(mine, key=lambda test: (test.seconds >= SLOW, test.seconds / (1 + test.kills)))
        size = 4
        while left:
            batch, left, size = left[:size], left[size:], size * 4
            for executable in dict.fromkeys(test.executable for test in batch):
                of_it = [test for test in batch if test.executable == executable]
                timeout = 10 + 10 * sum(test.seconds for test in of_it)
                passed = passes(self.tree, executable, [test.name for test in of_it], {"MUTANT": str(number)}, timeout)
                if not passed:
                    for test in of_it:
                        test.kills += 1 / len(of_it)
                    return "timeout" if passed is None else "caught"
        return "missed"
