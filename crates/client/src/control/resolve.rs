//! Name lookups with a time limit: a name server that hangs delays nothing else.

use super::error::ConnectionError;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Time limit for a name that was never resolved.
const FIRST_TIMEOUT: Duration = Duration::from_millis(3000);

/// Time limit for a fresh answer where old addresses are known. After a sleep or a change of network the name server is
/// often the last to come back.
const REFRESH_TIMEOUT: Duration = Duration::from_millis(300);

/// Addresses with port 0. Link-local IPv6 addresses carry their interface.
type Answer = Result<Vec<SocketAddr>, ConnectionError>;

/// Resolves names, with at most one lookup per name under way: the system's lookup blocks a thread of the runtime for
/// up to half a minute and cannot be interrupted.
#[derive(Clone, Default)]
pub(super) struct Resolver {
    names: Arc<Mutex<HashMap<String, Name>>>,
}

#[derive(Default)]
struct Name {
    known: Vec<SocketAddr>,
    asked: Option<watch::Receiver<Option<Answer>>>,
}

impl Resolver {
    /// The addresses of `host` (without brackets), with port 0, in the order to try them. Must be called within the
    /// runtime.
    pub(super) async fn resolve(&self, host: &str) -> Answer {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, 0)]);
        }
        let (known, mut asked) = self.ask(host);
        let limit = if known.is_empty() { FIRST_TIMEOUT } else { REFRESH_TIMEOUT };
        let answer = timeout(limit, asked.wait_for(Option::is_some)).await;
        let fresh = answer.ok().and_then(Result::ok).and_then(|answer| answer.clone());
        match fresh {
            Some(Ok(found)) => Ok(found),
            _ if !known.is_empty() => Ok(known),
            Some(Err(error)) => Err(error),
            None => Err(ConnectionError::NameNotFound),
        }
    }

    /// The addresses from before, and the lookup that is under way or was just started.
    fn ask(&self, host: &str) -> (Vec<SocketAddr>, watch::Receiver<Option<Answer>>) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = names.entry(host.to_owned()).or_default();
        if let Some(asked) = &name.asked {
            return (name.known.clone(), asked.clone());
        }
        let (answer, asked) = watch::channel(None);
        name.asked = Some(asked.clone());
        let known = name.known.clone();
        drop(names);
        tokio::spawn(self.clone().look_up(host.to_owned(), answer));
        (known, asked)
    }

    async fn look_up(self, host: String, answer: watch::Sender<Option<Answer>>) {
        let found = tokio::net::lookup_host((host.as_str(), 0)).await.map(alternate).unwrap_or_default();
        if let Some(name) = self.names.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&host) {
            name.asked = None;
            if !found.is_empty() {
                name.known.clone_from(&found);
            }
        }
        let _ = answer.send(Some(if found.is_empty() { Err(ConnectionError::NameNotFound) } else { Ok(found) }));
    }
}

/// Alternates between the address families, starting with the system's first choice, so that a dead family costs one
/// attempt (RFC 8305, section 4).
fn alternate(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in found.map(unmapped) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    let Some(first_is_v6) = all.first().map(SocketAddr::is_ipv6) else { return all };
    let turns = 0..all.len();
    let (first, second): (Vec<_>, Vec<_>) = all.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    turns.flat_map(|turn| [first.get(turn), second.get(turn)]).flatten().copied().collect()
}

/// Turns an IPv4-mapped IPv6 address into the IPv4 address.
fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|t| SocketAddr::new(t.parse().expect("an address"), 0)).collect()
    }

    /// Families alternate, and the system's first choice stays first.
    #[test]
    fn address_families_alternate() {
        let found = ips(&["2001:db8::1", "2001:db8::2", "2001:db8::1", "192.0.2.1", "::ffff:192.0.2.2"]);
        let expected = ips(&["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
        assert_eq!(alternate(found.into_iter()), expected);
        assert_eq!(alternate(std::iter::empty()), ips(&[]));
    }
}
