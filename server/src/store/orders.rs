//! What commands ask of the running server, and what it answers: the database carries both, so that only those who own
//! the data folder can ask.

use super::Store;
use crate::Failure;
use rusqlite::{OptionalExtension as _, params};

impl Store {
    /// Forgets what was asked of a server that ended before it answered.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_orders(&mut self) -> Result<(), Failure> {
        self.db.execute("DELETE FROM orders", []).map(|_| ()).map_err(|e| self.failed(&e))
    }

    /// Asks something. Returns the order's number.
    ///
    /// # Errors
    /// When the database fails.
    pub fn place_order(&mut self, request: &str) -> Result<i64, Failure> {
        let result = self.db.execute("INSERT INTO orders (request) VALUES (?1)", [request]);
        result.map(|_| self.db.last_insert_rowid()).map_err(|e| self.failed(&e))
    }

    /// Orders without an answer, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn open_orders(&self) -> Result<Vec<(i64, String)>, Failure> {
        let read = || {
            let query = "SELECT id, request FROM orders WHERE answer IS NULL ORDER BY id";
            let mut statement = self.db.prepare_cached(query)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|e| self.failed(&e))
    }

    /// Answers an order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn answer_order(&mut self, id: i64, answer: &str) -> Result<(), Failure> {
        let result = self.db.execute("UPDATE orders SET answer = ?2 WHERE id = ?1", params![id, answer]);
        result.map(|_| ()).map_err(|e| self.failed(&e))
    }

    /// The answer to an order, once it is there.
    ///
    /// # Errors
    /// When the database fails.
    pub fn order_answer(&self, id: i64) -> Result<Option<String>, Failure> {
        let read = || {
            let mut statement = self.db.prepare_cached("SELECT answer FROM orders WHERE id = ?1")?;
            statement.query_row([id], |row| row.get::<_, Option<String>>(0)).optional()
        };
        read().map(Option::flatten).map_err(|e| self.failed(&e))
    }

    /// Forgets an order, answered or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_order(&mut self, id: i64) -> Result<(), Failure> {
        self.db.execute("DELETE FROM orders WHERE id = ?1", [id]).map(|_| ()).map_err(|e| self.failed(&e))
    }
}
