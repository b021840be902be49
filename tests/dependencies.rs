//! With its default features the library is small: five crates, and what they stand on.

use std::collections::BTreeSet;
use std::process::Command;

/// What the library asks for itself. A sixth is a decision, and belongs behind a feature.
const DIRECT: [&str; 5] = ["base64", "bytes", "ring", "thiserror", "zeroize"];

/// What those five ask for in turn, on this platform or another; the last five only while `thiserror` is compiled.
const INDIRECT: [&str; 9] =
    ["cfg-if", "getrandom", "libc", "untrusted", "thiserror-impl", "proc-macro2", "quote", "syn", "unicode-ident"];

/// The crates of the library with its default features, down to this depth, itself left out.
fn tree(depth: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--offline", "--locked", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}", "--depth", depth])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty());
    names.filter(|name| *name != env!("CARGO_PKG_NAME")).map(str::to_owned).collect()
}

#[test]
fn the_library_asks_for_five_crates() {
    assert_eq!(tree("1"), DIRECT.map(str::to_owned).into());
}

#[test]
fn and_those_for_no_others_than_are_known() {
    let known: BTreeSet<String> = DIRECT.iter().chain(&INDIRECT).map(|&name| name.to_owned()).collect();
    let unknown: Vec<_> = tree("99").difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "new under the default features: {unknown:?}; is it worth it?");
}
