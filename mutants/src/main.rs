//! Writes every mutant that cargo-mutants lists into one tree, each behind a switch, so that all of them are built once.
//!
//!     fast-reauth-mutants ROOT TREE PLAN      where PLAN is {"mutants": [...], "left_out": [...], "kept_const": [...]}
//!
//! It reads the sources below ROOT and writes those below TREE, if they are others than they were, so that nothing is built twice.
//! `mutants` is what `cargo mutants --list --json` says; `left_out` are indices of those that don't build this way, `kept_const` functions that a
//! constant needs. Standard output says what stands where in the files that were written, so that a compiler's error has its mutant.

mod edits;
mod sites;
mod spot;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::{env, fs};

use serde_json::{Value, json};

use crate::edits::Edits;
use crate::sites::Sites;
use crate::spot::{Mutant, Spot};

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let mut arguments = env::args().skip(1);
    let (Some(root), Some(tree), Some(plan)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: fast-reauth-mutants ROOT TREE PLAN".into());
    };
    let plan: Value = serde_json::from_str(&fs::read_to_string(plan)?)?;
    let left_out: HashSet<u64> = list(&plan["left_out"]).iter().filter_map(Value::as_u64).collect();
    let kept: HashSet<(&str, &str)> = list(&plan["kept_const"]).iter().filter_map(of_file).collect();

    let mut files: BTreeMap<&str, Vec<Mutant>> = BTreeMap::new();
    for (number, mutant) in (0..).zip(list(&plan["mutants"])) {
        let file = mutant["file"].as_str().ok_or("a mutant without a file")?;
        let of_file = files.entry(file).or_default();
        if !left_out.contains(&number) {
            of_file.push(Mutant::read(number, mutant).ok_or_else(|| format!("no mutant: {mutant}"))?);
        }
    }

    let mut written = Vec::new();
    let mut places = serde_json::Map::new();
    for (file, mutants) in files {
        let source = fs::read_to_string(Path::new(&root).join(file))?;
        let kept = kept.iter().filter(|(of, _)| *of == file).map(|(_, name)| *name).collect();
        let edits = instrument(&source, &mutants, &kept).map_err(|error| format!("{file}: {error}"))?;
        written.extend(edits.mutants());
        let (text, of_file) = edits.apply(&source);
        let path = Path::new(&tree).join(file);
        if fs::read_to_string(&path)? != text {
            fs::write(path, text)?;
        }
        places.insert(file.to_owned(), of_file);
    }
    written.sort_unstable();
    written.dedup();
    println!("{}", json!({ "written": written, "places": places }));
    Ok(())
}

fn instrument(source: &str, mutants: &[Mutant], kept: &HashSet<&str>) -> Result<Edits, syn::Error> {
    let file = syn::parse_file(source)?;
    let by_spot: BTreeMap<Spot, Vec<&Mutant>> = mutants.iter().fold(BTreeMap::new(), |mut map, mutant| {
        map.entry(mutant.spot).or_insert_with(Vec::new).push(mutant);
        map
    });
    let mut sites = Sites::new(source, &by_spot, kept);
    syn::visit::visit_file(&mut sites, &file);
    Ok(sites.edits)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn of_file(pair: &Value) -> Option<(&str, &str)> {
    Some((pair[0].as_str()?, pair[1].as_str()?))
}
