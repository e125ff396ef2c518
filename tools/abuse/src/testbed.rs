//! The network namespaces of the server, the honest musicians, the attackers and the newcomers.

use rtjam_tests::machine;
use rtjam_tests::namespace::Namespace;
use std::net::{IpAddr, Ipv4Addr};
use std::thread::{Scope, ScopedJoinHandle};

/// The number of addresses of the attackers.
pub const ATTACKERS: u8 = 16;

/// The number of addresses of the newcomers.
pub const NEWCOMERS: u8 = 4;

/// A network segment with a namespace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Honest musicians, with one address.
    Honest,
    /// Attackers, with [`ATTACKERS`] addresses.
    Attackers,
    /// Musicians who join during an attack, with [`NEWCOMERS`] addresses.
    Newcomers,
}

/// All namespaces. Virtual cables connect each segment to the server.
pub struct Testbed {
    /// The server's namespace.
    pub server: Namespace,
    honest: Namespace,
    attackers: Namespace,
    newcomers: Namespace,
}

impl Segment {
    const ALL: [Segment; 3] = [Segment::Honest, Segment::Attackers, Segment::Newcomers];

    fn network(self) -> u8 {
        match self {
            Segment::Honest => 1,
            Segment::Attackers => 2,
            Segment::Newcomers => 3,
        }
    }

    /// The number of addresses.
    pub fn addresses(self) -> u8 {
        match self {
            Segment::Honest => 1,
            Segment::Attackers => ATTACKERS,
            Segment::Newcomers => NEWCOMERS,
        }
    }

    /// The server's address in this segment.
    pub fn server(self) -> IpAddr {
        Ipv4Addr::new(10, 78, self.network(), 1).into()
    }

    /// The address with this index, modulo their number.
    pub fn address(self, n: usize) -> IpAddr {
        let last = 2 + (n % usize::from(self.addresses())) as u8;
        Ipv4Addr::new(10, 78, self.network(), last).into()
    }
}

impl Testbed {
    /// Makes the namespaces and connects them.
    ///
    /// # Errors
    /// The reason when root or iproute2 is missing.
    ///
    /// # Panics
    /// When a command of root fails.
    pub fn build() -> Result<Testbed, &'static str> {
        if !machine::is_root() || !machine::has_program("ip") {
            return Err("network namespaces need root and iproute2");
        }
        let testbed = Testbed {
            server: Namespace::add("srv"),
            honest: Namespace::add("hon"),
            attackers: Namespace::add("atk"),
            newcomers: Namespace::add("new"),
        };
        for segment in Segment::ALL {
            let device = format!("jam{}", segment.network());
            let ends = [segment.server(), segment.address(0)].map(|ip| format!("{ip}/24"));
            let namespace = testbed.namespace(segment);
            testbed.server.join(namespace, [&device, "jam0"], [&ends[0], &ends[1]]);
            for n in 1..segment.addresses() {
                namespace.add_address(&format!("{}/24", segment.address(n.into())), "jam0");
            }
        }
        Ok(testbed)
    }

    fn namespace(&self, segment: Segment) -> &Namespace {
        match segment {
            Segment::Honest => &self.honest,
            Segment::Attackers => &self.attackers,
            Segment::Newcomers => &self.newcomers,
        }
    }

    /// Starts a thread in a segment.
    ///
    /// # Panics
    /// When the system gives no thread. The thread panics when it cannot enter the namespace.
    #[expect(clippy::expect_used, reason = "no attack works without its network")]
    pub fn spawn<'scope, T: Send + 'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        segment: Segment,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        scope.spawn(move || {
            self.namespace(segment).enter().expect("root can enter a namespace");
            work()
        })
    }

    /// Runs `work` in a segment and waits for it.
    ///
    /// # Panics
    /// When `work` does.
    pub fn inside<T: Send>(&self, segment: Segment, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| match self.spawn(scope, segment, work).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}
