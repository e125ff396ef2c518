//! A software bill of materials in [CycloneDX](https://cyclonedx.org/docs/1.5/json/) 1.5: every crate of the products.

use serde_json::{Value, json};

use super::VERSION;
use super::dependencies::{Crate, CrateId, Dependencies};

pub(super) fn render(dependencies: &Dependencies) -> Result<String, String> {
    let products = dependencies.products.keys().map(|name| {
        json!({
            "type": "application", "bom-ref": name, "name": name, "version": VERSION,
            "licenses": [{"expression": "MIT OR Apache-2.0"}],
        })
    });
    let graph = dependencies.crates.iter().map(|one| depends(reference(&one.id), &one.uses));
    let own = dependencies.products.iter().map(|(name, uses)| depends(name.clone(), uses));
    let whole = json!({"ref": "RTJam", "dependsOn": dependencies.products.keys().collect::<Vec<_>>()});
    let bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": "RTJam", "name": "RTJam", "version": VERSION},
            "lifecycles": [{"phase": "build"}],
        },
        "components": products.chain(dependencies.crates.iter().map(component)).collect::<Vec<_>>(),
        "dependencies": std::iter::once(whole).chain(own).chain(graph).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&bom)
        .map(|text| text + "\n")
        .map_err(|e| format!("cannot write the bill of materials: {e}."))
}

fn component(one: &Crate) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(&one.id),
        "name": one.id.name,
        "version": one.id.version,
        "purl": reference(&one.id),
        "scope": "required",
    });
    if let Some(licence) = &one.licence {
        component["licenses"] = json!([{"expression": licence}]);
    }
    if let Some(checksum) = &one.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if let Some(repository) = &one.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

fn depends<'a>(from: String, on: impl IntoIterator<Item = &'a CrateId>) -> Value {
    json!({"ref": from, "dependsOn": on.into_iter().map(reference).collect::<Vec<_>>()})
}

/// The [package URL](https://github.com/package-url/purl-spec), in which the "+" of a version is escaped.
fn reference(id: &CrateId) -> String {
    format!("pkg:cargo/{}@{}", id.name, id.version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;
    use std::collections::HashSet;

    /// The workspace's own bill names each crate once, with its checksum, and every reference leads somewhere.
    #[test]
    fn own_bill_is_whole() {
        let dependencies = Dependencies::of_products(&Workspace::find()).expect("cargo resolves them");
        let bill: Value = serde_json::from_str(&render(&dependencies).expect("rendered")).expect("JSON");
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let components = list(&bill["components"]);
        let named: HashSet<&str> = components.iter().filter_map(|c| c["bom-ref"].as_str()).collect();
        assert_eq!(named.len(), components.len());
        for name in ["rtjam", "rtjam-plugin", "rtjam-server"] {
            assert!(named.contains(name), "{name}");
        }
        let ring = components.iter().find(|c| c["name"] == "ring").expect("ring is linked");
        assert_eq!(ring["hashes"][0]["content"].as_str().map(str::len), Some(64));
        assert!(!components.iter().any(|c| c["name"] == "criterion"), "tests' crates are not shipped");
        for dependency in list(&bill["dependencies"]) {
            for on in list(&dependency["dependsOn"]) {
                assert!(named.contains(on.as_str().expect("text")), "{on}");
            }
        }
    }
}
