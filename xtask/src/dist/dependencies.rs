//! The crates that the programs and the plugin consist of, as cargo resolved them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use serde::Deserialize;

use crate::command;
use crate::cross::SYSTEMS;
use crate::workspace::Workspace;

/// Packages of the workspace that are shipped.
const PRODUCTS: [&str; 3] = ["rtjam", "rtjam-plugin", "rtjam-server"];

/// All crates that are linked into a product on one of the [`SYSTEMS`], and what each of them depends on. Crates that only build
/// scripts or tests need are not among them.
pub(super) struct Dependencies {
    /// Sorted by name and version; without those of the workspace.
    pub(super) crates: Vec<Crate>,
    /// Names of the products, and for each the crates that it depends on, also through the workspace's own.
    pub(super) products: BTreeMap<String, BTreeSet<CrateId>>,
}

/// A crate and the crates that it names as dependencies.
pub(super) struct Crate {
    pub(super) id: CrateId,
    pub(super) licence: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) authors: Vec<String>,
    pub(super) folder: PathBuf,
    /// SHA-256 of the crate's file in the registry, in hexadecimal.
    pub(super) checksum: Option<String>,
    pub(super) uses: BTreeSet<CrateId>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CrateId {
    pub(super) name: String,
    pub(super) version: String,
}

impl Dependencies {
    pub(super) fn of_products(workspace: &Workspace) -> Result<Self, String> {
        let mut metadata = workspace.cargo(["metadata", "--format-version", "1", "--locked"]);
        for system in SYSTEMS {
            metadata.args(["--filter-platform", system.triple]);
        }
        let text = command::output(&mut metadata);
        let text = text.ok_or("`cargo metadata --locked` fails. Is Cargo.lock up to date?")?;
        let lock = workspace.path("Cargo.lock");
        let lock = std::fs::read_to_string(&lock).map_err(|e| format!("cannot read {}: {e}.", lock.display()))?;
        Self::read(&text, &lock)
    }

    fn read(metadata: &str, lock: &str) -> Result<Self, String> {
        let metadata: Metadata =
            serde_json::from_str(metadata).map_err(|e| format!("cannot read what `cargo metadata` prints: {e}."))?;
        let packages: HashMap<&str, &Package> = metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect();
        let nodes: HashMap<&str, &Node> = metadata.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
        let uses = |id: &str| -> Vec<&str> {
            let linked = |dep: &&Dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none());
            nodes.get(id).map_or(Vec::new(), |n| n.deps.iter().filter(linked).map(|dep| dep.pkg.as_str()).collect())
        };
        let is_foreign = |id: &str| packages.get(id).is_some_and(|package| package.source.is_some());
        let foreign = |ids: &BTreeSet<&str>| -> BTreeSet<CrateId> {
            ids.iter().filter(|id| is_foreign(id)).filter_map(|id| Some(packages.get(id)?.id())).collect()
        };

        let checksums = checksums(lock);
        let (mut products, mut all) = (BTreeMap::new(), BTreeSet::new());
        for product in metadata.packages.iter().filter(|p| p.source.is_none() && PRODUCTS.contains(&p.name.as_str())) {
            let (mut reached, mut open) = (BTreeSet::new(), vec![product.id.as_str()]);
            while let Some(id) = open.pop() {
                if reached.insert(id) {
                    open.extend(uses(id));
                }
            }
            // What its own part of the workspace names, not what those crates need in turn.
            let named = reached.iter().filter(|id| !is_foreign(id)).flat_map(|id| uses(id)).collect();
            products.insert(product.name.clone(), foreign(&named));
            all.extend(reached);
        }
        let mut crates: Vec<Crate> = all
            .into_iter()
            .filter(|id| is_foreign(id))
            .filter_map(|id| {
                let package = packages.get(id)?;
                Some(package.to_crate(foreign(&uses(id).into_iter().collect()), &checksums))
            })
            .collect();
        crates.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Self { crates, products })
    }
}

/// Checksums in Cargo.lock, whose packages are blocks of lines `key = "value"`.
fn checksums(lock: &str) -> HashMap<CrateId, String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]").filter_map(|block| {
        let id = CrateId { name: value(block, "name")?, version: value(block, "version")? };
        Some((id, value(block, "checksum")?))
    });
    blocks.collect()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    authors: Vec<String>,
    manifest_path: PathBuf,
    /// `None` for a member of the workspace.
    source: Option<String>,
}

impl Package {
    fn id(&self) -> CrateId {
        CrateId { name: self.name.clone(), version: self.version.clone() }
    }

    fn to_crate(&self, uses: BTreeSet<CrateId>, checksums: &HashMap<CrateId, String>) -> Crate {
        let id = self.id();
        Crate {
            // An older way to write "or".
            licence: self.license.as_ref().map(|text| text.replace('/', " OR ")),
            repository: self.repository.clone(),
            authors: self.authors.clone(),
            folder: self.manifest_path.parent().map(PathBuf::from).unwrap_or_default(),
            checksum: checksums.get(&id).cloned(),
            id,
            uses,
        }
    }
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Deserialize)]
struct DepKind {
    /// `None` for a normal dependency, otherwise "build" or "dev".
    kind: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(ids: impl IntoIterator<Item = &'a CrateId>) -> Vec<&'a str> {
        ids.into_iter().map(|id| id.name.as_str()).collect()
    }

    /// A dependency of a member of the workspace counts for the product; those of tests and build scripts do not.
    #[test]
    fn linked_crates_are_found() {
        let package = |id: &str, source: &str| {
            format!(
                r#"{{"id":"{id}","name":"{id}","version":"1.0.0","license":"MIT/Apache-2.0","repository":null,
                "authors":[],"manifest_path":"/r/{id}/Cargo.toml","source":{source}}}"#
            )
        };
        let uses = |id: &str, deps: &[(&str, &str)]| {
            let deps: Vec<String> = deps
                .iter()
                .map(|(pkg, kind)| format!(r#"{{"pkg":"{pkg}","dep_kinds":[{{"kind":{kind}}}]}}"#))
                .collect();
            format!(r#"{{"id":"{id}","deps":[{}]}}"#, deps.join(","))
        };
        let packages = [("rtjam", "null"), ("engine", "null"), ("ring", r#""r""#), ("log", r#""r""#), ("cc", r#""r""#)];
        let packages: Vec<String> = packages.iter().map(|(id, source)| package(id, source)).collect();
        let nodes = [
            uses("rtjam", &[("engine", "null"), ("cc", r#""dev""#)]),
            uses("engine", &[("ring", "null")]),
            uses("ring", &[("log", "null"), ("cc", r#""build""#)]),
        ];
        let metadata =
            format!(r#"{{"packages":[{}],"resolve":{{"nodes":[{}]}}}}"#, packages.join(","), nodes.join(","));
        let lock = "[[package]]\nname = \"ring\"\nversion = \"1.0.0\"\nchecksum = \"0a1b\"\n";
        let found = Dependencies::read(&metadata, lock).expect("it can be read");
        assert_eq!(names(found.crates.iter().map(|c| &c.id)), ["log", "ring"]);
        assert_eq!(names(&found.products["rtjam"]), ["ring"]);
        let ring = &found.crates[1];
        assert_eq!(names(&ring.uses), ["log"]);
        assert_eq!(ring.licence.as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(ring.checksum.as_deref(), Some("0a1b"));
    }
}
