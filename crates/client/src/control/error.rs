//! Why there is no control connection.

use std::fmt;
use std::io;

/// Why a control connection could not be opened, or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionError {
    /// The name has no address, or no name server answers.
    NameNotFound,
    /// The host answers, but nothing listens on the port.
    NothingListens,
    /// There is no route, or the network is down.
    NoNetwork,
    /// The address is link-local and names no interface.
    NoInterface,
    /// No answer arrived in time.
    NoAnswer,
    /// Something answers that is not an RTJam server.
    NotRtjam,
    /// The server shows another key than the one in the link.
    WrongServer,
    /// The system's root certificates do not vouch for the server's certificate, for this reason.
    Certificate(String),
    /// The server closed the connection.
    Closed,
    /// This computer cannot open connections, for this reason.
    System(String),
}

impl ConnectionError {
    pub(super) fn of_connect(e: &io::Error) -> ConnectionError {
        match e.kind() {
            io::ErrorKind::ConnectionRefused => ConnectionError::NothingListens,
            io::ErrorKind::TimedOut => ConnectionError::NoAnswer,
            io::ErrorKind::InvalidInput => ConnectionError::NoInterface,
            _ => ConnectionError::NoNetwork,
        }
    }

    pub(super) fn of_tls(e: &io::Error) -> ConnectionError {
        use rustls::{CertificateError, Error};
        match e.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            // Another key than the pinned one, or its certificate shown by a server without the private key.
            Some(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure | CertificateError::BadSignature,
            )) => ConnectionError::WrongServer,
            Some(Error::InvalidCertificate(why)) => ConnectionError::Certificate(why.to_string()),
            Some(_) => ConnectionError::NotRtjam,
            None if e.kind() == io::ErrorKind::TimedOut => ConnectionError::NoAnswer,
            // A server that stops or is overloaded closes in the middle; so may any other program.
            None => ConnectionError::Closed,
        }
    }

    /// Of the errors of a server's addresses the one to report: errors that another attempt may mend come first, and
    /// an answer before silence.
    pub(super) fn most_telling(all: impl IntoIterator<Item = ConnectionError>) -> ConnectionError {
        all.into_iter().min_by_key(ConnectionError::rank).unwrap_or(ConnectionError::NameNotFound)
    }

    fn rank(&self) -> u8 {
        match self {
            ConnectionError::NothingListens | ConnectionError::NoInterface | ConnectionError::System(_) => 0,
            ConnectionError::Closed => 1,
            ConnectionError::NotRtjam => 2,
            ConnectionError::Certificate(_) => 3,
            ConnectionError::NoAnswer => 4,
            ConnectionError::NoNetwork => 5,
            ConnectionError::WrongServer => 6,
            ConnectionError::NameNotFound => 7,
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionError::NameNotFound => f.write_str("the server's name has no address"),
            ConnectionError::NothingListens => f.write_str("nothing listens on the server's port"),
            ConnectionError::NoNetwork => f.write_str("there is no route to the server"),
            ConnectionError::NoInterface => f.write_str("the link-local address names no interface"),
            ConnectionError::NoAnswer => f.write_str("the server does not answer"),
            ConnectionError::NotRtjam => f.write_str("what answers is not an RTJam server"),
            ConnectionError::WrongServer => f.write_str("the server shows another key than the one in the link"),
            ConnectionError::Certificate(why) => write!(f, "the server's certificate is not valid: {why}"),
            ConnectionError::Closed => f.write_str("the server closed the connection"),
            ConnectionError::System(why) => write!(f, "this computer cannot open a connection: {why}"),
        }
    }
}

impl std::error::Error for ConnectionError {}
