//! One case, and how to read it.

use serde_json::Value;

/// One case of a file.
pub(crate) struct Case<'a> {
    pub(crate) value: &'a Value,
}

impl<'a> Case<'a> {
    pub(crate) fn is_valid(&self) -> bool {
        match self.value["result"].as_str() {
            Some("valid") => true,
            Some("invalid") => false,
            other => panic!("a result is valid or invalid, not {other:?}"),
        }
    }

    pub(crate) fn inputs(&self) -> &'a Value {
        &self.value["inputs"]
    }

    pub(crate) fn between(&self) -> &'a Value {
        &self.value["intermediates"]
    }

    pub(crate) fn outputs(&self) -> &'a Value {
        &self.value["outputs"]
    }

    /// `base`, with the case's edit made in it if there is one.
    pub(crate) fn edited(&self, base: &[u8]) -> Vec<u8> {
        let edit = &self.inputs()["edit"];
        if edit.is_null() {
            return base.to_vec();
        }
        let at = |name: &str| edit[name].as_u64().expect("a number") as usize;
        [&base[..at("at")], &octets(&edit["insert"]), &base[at("at") + at("remove")..]].concat()
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("text was due, not {value}"))
}

pub(crate) fn octets(value: &Value) -> Vec<u8> {
    let text = text(value);
    assert!(text.len() % 2 == 0, "odd hexadecimal");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    octets(value).try_into().unwrap_or_else(|_| panic!("{N} octets were due, not {value}"))
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number was due, not {value}"))
}

pub(crate) fn truth(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| panic!("true or false was due, not {value}"))
}

pub(crate) fn texts(value: &Value) -> Vec<&str> {
    value.as_array().expect("an array").iter().map(text).collect()
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
