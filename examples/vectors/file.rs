//! The common shape of the files, and how they are printed.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One file of vectors: groups of one type each, cases counted through the file.
pub(crate) struct File {
    pub(crate) name: &'static str,
    source: &'static str,
    groups: Vec<Value>,
    count: usize,
}

impl File {
    pub(crate) fn new(name: &'static str, source: &'static str) -> Self {
        Self { name, source, groups: Vec::new(), count: 0 }
    }

    /// Begins a group; the cases that follow are of this type.
    pub(crate) fn group(&mut self, kind: &str, note: &str) {
        self.groups.push(json!({ "type": kind, "note": note, "cases": [] }));
    }

    /// Adds a case. For an invalid one the note says what accepting it would break.
    pub(crate) fn case(&mut self, valid: bool, note: &str, inputs: Value, intermediates: Value, outputs: Value) {
        assert!(
            valid || note.len() > 12,
            "{}: an invalid case says what accepting it would break: {note:?}",
            self.name
        );
        self.count += 1;
        let mut case = json!({
            "id": self.count,
            "result": if valid { "valid" } else { "invalid" },
            "note": note,
            "inputs": inputs,
            "outputs": outputs,
        });
        if !intermediates.is_null() {
            case["intermediates"] = intermediates;
        }
        self.groups.last_mut().expect("a group")["cases"].as_array_mut().expect("an array").push(case);
    }

    /// The number of the last case.
    pub(crate) fn last(&self) -> usize {
        self.count
    }

    pub(crate) fn text(&self) -> String {
        let schema = format!("schemas/{}", self.name.replace(".json", ".schema.json"));
        let value = json!({ "schema": schema, "source": self.source, "groups": self.groups });
        let mut text = String::new();
        print(&value, 0, &mut text);
        text.push('\n');
        text
    }
}

/// The order in which a reader wants a case's members; the others follow in alphabetical order.
const FIRST: [&str; 10] =
    ["schema", "source", "id", "type", "result", "note", "inputs", "intermediates", "outputs", "groups"];

/// One member a line, one space a level; arrays of plain values on one line.
fn print(value: &Value, level: usize, out: &mut String) {
    let indent = |level: usize| " ".repeat(level);
    match value {
        Value::Object(members) if !members.is_empty() => {
            let mut keys: Vec<&String> = members.keys().collect();
            let rank = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
            keys.sort_by_key(|key| (rank(key), (*key).clone()));
            out.push_str("{\n");
            for (at, key) in keys.iter().enumerate() {
                let _ = write!(out, "{}{}: ", indent(level + 1), json!(key));
                print(&members[*key], level + 1, out);
                out.push_str(if at + 1 == keys.len() { "\n" } else { ",\n" });
            }
            let _ = write!(out, "{}}}", indent(level));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            out.push_str("[\n");
            for (at, item) in items.iter().enumerate() {
                out.push_str(&indent(level + 1));
                print(item, level + 1, out);
                out.push_str(if at + 1 == items.len() { "\n" } else { ",\n" });
            }
            let _ = write!(out, "{}]", indent(level));
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            let _ = write!(out, "[{}]", items.join(", "));
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// An alteration of a text or of octets: at this offset, so many octets go and these come.
pub(crate) struct Edit<'a> {
    pub(crate) at: usize,
    pub(crate) remove: usize,
    pub(crate) insert: &'a [u8],
}

impl Edit<'_> {
    pub(crate) fn apply(&self, base: &[u8]) -> Vec<u8> {
        [&base[..self.at], self.insert, &base[self.at + self.remove..]].concat()
    }

    /// The edit as JSON. No neighbouring edit may give the same octets, or its numbers would not matter.
    pub(crate) fn json(&self, base: &[u8]) -> Value {
        let edited = self.apply(base);
        for (at, remove) in [(self.at + 1, self.remove), (self.at.wrapping_sub(1), self.remove)] {
            let neighbour = Edit { at, remove, insert: self.insert };
            let fits = at.checked_add(remove).is_some_and(|end| end <= base.len());
            assert!(
                !fits || neighbour.apply(base) != edited,
                "an ambiguous edit at {}: {:?}",
                self.at,
                String::from_utf8_lossy(&edited)
            );
        }
        json!({ "at": self.at, "remove": self.remove, "insert": crate::formulas::hex(self.insert) })
    }
}

/// The edit that replaces the one place where `from` stands.
pub(crate) fn replace<'a>(base: &[u8], from: &str, to: &'a [u8]) -> Edit<'a> {
    let mut places = base.windows(from.len()).enumerate().filter(|(_, octets)| *octets == from.as_bytes());
    let (at, _) = places.next().unwrap_or_else(|| panic!("no {from:?}"));
    assert!(places.next().is_none(), "{from:?} stands there twice");
    Edit { at, remove: from.len(), insert: to }
}
