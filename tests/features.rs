//! The feature table, in the README and on the crate's page, says of every feature which crates it brings, and of nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const DEFAULT: &str = "*(default)*";

/// The crates that each row brings.
type Table = BTreeMap<String, BTreeSet<String>>;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// `Cargo.toml`, as cargo reads it.
fn package() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().find(|package| package["name"] == env!("CARGO_PKG_NAME")).unwrap().clone()
}

/// What `Cargo.toml` has: a row for each feature, and one for what is always there.
fn configured() -> Table {
    let package = package();
    let always = package["dependencies"].as_array().unwrap().iter();
    let always = always.filter(|it| it["kind"].is_null() && it["optional"] == false).map(|it| &it["name"]);
    let mut table = Table::from([(DEFAULT.to_owned(), always.map(|it| it.as_str().unwrap().to_owned()).collect())]);
    for (feature, enables) in package["features"].as_object().unwrap() {
        let crates = enables.as_array().unwrap().iter().filter_map(|it| it.as_str().unwrap().strip_prefix("dep:"));
        if feature == "default" {
            assert_eq!(enables.as_array().unwrap().len(), 0, "the default features are described as none");
        } else {
            table.insert(format!("`{feature}`"), crates.map(str::to_owned).collect());
        }
    }
    table
}

/// What `docs/features.md` says.
fn documented() -> Table {
    let text = read("docs/features.md");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    let table: Table = rows
        .iter()
        .skip(2)
        .map(|row| {
            let [_, feature, adds, brings, _] = row[..] else { panic!("a row is feature, adds, brings: {row:?}") };
            assert!(!adds.is_empty(), "{feature} adds something, or why is it there?");
            let brings = brings.split(',').map(str::trim).filter(|name| !name.is_empty());
            (feature.to_owned(), brings.map(str::to_owned).collect())
        })
        .collect();
    assert_eq!(table.len(), rows.len() - 2, "each feature has one row");
    table
}

#[test]
fn each_feature_has_a_row_with_the_crates_that_it_brings_and_each_row_a_feature() {
    assert_eq!(documented(), configured(), "docs/features.md (left) and Cargo.toml (right)");
}

/// The crate's page includes the file, a README can't.
#[test]
fn the_readme_has_the_same_table() {
    assert!(read("README.md").contains(&read("docs/features.md")), "copy docs/features.md into README.md");
}
