//! The index of the examples names each of them, and none that there is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A line of the index: the example, and the command in the cell behind it.
struct Line {
    name: String,
    command: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn index() -> Vec<Line> {
    let text = fs::read_to_string(root().join("examples/README.md")).unwrap();
    let line = |line: &str| {
        let mut cells = line.strip_prefix("| [`")?.split(" | ");
        let name = cells.next()?.split('`').next()?.to_owned();
        let command = cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some(Line { name, command })
    };
    text.lines().filter_map(line).collect()
}

/// What cargo takes for an example: a file, or a directory with a `main.rs`.
fn examples() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("[[example]]"), "this test reads the directory alone");
    let entries = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let targets = entries.filter(|path| path.join("main.rs").exists() || path.extension().is_some_and(|is| is == "rs"));
    targets.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn each_example_has_one_line_and_each_line_an_example() {
    let lines = index();
    let named: BTreeSet<_> = lines.iter().map(|line| line.name.clone()).collect();
    assert_eq!(named, examples());
    assert_eq!(named.len(), lines.len(), "an example has two lines");
}

#[test]
fn each_command_runs_the_example_of_its_line() {
    for Line { name, command } in index() {
        let words: Vec<_> = command.split(' ').collect();
        match words[..] {
            ["cargo", "run", "--example", example, ..] | ["cargo", "run", "--release", "--example", example, ..] => {
                assert_eq!(example, name);
            }
            ["interop/run", peer] => {
                let script = fs::read_to_string(root().join(format!("interop/{peer}/run.sh")));
                let script = script.unwrap_or_else(|_| panic!("{command}: there is no such peer"));
                assert!(script.contains(&format!("example {name} ")), "{command} does not build {name}");
            }
            _ => panic!("{command}: not a command that this index has"),
        }
    }
}

#[test]
fn a_command_anywhere_in_the_documentation_names_an_example_that_exists() {
    let examples = examples();
    for file in ["README.md", "examples/README.md", "interop/README.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for (_, rest) in text.match_indices("--example ").map(|(at, found)| text.split_at(at + found.len())) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            assert!(examples.contains(&name), "{file} names the example {name}");
        }
    }
}
