//! Applies new settings while the server runs.

use crate::config::Config;
use crate::failure::Failure;
use crate::http::{LiveSettings, MetricsToken};
use crate::identity::ServerIdentity;
use crate::rooms::messages::{RoomsCommand, RoomsHandle, RoomsInput};
use crate::tls::Tls;
use arc_swap::ArcSwap;
use rtjam_protocol::link::Pin;
use std::sync::Arc;

/// Applies new settings to a running server.
pub struct Reloader {
    config: Config,
    identity: ServerIdentity,
    live: Arc<ArcSwap<LiveSettings>>,
}

/// Reads the files that a configuration names. Returns the settings for connections, and the pins of the keys in use.
///
/// # Errors
/// When a file cannot be used.
pub fn load(identity: &ServerIdentity, config: &Config) -> Result<(LiveSettings, Vec<Pin>), Failure> {
    let metrics_token = config.metrics_token_file.as_deref().map(MetricsToken::read).transpose()?;
    let tls = Tls::new(identity, config.tls.as_ref())?;
    Ok((LiveSettings { tls: tls.config, proxies: config.proxies.clone(), metrics_token }, tls.pins))
}

impl Reloader {
    /// Begins with the settings that the server was started with.
    pub fn new(config: Config, identity: ServerIdentity, live: LiveSettings) -> Reloader {
        Reloader { config, identity, live: Arc::new(ArcSwap::from_pointee(live)) }
    }

    /// The current settings for connections.
    pub fn live(&self) -> Arc<ArcSwap<LiveSettings>> {
        self.live.clone()
    }

    /// Applies what can change, and logs what needs a restart. If a file cannot be used, nothing changes.
    pub async fn apply(&mut self, new: Config, rooms: &RoomsHandle) {
        let (live, pins) = match load(&self.identity, &new) {
            Ok(loaded) => loaded,
            Err(failure) => {
                tracing::error!("{failure} All settings stay as they are.");
                return;
            }
        };
        self.live.store(Arc::new(live));
        // Fails when the rooms actor has ended; then the server ends too.
        let _ = rooms.send(RoomsInput::Command(RoomsCommand::Configure { limits: new.limits, pins })).await;
        for setting in self.config.changes_that_need_restart(&new) {
            tracing::warn!("{setting} has changed and takes effect when the server restarts");
        }
        self.config = self.config.with_live_settings_of(new);
        tracing::info!("reloaded settings and certificates");
    }
}
