//! Where a mutant is.

use proc_macro2::LineColumn;
use serde_json::Value;

/// A line, from 1, and a column in characters, from 0.
pub type Spot = (usize, usize);

pub fn of(at: LineColumn) -> Spot {
    (at.line, at.column)
}

/// One entry of `cargo mutants --list --json`.
pub struct Mutant {
    pub number: u64,
    pub kind: Kind,
    pub spot: Spot,
    pub replacement: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Function,
    Binary,
    Unary,
    Arm,
    Guard,
    Field,
}

impl Mutant {
    pub fn read(number: u64, entry: &Value) -> Option<Self> {
        let start = &entry["span"]["start"];
        let at = |name| start[name].as_u64().and_then(|number| usize::try_from(number).ok());
        let kind = match entry["genre"].as_str()? {
            "FnValue" => Kind::Function,
            "BinaryOperator" => Kind::Binary,
            "UnaryOperator" => Kind::Unary,
            "MatchArm" => Kind::Arm,
            "MatchArmGuard" => Kind::Guard,
            "StructField" => Kind::Field,
            _ => return None,
        };
        // It counts columns from 1.
        let spot = (at("line")?, at("column")?.checked_sub(1)?);
        Some(Self { number, kind, spot, replacement: entry["replacement"].as_str()?.to_owned() })
    }
}
