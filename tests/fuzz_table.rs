//! The fuzz targets, wherever they are listed: each has its harness, its corpus, its row in the table, and a place in the checks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The binaries of `fuzz/Cargo.toml`.
fn targets() -> BTreeSet<String> {
    let manifest = read("fuzz/Cargo.toml");
    let bins = manifest.split("[[bin]]").skip(1);
    let names = bins.filter_map(|bin| bin.lines().find_map(|line| line.strip_prefix("name = ")));
    names.map(|name| name.trim_matches('"').to_owned()).collect()
}

/// The rows of the README's table: the cells of each.
fn rows() -> Vec<Vec<String>> {
    let readme = read("fuzz/README.md");
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn corpus(target: &str) -> Vec<fs::DirEntry> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|file| file.unwrap()).collect()
}

#[test]
fn every_target_has_a_row_that_says_the_size_of_its_corpus() {
    let rows = rows();
    let named: BTreeSet<String> = rows.iter().map(|cells| cells[0].trim_matches('`').to_owned()).collect();
    assert_eq!((named, rows.len()), (targets(), targets().len()));
    for cells in &rows {
        assert_eq!(cells.len(), 7, "target, room, what it asserts, corpus, executions, coverage, findings: {cells:?}");
        let files = corpus(cells[0].trim_matches('`')).len();
        assert_eq!(cells[3], files.to_string(), "{}: the files in its corpus", cells[0]);
    }
}

#[test]
fn every_target_has_a_harness_and_a_corpus_and_nothing_else_has() {
    for target in targets() {
        let harness = read(&format!("fuzz/fuzz_targets/{target}.rs"));
        assert!(harness.contains(&format!("fast_reauth_fuzz::{target}::run")), "{target}");
        assert!(!corpus(&target).is_empty(), "{target}");
    }
    for folder in ["fuzz/fuzz_targets", "fuzz/corpus", "fuzz/dict"] {
        for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(targets().contains(&name), "{}: of no target", path.display());
        }
    }
}

#[test]
fn the_corpora_are_small() {
    let files: Vec<_> = targets().iter().flat_map(|target| corpus(target)).collect();
    let octets: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(octets < 1 << 20, "{octets} octets in {} files", files.len());
}

/// A step that names no target runs all that there are.
#[test]
fn the_checks_run_every_target() {
    let checks = read(".ci/run");
    let steps: Vec<_> = checks.lines().filter_map(|line| line.strip_prefix("fuzz/run ")).collect();
    let [step] = steps[..] else { panic!("one step with fuzz/run: {steps:?}") };
    let mut words = step.split_ascii_whitespace();
    assert!(words.next().is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{step}");
    let named: BTreeSet<String> = words.map(str::to_owned).collect();
    assert!(named.is_empty() || named == targets(), "{named:?}");
    let script = read("fuzz/run");
    assert!(
        script.contains("Cargo.toml") && script.contains("${*:-$all}"),
        "without names it takes them from the manifest"
    );
}
