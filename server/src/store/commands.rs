//! Commands to the running server, and its answers. They pass through the database, so only users who can write to the data
//! folder can give commands.

use super::database::{Store, StoreError};
use rusqlite::{OptionalExtension as _, params};

impl Store {
    /// Removes the commands that an earlier server left without an answer.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clear_commands(&mut self) -> Result<(), StoreError> {
        self.db.execute("DELETE FROM orders", []).map(|_| ()).map_err(|e| self.failed(e))
    }

    /// Adds a command. Returns its number.
    ///
    /// # Errors
    /// When the database fails.
    pub fn queue_command(&mut self, request: &str) -> Result<i64, StoreError> {
        let result = self.db.execute("INSERT INTO orders (request) VALUES (?1)", [request]);
        result.map(|_| self.db.last_insert_rowid()).map_err(|e| self.failed(e))
    }

    /// The commands without an answer, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn pending_commands(&self) -> Result<Vec<(i64, String)>, StoreError> {
        let read = || {
            let query = "SELECT id, request FROM orders WHERE answer IS NULL ORDER BY id";
            let mut statement = self.db.prepare_cached(query)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|e| self.failed(e))
    }

    /// Answers a command.
    ///
    /// # Errors
    /// When the database fails.
    pub fn answer_command(&mut self, id: i64, answer: &str) -> Result<(), StoreError> {
        let result = self.db.execute("UPDATE orders SET answer = ?2 WHERE id = ?1", params![id, answer]);
        result.map(|_| ()).map_err(|e| self.failed(e))
    }

    /// The answer to a command; `None` as long as there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn command_answer(&self, id: i64) -> Result<Option<String>, StoreError> {
        let read = || {
            let mut statement = self.db.prepare_cached("SELECT answer FROM orders WHERE id = ?1")?;
            statement.query_row([id], |row| row.get::<_, Option<String>>(0)).optional()
        };
        read().map(Option::flatten).map_err(|e| self.failed(e))
    }

    /// Removes a command, answered or not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_command(&mut self, id: i64) -> Result<(), StoreError> {
        self.db.execute("DELETE FROM orders WHERE id = ?1", [id]).map(|_| ()).map_err(|e| self.failed(e))
    }
}
