//! The table of attacks in `SECURITY.md`: every section of the draft's security considerations is in it, and whatever it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A row: the section, the attack, and what shows it failing.
struct Row {
    section: String,
    attack: String,
    shown_by: Vec<(String, String)>,
}

/// The rows of the table, each reference with what stands before it: nothing for a test.
fn rows() -> Vec<Row> {
    let text = read("SECURITY.md");
    let table = text.split_once("| section of the draft |").expect("the table").1;
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        let [section, attack, shown_by] = &cells[..] else { panic!("three cells: {line}") };
        let mut pieces = shown_by.split('`');
        let mut references = Vec::new();
        while let (Some(before), Some(name)) = (pieces.next(), pieces.next()) {
            references.push((before.trim_matches([',', ' ']).to_owned(), name.to_owned()));
        }
        assert!(!references.is_empty(), "nothing shows it: {line}");
        Row { section: section.clone(), attack: attack.clone(), shown_by: references }
    };
    lines.map(row).collect()
}

/// The headings below "Security Considerations".
fn sections() -> BTreeSet<String> {
    let draft = read("draft/draft-fastreauth-kitten-sasl-iknowyou-00.md");
    let chapter = draft.split_once("\n# Security Considerations").expect("the chapter").1;
    let chapter = chapter.split("\n# ").next().unwrap_or_default();
    let headings = chapter.lines().filter_map(|line| line.strip_prefix("## "));
    headings.map(|heading| heading.split(" {").next().unwrap_or(heading).trim().to_owned()).collect()
}

fn sources(path: PathBuf) -> String {
    match fs::read_dir(&path) {
        Ok(entries) => entries.map(|entry| sources(entry.unwrap().path())).collect(),
        Err(_) if path.extension().is_some_and(|end| end == "rs") => read(&path),
        Err(_) => String::new(),
    }
}

/// Whether there is a function of this name among the target's sources that a test's attribute stands on.
fn is_test(target: &str, name: &str) -> bool {
    let file = root().join(format!("tests/{target}.rs"));
    let text = sources(if file.exists() { file } else { root().join("tests").join(target) });
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let start = format!("fn {name}(");
    lines.windows(2).any(|two| {
        let is_it = two[1].trim_start_matches("async ").starts_with(&start);
        is_it && (two[0] == "#[test]" || two[0].starts_with("#[tokio::test"))
    })
}

/// Each as the table writes it: what is asked for, and where it has to be.
fn is_there(kind: &str, name: &str) -> bool {
    match kind {
        "" => name.split_once("::").is_some_and(|(target, name)| is_test(target, name)),
        "formal:" => root().join(format!("draft/formal/claims/{name}.vp")).exists(),
        "model:" => read("models/src/rules.rs").contains(&format!("Self::{name} =>")),
        "fuzz:" => read("fuzz/Cargo.toml").contains(&format!("name = \"{name}\"")),
        _ => false,
    }
}

#[test]
fn every_section_of_the_drafts_security_considerations_is_in_it() {
    let named: BTreeSet<String> = rows().into_iter().map(|row| row.section).collect();
    assert!(sections().len() >= 16);
    assert_eq!(named, sections());
}

#[test]
fn whatever_shows_an_attack_failing_is_there() {
    for row in rows() {
        for (kind, name) in row.shown_by {
            assert!(is_there(&kind, &name), "{}, {}: there is no {kind} {name}", row.section, row.attack);
        }
    }
}

#[test]
fn every_section_has_a_test_and_not_only_a_model() {
    for section in sections() {
        let rows = rows().into_iter().filter(|row| row.section == section);
        let mut references = rows.flat_map(|row| row.shown_by);
        assert!(references.any(|(kind, _)| kind.is_empty()), "{section}");
    }
}

#[test]
fn the_test_itself_can_fail() {
    assert!(is_there("", "security_table::the_test_itself_can_fail"));
    for (kind, name) in [
        ("", "security_table::is_there"),
        ("", "security_table::nobody"),
        ("", "nothing::the_test_itself_can_fail"),
        ("formal:", "nothing"),
        ("model:", "Nothing"),
        ("fuzz:", "nothing"),
        ("somewhere:", "operations"),
    ] {
        assert!(!is_there(kind, name), "{kind} {name}");
    }
}
