//! The secret that lets other machines read `/metrics`.

use crate::failure::OperatorError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The shortest token, in bytes; shorter ones could be guessed.
const MIN_LEN: usize = 16;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct MetricsToken(Vec<u8>);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("--metrics-token-file {0} cannot be read ({1}). Give the file's path, and let this user read it.")]
    Unreadable(PathBuf, io::Error),
    /// The file holds no token.
    #[error(
        "--metrics-token-file {0} must hold one line of at least {MIN_LEN} letters, digits or punctuation marks. Make \
         one: head -c 24 /dev/urandom | base64 > {0}"
    )]
    Invalid(PathBuf),
}

impl MetricsToken {
    /// Reads a token from a file, without the white space around it.
    ///
    /// # Errors
    /// When the file cannot be read or holds no token.
    pub fn read(path: &Path) -> Result<MetricsToken, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|e| TokenError::Unreadable(path.to_owned(), e))?;
        let token = text.trim();
        if token.len() < MIN_LEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::Invalid(path.to_owned()));
        }
        Ok(MetricsToken(token.as_bytes().to_vec()))
    }

    /// Whether `shown` is this token. Takes the same time for every text of the same length.
    pub fn matches(&self, shown: &[u8]) -> bool {
        let differs = self.0.iter().zip(shown).fold(0, |all, (a, b)| all | (a ^ b));
        self.0.len() == shown.len() && std::hint::black_box(differs) == 0
    }
}

impl fmt::Debug for MetricsToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetricsToken(…)")
    }
}

impl OperatorError for TokenError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::TempDir;

    /// A token matches itself alone; a short or missing one is an error.
    #[test]
    fn tokens_are_read_and_compared() {
        let dir = TempDir::new();
        std::fs::create_dir_all(&dir.0).expect("a folder");
        let path = dir.0.join("token");
        std::fs::write(&path, "abcdefghijklmnop\n").expect("written");
        let token = MetricsToken::read(&path).expect("a token");
        assert!(token.matches(b"abcdefghijklmnop"));
        for wrong in [&b"abcdefghijklmnoq"[..], b"abcdefghijklmno", b"abcdefghijklmnopq", b""] {
            assert!(!token.matches(wrong));
        }
        std::fs::write(&path, "short\n").expect("written");
        assert!(MetricsToken::read(&path).is_err_and(|e| e.to_string().contains("at least 16")));
        let missing = MetricsToken::read(&dir.0.join("nothing"));
        assert!(missing.is_err_and(|e| e.to_string().contains("cannot be read")));
    }
}
