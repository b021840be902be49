"""A copy of the project in which all mutants are, and what is built of it."""
import filecmp
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CALLS = re.compile(r"cannot call non-const (?:associated )?(?:function|method) `(?:.*::)?(\w+)(?:::<.*>)?` in (?:constant|static)")


def executables_of(messages):
    return [message["executable"] for message in messages if message["reason"] == "compiler-artifact" and message["executable"]]


def put(path, text):
    """Writes it if it is another one, so that nothing is built twice."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def renew(source, copy):
    if not os.path.exists(copy) or not filecmp.cmp(source, copy, shallow=False):
        shutil.copyfile(source, copy)


class Tree:
    def __init__(self, root, folder, mutants, target, tool):
        self.root, self.tree, self.folder, self.mutants, self.tool = root, folder / "tree", folder, mutants, tool
        # Whatever is built of the dependencies is used as it is.
        self.environment = dict(os.environ, CARGO_TARGET_DIR=str(target), CARGO_INCREMENTAL="0", CARGO_PROFILE_DEV_DEBUG="0")
        self.main, self.switch, self.manifest = (self.tree / name for name in ("src/lib.rs", "src/mutant.rs", "Cargo.toml"))
        self.files = {mutant["file"] for mutant in mutants}
        manifest = (root / "Cargo.toml").read_text()
        own = re.search(r'^fast-reauth = \{ path = "\.", features = \[(.*)\]', manifest, re.MULTILINE)[1]
        self.features = own.replace('"', "").replace(" ", "")
        self.copy()
        put(self.manifest, manifest.replace('members = ["capi"]', "members = []").replace('= "warn"', '= "allow"'))
        # Numbers of mutants: in the tree, no valid Rust, to be built one by one; and functions that constants need as they are.
        self.written, self.unviable, self.apart, self.kept_const, self.places = set(), set(), set(), [], {}

    def copy(self):
        """All but what is written with mutants in it."""
        apart = {str(self.root / name) for name in (*self.files, "src/lib.rs", "Cargo.toml")}
        skip = shutil.ignore_patterns("target", ".git", "fuzz", "interop", "benches", "models", "capi", "mutants")

        def ignore(folder, names):
            there = [name for name in names if f"{folder}/{name}" in apart and (self.tree / pathlib.Path(folder).relative_to(self.root) / name).exists()]
            return skip(folder, names) | set(there)

        shutil.copytree(self.root, self.tree, ignore=ignore, copy_function=renew, dirs_exist_ok=True)

    def write(self):
        # What is generated has its warnings.
        main = (self.root / "src/lib.rs").read_text().replace("#![forbid(unsafe_code)]", "#![forbid(unsafe_code)]\n#![allow(warnings)]", 1)
        put(self.main, main + "\n#[doc(hidden)]\npub mod mutant;\n")
        put(self.switch, (HERE / "switch.rs").read_text().replace("COUNT]", f"{len(self.mutants)}]"))
        plan = self.folder / "plan.json"
        left_out = sorted(self.unviable | self.apart)
        plan.write_text(json.dumps({"mutants": self.mutants, "left_out": left_out, "kept_const": self.kept_const}))
        result = json.loads(subprocess.run([self.tool, self.root, self.tree, plan], check=True, stdout=subprocess.PIPE).stdout)
        self.written, self.places = set(result["written"]), result["places"]

    def alone(self, number):
        """The tree with this mutant and no switch."""
        for file in (*self.files, "src/lib.rs"):
            put(self.tree / file, (self.root / file).read_text())
        mutant = self.mutants[number]
        lines = (self.root / mutant["file"]).read_text().splitlines(keepends=True)
        start, end = mutant["span"]["start"], mutant["span"]["end"]
        before = "".join(lines[: start["line"] - 1]) + lines[start["line"] - 1][: start["column"] - 1]
        after = lines[end["line"] - 1][end["column"] - 1 :] + "".join(lines[end["line"] :])
        put(self.tree / mutant["file"], before + mutant["replacement"] + after)

    def cargo(self, *arguments):
        command = ["cargo", *arguments, "--offline", "--message-format", "json"]
        done = subprocess.run(command, cwd=self.tree, env=self.environment, capture_output=True, text=True)
        return done, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def build(self, *arguments):
        """Leaves out what does not build, until the rest does."""
        while True:
            self.write()
            done, messages = self.cargo(*arguments)
            if done.returncode == 0:
                return messages
            errors = [message["message"] for message in messages if message["reason"] == "compiler-message"]
            errors = [error for error in errors if error["level"] == "error"]
            before = len(self.unviable), len(self.apart), len(self.kept_const)
            for error in errors:
                self.blame(error)
            if before == (len(self.unviable), len(self.apart), len(self.kept_const)):
                why = "".join(error["rendered"] for error in errors[:4]) or done.stderr[-2000:]
                sys.exit("it does not build, and no mutant is the reason:\n" + why)

    def blame(self, error):
        called = CALLS.match(error["message"])
        if called and called[1] != "on":
            for file in self.files:
                is_there = re.search(rf"const fn {called[1]}\b", (self.root / file).read_text())
                if is_there and [file, called[1]] not in self.kept_const:
                    self.kept_const.append([file, called[1]])
            return
        for span in error["spans"]:
            while span:
                if span["is_primary"] and span["file_name"] in self.places:
                    self.blame_place(span["file_name"], span["byte_start"], span["byte_end"], error["code"] and error["code"]["code"])
                span = (span["expansion"] or {}).get("span")

    def blame_place(self, file, start, end, code):
        """The mutant whose own text is there, or else those of the smallest expression around it, or else those in it."""
        places = self.places[file]
        kind = "matches" if code == "E0004" else "sites"
        own = {mutant for mutant, first, last in places["own"] if first <= start and end <= last}
        if own and kind == "sites":
            # What is wrong with its types is so without a switch. A switch in a constant is not.
            is_its_own = code != "E0015" and all(self.mutants[mutant]["genre"] in ("FnValue", "BinaryOperator") for mutant in own)
            (self.unviable if is_its_own else self.apart).update(own)
            return
        around = [site for site in places[kind] if site[1] <= start and end <= site[2]]
        within = {mutant for mutant, first, last in places["own"] if start <= first and last <= end}
        self.apart.update(min(around, key=lambda site: site[2] - site[1])[0] if around else within)
