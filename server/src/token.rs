//! The secret by which other machines may read `/metrics`.

use crate::Failure;
use std::fmt;
use std::path::Path;

/// Shorter ones could be guessed.
const LEAST: usize = 16;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Vec<u8>);

impl Token {
    /// Reads one from a file; white space around it does not count.
    ///
    /// # Errors
    /// When it cannot be read, or is no token.
    pub fn read(path: &Path) -> Result<Token, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| {
            let sentence = "Give the file's path, and let this user read it.";
            Failure::new(format!("--metrics-token-file {shown} cannot be read ({e}). {sentence}"))
        })?;
        let token = text.trim();
        if token.len() < LEAST || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Failure::new(format!(
                "--metrics-token-file {shown} must hold one line of at least {LEAST} letters, digits or marks. Make \
                 one: head -c 24 /dev/urandom | base64 > {shown}"
            )));
        }
        Ok(Token(token.as_bytes().to_vec()))
    }

    /// Whether `shown` is it; takes as long for a nearly right one as for any other of its length.
    pub fn is(&self, shown: &[u8]) -> bool {
        let differs = self.0.iter().zip(shown).fold(0, |all, (a, b)| all | (a ^ b));
        self.0.len() == shown.len() && std::hint::black_box(differs) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::TempDir;

    #[test]
    fn a_token_is_read_and_compared_and_a_short_or_missing_one_is_named() {
        let dir = TempDir::new();
        std::fs::create_dir_all(&dir.0).expect("a folder");
        let path = dir.0.join("token");
        std::fs::write(&path, "abcdefghijklmnop\n").expect("written");
        let token = Token::read(&path).expect("a token");
        assert!(token.is(b"abcdefghijklmnop"));
        for wrong in [&b"abcdefghijklmnoq"[..], b"abcdefghijklmno", b"abcdefghijklmnopq", b""] {
            assert!(!token.is(wrong));
        }
        std::fs::write(&path, "short\n").expect("written");
        assert!(Token::read(&path).is_err_and(|e| e.to_string().contains("at least 16")));
        let missing = Token::read(&dir.0.join("nothing"));
        assert!(missing.is_err_and(|e| e.to_string().contains("cannot be read")));
    }
}
