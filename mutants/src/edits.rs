//! What is put into a source text, and where it comes to stand.

use std::collections::HashMap;

use proc_macro2::LineColumn;
use serde_json::{Value, json};

/// Of two edits at one place: what closes an expression before what opens one, the inner one first or last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Close(std::cmp::Reverse<usize>),
    Open(usize),
    Replace,
}

struct Edit {
    start: usize,
    end: usize,
    order: Order,
    text: String,
    /// Whose text stands where in it.
    whose: Vec<(u64, usize, usize)>,
}

/// A text under construction, in which each mutant's own part is known.
#[derive(Default)]
pub struct Text {
    text: String,
    whose: Vec<(u64, usize, usize)>,
}

impl Text {
    pub fn push(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    pub fn append(mut self, other: Self) -> Self {
        let at = self.text.len();
        self.whose.extend(other.whose.iter().map(|(mutant, start, end)| (*mutant, at + start, at + end)));
        self.push(&other.text)
    }

    pub fn of(mut self, mutant: u64, text: &str) -> Self {
        let start = self.text.len();
        self.text.push_str(text);
        self.whose.push((mutant, start, self.text.len()));
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::default().push(text)
    }
}

pub struct Edits {
    lines: Vec<(usize, String)>,
    edits: Vec<Edit>,
    /// Expressions as a whole, each with its mutants.
    sites: Vec<(Vec<u64>, usize, usize)>,
    /// Those with arms that are deleted, with these mutants.
    matches: Vec<(Vec<u64>, usize, usize)>,
}

impl Edits {
    pub fn new(source: &str) -> Self {
        let mut at = 0;
        let lines = source.split_inclusive('\n').map(|line| {
            at += line.len();
            (at - line.len(), line.to_owned())
        });
        Self { lines: lines.collect(), edits: Vec::new(), sites: Vec::new(), matches: Vec::new() }
    }

    /// The octet that a place is at.
    pub fn offset(&self, at: LineColumn) -> usize {
        let Some((start, line)) = self.lines.get(at.line - 1) else {
            return self.lines.last().map_or(0, |(at, line)| at + line.len());
        };
        start + line.char_indices().nth(at.column).map_or(line.len(), |(octet, _)| octet)
    }

    pub fn open(&mut self, at: usize, text: impl Into<Text>) {
        let order = Order::Open(self.edits.len());
        self.add(at, at, order, text.into());
    }

    pub fn close(&mut self, at: usize, text: impl Into<Text>) {
        let order = Order::Close(std::cmp::Reverse(self.edits.len()));
        self.add(at, at, order, text.into());
    }

    pub fn replace(&mut self, start: usize, end: usize, text: impl Into<Text>) {
        self.add(start, end, Order::Replace, text.into());
    }

    fn add(&mut self, start: usize, end: usize, order: Order, text: Text) {
        self.edits.push(Edit { start, end, order, text: text.text, whose: text.whose });
    }

    pub fn site(&mut self, mutants: Vec<u64>, start: usize, end: usize) {
        self.sites.push((mutants, start, end));
    }

    pub fn arms(&mut self, mutants: Vec<u64>, start: usize, end: usize) {
        self.matches.push((mutants, start, end));
    }

    pub fn mutants(&self) -> Vec<u64> {
        self.edits.iter().flat_map(|edit| edit.whose.iter().map(|(mutant, ..)| *mutant)).collect()
    }

    /// The new text, and the octets in it that are each mutant's own, and each expression's.
    pub fn apply(mut self, source: &str) -> (String, Value) {
        self.edits.sort_by_key(|edit| (edit.start, edit.order));
        let (mut out, mut at, mut own) = (String::new(), 0, Vec::new());
        // Where the source's octets came to stand: before what was put in there, and behind it.
        let mut moved: HashMap<usize, (usize, usize)> = HashMap::new();
        let mut wanted: Vec<usize> =
            self.sites.iter().chain(&self.matches).flat_map(|(_, start, end)| [*start, *end]).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut wanted = wanted.into_iter().peekable();
        for edit in self.edits {
            while let Some(place) = wanted.next_if(|place| *place < edit.start) {
                let place_now = out.len() + place.saturating_sub(at);
                moved.entry(place).or_insert((place_now, place_now));
            }
            if edit.start > at {
                out.push_str(&source[at..edit.start]);
            }
            let before = out.len();
            own.extend(edit.whose.iter().map(|(mutant, start, end)| json!([mutant, before + start, before + end])));
            out.push_str(&edit.text);
            let entry = moved.entry(edit.start).or_insert((before, before));
            entry.1 = out.len();
            at = at.max(edit.end);
        }
        for place in wanted {
            let now = out.len() + place.saturating_sub(at);
            moved.entry(place).or_insert((now, now));
        }
        out.push_str(&source[at..]);
        let place = |place: &usize| moved.get(place).copied().unwrap_or_default();
        let placed = |sites: &[(Vec<u64>, usize, usize)]| -> Vec<Value> {
            sites.iter().map(|(mutants, start, end)| json!([mutants, place(start).0, place(end).1])).collect()
        };
        let (sites, matches) = (placed(&self.sites), placed(&self.matches));
        (out, json!({ "own": own, "sites": sites, "matches": matches }))
    }
}
