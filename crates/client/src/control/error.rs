//! Why a control connection could not be opened, or ended.

use std::io;

/// Why there is no control connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The name has no address, or no name server answers.
    NotFound,
    /// Nothing listens there.
    NothingListens,
    /// No route, or the network is down.
    NoNetwork,
    /// The address is link-local, and no interface is named.
    NoInterface,
    /// No answer in time.
    Silent,
    /// Something answers, but it is no RTJam server.
    NotRtjam,
    /// The server shows another key than the one that the link names.
    WrongServer,
    /// The system's roots do not vouch for the certificate; why.
    Certificate(String),
    /// The connection was made and then lost.
    Lost,
    /// This computer cannot make connections; why.
    System(String),
}

impl Trouble {
    /// What an error of connecting by TCP means.
    pub(super) fn of_connect(e: &io::Error) -> Trouble {
        match e.kind() {
            io::ErrorKind::ConnectionRefused => Trouble::NothingListens,
            io::ErrorKind::TimedOut => Trouble::Silent,
            io::ErrorKind::InvalidInput => Trouble::NoInterface,
            _ => Trouble::NoNetwork,
        }
    }

    /// What an error of the TLS handshake means.
    pub(super) fn of_tls(e: &io::Error) -> Trouble {
        use rustls::{CertificateError, Error};
        match e.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            // Another key than the pinned one, or its certificate shown by somebody who has not got the key.
            Some(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure | CertificateError::BadSignature,
            )) => Trouble::WrongServer,
            Some(Error::InvalidCertificate(why)) => Trouble::Certificate(why.to_string()),
            Some(_) => Trouble::NotRtjam,
            None if e.kind() == io::ErrorKind::TimedOut => Trouble::Silent,
            // A server that stops or is overrun hangs up in the middle; so may a stranger.
            None => Trouble::Lost,
        }
    }

    /// Of the troubles with a server's addresses the one to tell: what another try may mend comes before what it
    /// cannot, and an answer before silence.
    pub(super) fn most_telling(all: impl IntoIterator<Item = Trouble>) -> Trouble {
        all.into_iter().min_by_key(Trouble::rank).unwrap_or(Trouble::NotFound)
    }

    fn rank(&self) -> u8 {
        match self {
            Trouble::NothingListens | Trouble::NoInterface | Trouble::System(_) => 0,
            Trouble::Lost => 1,
            Trouble::NotRtjam => 2,
            Trouble::Certificate(_) => 3,
            Trouble::Silent => 4,
            Trouble::NoNetwork => 5,
            Trouble::WrongServer => 6,
            Trouble::NotFound => 7,
        }
    }
}
