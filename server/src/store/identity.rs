//! The server's key.

use super::Store;
use crate::Failure;
use rusqlite::{OptionalExtension as _, TransactionBehavior, params};

impl Store {
    /// The key pair (PKCS#8) by which links know this server: the stored one, else the one that `make` makes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn identity(&mut self, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, Failure> {
        let dir = self.dir.clone();
        let read_or_insert = || {
            // Immediate: of two programs that both find none, the second waits and then finds the first one's.
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let stored = transaction.query_row("SELECT pkcs8 FROM identity", [], |row| row.get(0)).optional()?;
            if let Some(stored) = stored {
                return Ok(stored);
            }
            let fresh = make();
            transaction.execute("INSERT INTO identity (only, pkcs8) VALUES (1, ?1)", params![fresh])?;
            transaction.commit()?;
            Ok(fresh)
        };
        read_or_insert().map_err(|e| super::failure(&dir, &e))
    }
}
