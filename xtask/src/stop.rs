//! Whether somebody asked for the end (Ctrl-C, SIGTERM).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::{consts, flag};

/// Set by a signal, read by whatever waits.
#[derive(Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn register() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        flag::register(consts::SIGINT, asked.clone())?;
        flag::register(consts::SIGTERM, asked.clone())?;
        #[cfg(unix)]
        flag::register(consts::SIGHUP, asked.clone())?;
        Ok(Self(asked))
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
