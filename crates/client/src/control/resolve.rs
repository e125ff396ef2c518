//! Names to addresses, without ever waiting for a name server that hangs.

use super::error::Trouble;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// A name that was never found is waited for this long.
const PATIENCE: Duration = Duration::from_millis(3000);

/// Where old addresses are known, a fresh answer is waited for this long. After a sleep or a change of network the
/// name server is often the last to come back.
const PATIENCE_WITH_KNOWN: Duration = Duration::from_millis(300);

/// Addresses without a port: an IPv6 address of one network comes with the interface that leads there.
type Answer = Result<Vec<SocketAddr>, Trouble>;

/// Looks names up. At most one lookup a name is under way: the system's own waits, uninterruptible, for up to half a
/// minute, on a thread of the runtime's.
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
    /// The addresses of `host` (no brackets), with port 0, in the order to try them. Must be called within the runtime.
    pub(super) async fn resolve(&self, host: &str) -> Answer {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, 0)]);
        }
        let (known, mut asked) = self.ask(host);
        let patience = if known.is_empty() { PATIENCE } else { PATIENCE_WITH_KNOWN };
        let answer = timeout(patience, asked.wait_for(Option::is_some)).await;
        let fresh = answer.ok().and_then(Result::ok).and_then(|answer| answer.clone());
        match fresh {
            Some(Ok(found)) => Ok(found),
            _ if !known.is_empty() => Ok(known),
            Some(Err(trouble)) => Err(trouble),
            None => Err(Trouble::NotFound),
        }
    }

    /// What is known from before, and the lookup that is under way or was just begun.
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
        let found = tokio::net::lookup_host((host.as_str(), 0)).await;
        let found = match found {
            Ok(found) => in_turn(found),
            Err(_) => Vec::new(),
        };
        if let Some(name) = self.names.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&host) {
            name.asked = None;
            if !found.is_empty() {
                name.known.clone_from(&found);
            }
        }
        let _ = answer.send(Some(if found.is_empty() { Err(Trouble::NotFound) } else { Ok(found) }));
    }
}

/// The families in turn, beginning with the system's first choice, so that one dead family costs one attempt
/// (RFC 8305, section 4).
fn in_turn(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in found.map(unmapped) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    let Some(first_is_v6) = all.first().map(SocketAddr::is_ipv6) else { return all };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for address in all {
        if address.is_ipv6() == first_is_v6 { first.push(address) } else { second.push(address) }
    }
    let mut turns = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            return turns;
        }
        turns.extend(pair.0.into_iter().chain(pair.1));
    }
}

/// An IPv4 address that is written as an IPv6 address, as the IPv4 address that it is.
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

    #[test]
    fn families_take_turns_and_the_first_choice_stays_first() {
        let found = ips(&["2001:db8::1", "2001:db8::2", "2001:db8::1", "192.0.2.1", "::ffff:192.0.2.2"]);
        let expected = ips(&["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
        assert_eq!(in_turn(found.into_iter()), expected);
        assert_eq!(in_turn(std::iter::empty()), ips(&[]));
    }
}
