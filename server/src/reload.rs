//! What changes while the server runs: on SIGHUP, config file, certificates and token are read again.

use crate::Failure;
use crate::config::Config;
use crate::http::Live;
use crate::identity::Identity;
use crate::rooms::messages::{RoomsCommand, RoomsHandle, RoomsInput};
use crate::tls::Tls;
use crate::token::Token;
use arc_swap::ArcSwap;
use rtjam_protocol::link::Pin;
use std::sync::Arc;

/// Takes new settings over.
pub struct Reloader {
    config: Config,
    identity: Identity,
    live: Arc<ArcSwap<Live>>,
}

/// What settings of a config say of connections, and the pins of the keys that are shown.
///
/// # Errors
/// When a file of theirs cannot be used.
pub fn live(identity: &Identity, config: &Config) -> Result<(Live, Vec<Pin>), Failure> {
    let metrics_token = config.metrics_token_file.as_deref().map(Token::read).transpose()?;
    let tls = Tls::new(identity, config.tls.as_ref())?;
    Ok((Live { tls: tls.config, proxies: config.proxies.clone(), metrics_token }, tls.pins))
}

impl Reloader {
    /// What the server runs with.
    pub fn new(config: Config, identity: Identity, live: Live) -> Reloader {
        Reloader { config, identity, live: Arc::new(ArcSwap::from_pointee(live)) }
    }

    /// The settings for connections, which change.
    pub fn live(&self) -> Arc<ArcSwap<Live>> {
        self.live.clone()
    }

    /// Takes over what can change, and says in the log what cannot. Where a file cannot be used, all stays as it is.
    pub async fn take(&mut self, new: Config, rooms: &RoomsHandle) {
        let (live, pins) = match live(&self.identity, &new) {
            Ok(read) => read,
            Err(failure) => {
                tracing::error!("{failure} Until then all settings stay as they are.");
                return;
            }
        };
        self.live.store(Arc::new(live));
        // Fails only after the rooms actor has ended, and then the server ends, too.
        let _ = rooms.send(RoomsInput::Command(RoomsCommand::Configure { limits: new.limits, pins })).await;
        for setting in self.config.fixed_that_differ(&new) {
            tracing::warn!("{setting} has changed; the server takes that over when it is restarted");
        }
        self.config = self.config.with_live_of(new);
        tracing::info!("settings and certificates were read again");
    }
}
