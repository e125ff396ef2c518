//! How the last server on this data folder is reached, so that `invite` makes links that lead to it.

use super::Store;
use crate::Failure;
use crate::address::PublicAddress;
use rusqlite::{OptionalExtension as _, params};
use std::net::IpAddr;

/// Where a server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reachable {
    /// As the operator said with `--public-address`.
    pub public: Option<PublicAddress>,
    /// The one address that it listens on, if it does not listen on all.
    pub listen_ip: Option<IpAddr>,
    /// The port that it listens on.
    pub listen_port: Option<u16>,
}

impl Store {
    /// How the last server was reached; all `None` before the first start.
    ///
    /// # Errors
    /// When the database fails.
    pub fn reachable(&self) -> Result<Reachable, Failure> {
        let read = || {
            Ok(Reachable {
                public: self.setting("public_address")?.and_then(|v| v.parse().ok()),
                listen_ip: self.setting("listen_ip")?.and_then(|v| v.parse().ok()),
                listen_port: self.setting("listen_port")?.and_then(|v| v.parse().ok()),
            })
        };
        read().map_err(|e: rusqlite::Error| self.failed(&e))
    }

    /// Keeps how this server is reached.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_reachable(&mut self, reachable: &Reachable) -> Result<(), Failure> {
        let result = self.write_reachable(reachable);
        result.map_err(|e| self.failed(&e))
    }

    fn write_reachable(&mut self, reachable: &Reachable) -> rusqlite::Result<()> {
        let values = [
            ("public_address", reachable.public.as_ref().map(ToString::to_string)),
            ("listen_ip", reachable.listen_ip.map(|ip| ip.to_string())),
            ("listen_port", reachable.listen_port.map(|p| p.to_string())),
        ];
        let transaction = self.db.transaction()?;
        for (key, value) in values {
            match value {
                Some(v) => {
                    transaction.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)", params![key, v])
                }
                None => transaction.execute("DELETE FROM settings WHERE key = ?1", [key]),
            }?;
        }
        transaction.commit()
    }

    /// Writes something that nobody reads, to see whether that works.
    ///
    /// # Errors
    /// When it does not.
    pub fn test_write(&self) -> Result<(), Failure> {
        let value = "INSERT OR REPLACE INTO settings (key, value) VALUES ('write_test', datetime('now'))";
        self.db.execute(value, []).map(|_| ()).map_err(|e| self.failed(&e))
    }

    fn setting(&self, key: &str) -> rusqlite::Result<Option<String>> {
        self.db.query_row("SELECT value FROM settings WHERE key = ?1", [key], |row| row.get(0)).optional()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::TempDir;
    use super::*;

    #[test]
    fn what_a_later_start_does_not_say_is_forgotten() {
        let dir = TempDir::new();
        let mut store = Store::open(&dir.0).expect("opens");
        assert_eq!(store.reachable(), Ok(Reachable::default()));
        let public = "jam.example.org:9000".parse().ok();
        let first = Reachable { public, listen_ip: None, listen_port: Some(7891) };
        store.set_reachable(&first).expect("written");
        assert_eq!(store.reachable(), Ok(first));
        let second = Reachable { public: None, listen_ip: "::1".parse().ok(), listen_port: Some(1) };
        store.set_reachable(&second).expect("written");
        assert_eq!(store.reachable(), Ok(second));
    }
}
