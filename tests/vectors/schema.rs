//! As much of JSON Schema as the vectors' schemas use; what it does not know fails.

use serde_json::Value;

/// What is wrong with `value`, with the place.
pub(crate) fn check(schema: &Value, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    walk(schema, schema, value, "", &mut errors);
    errors
}

fn walk(root: &Value, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let mut wrong = |what: String| errors.push(format!("{at}: {what}"));
    let Some(rules) = schema.as_object() else { return wrong(format!("a schema is an object, not {schema}")) };
    for (rule, wants) in rules {
        match &**rule {
            "$schema"
            | "$id"
            | "$defs"
            | "title"
            | "description"
            | "properties"
            | "additionalProperties"
            | "items"
            | "$ref"
            | "if"
            | "then"
            | "allOf" => {}
            "type" => {
                let is = |kind: &Value| match kind.as_str() {
                    Some("object") => value.is_object(),
                    Some("array") => value.is_array(),
                    Some("string") => value.is_string(),
                    Some("integer") => value.is_u64() || value.is_i64(),
                    Some("boolean") => value.is_boolean(),
                    Some("null") => value.is_null(),
                    other => panic!("no type {other:?}"),
                };
                if !wants.as_array().map_or_else(|| is(wants), |kinds| kinds.iter().any(is)) {
                    wrong(format!("{value} is no {wants}"));
                }
            }
            "enum" if !wants.as_array().expect("an array").contains(value) => {
                wrong(format!("{value} is none of {wants}"))
            }
            "const" if wants != value => wrong(format!("{value} is not {wants}")),
            "enum" | "const" => {}
            "required" => {
                for name in wants.as_array().expect("an array").iter().filter_map(Value::as_str) {
                    if value.get(name).is_none() {
                        wrong(format!("{name} is missing"));
                    }
                }
            }
            "minimum" if value.as_i64().is_some_and(|number| number < wants.as_i64().expect("a number")) => {
                wrong(format!("{value} is below {wants}"));
            }
            "minLength"
                if value.as_str().is_some_and(|text| (text.len() as u64) < wants.as_u64().expect("a number")) =>
            {
                wrong(format!("{value} is too short"));
            }
            "minItems"
                if value.as_array().is_some_and(|items| (items.len() as u64) < wants.as_u64().expect("a number")) =>
            {
                wrong("too few items".into());
            }
            "minimum" | "minLength" | "minItems" => {}
            "pattern" => {
                let hexadecimal = |text: &str| text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
                let fits = |text: &str| match wants.as_str().expect("text") {
                    "^([0-9a-f]{2})*$" => text.len() % 2 == 0 && hexadecimal(text),
                    "^[0-9a-f]{16}$" => text.len() == 16 && hexadecimal(text),
                    other => panic!("no pattern {other}"),
                };
                if !value.as_str().is_none_or(fits) {
                    wrong(format!("{value} does not follow {wants}"));
                }
            }
            other => panic!("no rule {other}"),
        }
    }
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").expect("a definition of this file");
        let definition = root["$defs"].get(name).unwrap_or_else(|| panic!("no definition {name}"));
        walk(root, definition, value, at, errors);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        walk(root, part, value, at, errors);
    }
    if let Some(condition) = schema.get("if") {
        let mut unmet = Vec::new();
        walk(root, condition, value, at, &mut unmet);
        if unmet.is_empty() {
            walk(root, &schema["then"], value, at, errors);
        }
    }
    if let Some(members) = value.as_object() {
        let properties = &schema["properties"];
        for (name, member) in members {
            match properties.get(name) {
                Some(property) => walk(root, property, member, &format!("{at}/{name}"), errors),
                None if schema["additionalProperties"] == false => errors.push(format!("{at}: {name} is not expected")),
                None => {}
            }
        }
    }
    if let Some(items) = schema.get("items") {
        for (number, item) in value.as_array().into_iter().flatten().enumerate() {
            walk(root, items, item, &format!("{at}/{number}"), errors);
        }
    }
}
