//! What the documents point at is there: files, commands, recipes, sections of the draft, and the numbers that can be counted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The files below a directory whose names end so, relative to the package.
fn files(directory: &str, end: &str) -> Vec<PathBuf> {
    let (mut todo, mut found) = (vec![root().join(directory)], Vec::new());
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    found.sort();
    found
}

/// The README, the page on security, and all that is in `docs/`.
fn documents() -> Vec<PathBuf> {
    let mut documents = files("docs", ".md");
    documents.extend(["README.md", "SECURITY.md"].map(PathBuf::from));
    documents
}

/// A document without its blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What is between `before` and `after`, everywhere.
fn between<'t>(text: &'t str, before: &'t str, after: &'t [char]) -> impl Iterator<Item = &'t str> {
    text.split(before).skip(1).filter_map(move |rest| rest.split(after).next())
}

#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for document in documents() {
        let text = prose(&read(&document));
        for link in between(&text, "](", &[')'])
            .chain(between(&text, "\n[", &['\n']).filter_map(|it| it.split_once("]: ").map(|it| it.1)))
        {
            if link.starts_with("https://") || link.starts_with('#') {
                continue;
            }
            let file = link.split('#').next().unwrap();
            let target = root().join(&document).with_file_name(file);
            assert!(target.exists(), "{}: there is no {link}", document.display());
            links += 1;
        }
    }
    assert!(links > 40, "{links} links were found, so most were not");
}

/// Commands are in code spans, and each of their words that names something of this repository has to name something that is there.
#[test]
fn commands_run_what_is_there() {
    let mut commands = 0;
    for document in documents() {
        let text = prose(&read(&document));
        for span in text.split('`').skip(1).step_by(2) {
            let words: Vec<&str> = span.split_whitespace().collect();
            let there = |directory: &str, name: &str| {
                let path = root().join(directory).join(name);
                assert!(path.is_dir() || path.with_extension("rs").exists(), "{}: {span}", document.display());
            };
            for pair in words.windows(2) {
                match pair {
                    ["--example", name] => there("examples", name),
                    ["--test", name] => there("tests", name),
                    _ => {}
                }
            }
            match words[..] {
                ["interop/run", ref peers @ ..] => {
                    peers.iter().filter(|peer| !peer.starts_with('[')).for_each(|peer| there("interop", peer))
                }
                ["cargo" | "python3", ..] => {}
                _ => continue,
            }
            commands += 1;
        }
        for path in text.split('`').skip(1).step_by(2).flat_map(str::split_whitespace) {
            let ours = ["draft/", "docs/", "examples/", "interop/", "tests/", "test-vectors/"];
            if ours.iter().any(|directory| path.starts_with(directory)) && !path.contains(['*', '{', '<']) {
                assert!(root().join(path).exists(), "{}: there is no {path}", document.display());
            }
        }
    }
    assert!(commands > 20, "{commands} commands were found, so most were not");
}

#[test]
fn each_recipe_is_listed_and_on_the_crates_pages() {
    let (list, pages) = (read("docs/recipes/README.md"), read("src/guide.rs"));
    for recipe in files("docs/recipes", ".md") {
        let name = recipe.file_name().unwrap().to_str().unwrap();
        if name != "README.md" {
            assert!(list.contains(&format!("]({name})")), "docs/recipes/README.md does not list {name}");
            assert!(pages.contains(&format!("\"recipes/{name}\"")), "src/guide.rs has no page for {name}");
        }
    }
}

#[test]
fn sections_of_the_draft_have_the_titles_that_the_docs_give() {
    let draft = read("draft/draft-fastreauth-kitten-sasl-iknowyou-00.md");
    let titles: BTreeSet<&str> = draft
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').split(" {#").next().unwrap().trim())
        .collect();
    let mut cited = 0;
    for source in files("src", ".rs") {
        for line in between(&read(&source), "Specified by the draft in ", &['\n']) {
            for title in line.split('"').skip(1).step_by(2) {
                assert!(titles.contains(title), "{}: the draft has no section {title}", source.display());
                cited += 1;
            }
        }
    }
    assert!(cited > 15, "{cited} sections were found, so most were not");
}

#[test]
fn the_readme_counts_the_models() {
    let readme = read("README.md");
    for (directory, end, what) in [("draft/formal/claims", ".vp", "claims"), ("draft/formal/attacks", ".vp", "attacks")]
    {
        let count = format!("{} {what}", files(directory, end).len());
        assert!(readme.contains(&count), "there are {count}");
    }
    let variants = read("draft/formal/proverif/results.txt").lines().filter(|line| !line.trim().is_empty()).count();
    assert!(readme.contains(&format!("{variants} variants")), "there are {variants} variants");
}
