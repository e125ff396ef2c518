//! The server itself: its key pair, and the address at which it is reached.

use super::database::{Store, StoreError};
use crate::address::ServerAddress;
use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::str::FromStr;

impl Store {
    /// The key pair (PKCS#8) that links pin. Stores the result of `make` if there is none yet.
    pub fn identity(&mut self, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let read_or_insert = || {
            // Immediate: if two programs find no key, the second one waits and then finds the first one's.
            let transaction = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
            let stored = transaction.query_row("SELECT pkcs8 FROM identity", [], |row| row.get(0)).optional()?;
            if let Some(stored) = stored {
                return Ok(stored);
            }
            let fresh = make();
            transaction.execute("INSERT INTO identity (only, pkcs8) VALUES (1, ?1)", params![fresh])?;
            transaction.commit()?;
            Ok(fresh)
        };
        read_or_insert().map_err(|e| self.failed(e))
    }

    /// The address of the last server on this data folder; all `None` before the first start.
    pub fn server_address(&self) -> Result<ServerAddress, StoreError> {
        Ok(ServerAddress {
            public: self.setting("public_address")?,
            listen_ip: self.setting("listen_ip")?,
            listen_port: self.setting("listen_port")?,
        })
    }

    /// Stores the address of this server.
    pub fn set_server_address(&mut self, address: &ServerAddress) -> Result<(), StoreError> {
        let values = [
            ("public_address", address.public.as_ref().map(ToString::to_string)),
            ("listen_ip", address.listen_ip.map(|ip| ip.to_string())),
            ("listen_port", address.listen_port.map(|p| p.to_string())),
        ];
        let write = || {
            let transaction = self.db.unchecked_transaction()?;
            for (key, value) in values {
                match value {
                    Some(v) => {
                        let statement = "INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)";
                        transaction.execute(statement, params![key, v])
                    }
                    None => transaction.execute("DELETE FROM settings WHERE key = ?1", [key]),
                }?;
            }
            transaction.commit()
        };
        write().map_err(|e| self.failed(e))
    }

    /// Tests whether the database can be written.
    pub fn test_write(&self) -> Result<(), StoreError> {
        let value = "INSERT OR REPLACE INTO settings (key, value) VALUES ('write_test', datetime('now'))";
        self.execute(value, [])
    }

    fn setting<T: FromStr>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.row("SELECT value FROM settings WHERE key = ?1", [key], |row| row.get(0))?;
        Ok(text.and_then(|text| text.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::TempDir;
    use super::*;

    #[test]
    fn last_server_address_replaces_the_earlier() {
        let dir = TempDir::new();
        let mut store = Store::open(&dir.0).expect("opens");
        let address = |store: &Store| store.server_address().expect("read");
        assert_eq!(address(&store), ServerAddress::default());
        let public = "jam.example.org:9000".parse().ok();
        let first = ServerAddress { public, listen_ip: None, listen_port: Some(7891) };
        store.set_server_address(&first).expect("written");
        assert_eq!(address(&store), first);
        let second = ServerAddress { public: None, listen_ip: "::1".parse().ok(), listen_port: Some(1) };
        store.set_server_address(&second).expect("written");
        assert_eq!(address(&store), second);
    }
}
