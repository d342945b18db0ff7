//! The methods as a page for people.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use super::super::{method::Method, methods};

/// What the page begins with.
const HEAD: &str = "\
# JSON-RPC

Every method of the node, made from the tables in `src/rpc/methods` (do not edit: `UPDATE_EXPECT=1 cargo test -p
lathe-node --no-default-features --features server --test openrpc` writes it). `rpc.discover` answers the same as an
OpenRPC document with the schemas of all types; their names here are those of its components. A parameter with `?` may be
left out or `null`; a result with `?` may be `null`.
";

/// Returns the page: a section for each namespace, a row for each method.
pub fn markdown() -> String {
    let mut sections: BTreeMap<&str, Vec<&Method>> = BTreeMap::new();
    for method in methods::ALL.iter().copied().flatten() {
        let namespace = method.name.split(['_', '.']).next().unwrap_or_default();
        sections.entry(namespace).or_default().push(method);
    }
    let mut page = HEAD.to_owned();
    for (namespace, mut rows) in sections {
        rows.sort_by_key(|method| method.name);
        let _ = write!(page, "\n## {namespace}\n\n| method | parameters | result | |\n|---|---|---|---|\n");
        for method in rows {
            let _ = writeln!(page, "{}", row(method));
        }
    }
    page
}

fn row(method: &Method) -> String {
    let names: Vec<String> =
        std::iter::once(&method.name).chain(method.aliases).map(|name| format!("`{name}`")).collect();
    let params: Vec<String> = method
        .params
        .iter()
        .map(|parameter| {
            let mark = if parameter.required { "" } else { "?" };
            let form = form(&(parameter.schema)());
            format!("{}{mark}: {}", parameter.name, form.trim_end_matches('?'))
        })
        .collect();
    let doc = method.doc.trim().replace('|', "\\|");
    format!("| {} | {} | {} | {doc} |", names.join(", "), params.join(", "), form(&(method.result)()))
}

/// Returns a schema in a few words.
fn form(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(either) = schema["oneOf"].as_array() {
        let is_null = |schema: &&Value| schema["type"] == "null";
        let mark = if either.iter().any(|schema| is_null(&schema)) { "?" } else { "" };
        let forms: Vec<String> = either.iter().filter(|schema| !is_null(schema)).map(form).collect();
        return format!("{}{mark}", forms.join(" or "));
    }
    match schema["type"].as_str() {
        Some("array") if schema["items"].is_object() => format!("[{}]", form(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("{{key: {}}}", form(&schema["additionalProperties"]))
        }
        Some("object") if schema["properties"].is_object() => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields: Vec<String> =
                fields.map(|(name, schema)| format!("{name}: {}", form(schema))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Some(name) => name.to_owned(),
        None => "any".to_owned(),
    }
}
