//! The program's log on stderr.

use crate::config::LogLevel;
use std::io::IsTerminal as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

/// The running log.
pub(crate) struct Log(reload::Handle<Targets, Registry>);

/// Starts the log.
pub(crate) fn start(level: LogLevel) -> Log {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // Fails only when a test has installed its own.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    Log(handle)
}

impl Log {
    /// Changes the level from now on.
    pub(crate) fn set_level(&self, level: LogLevel) {
        // Fails only when the subscriber is gone, and it lives as long as the process.
        let _ = self.0.reload(filter(level));
    }
}

/// Logs this program at `level`, and its libraries at `warn` at most: at finer levels they print the data that passes
/// through them, secrets included.
fn filter(level: LogLevel) -> Targets {
    let ours = LevelFilter::from_level(level.0);
    Targets::new().with_target("rtjam_server", ours).with_default(ours.min(LevelFilter::WARN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_log_only_warnings() {
        let filter = filter(LogLevel(Level::TRACE));
        assert!(filter.would_enable("rtjam_server::lobby", &Level::TRACE));
        assert!(filter.would_enable("rustls", &Level::WARN) && !filter.would_enable("rustls", &Level::INFO));
    }
}
