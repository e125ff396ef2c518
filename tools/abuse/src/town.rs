//! The namespaces: the server's, the honest musicians', the attackers' and the newcomers'.

use rtjam_tests::machine;
use rtjam_tests::namespace::Namespace;
use std::net::{IpAddr, Ipv4Addr};
use std::thread::{Scope, ScopedJoinHandle};

/// Addresses that attackers have.
pub const ATTACKERS: u8 = 16;

/// Addresses that newcomers have.
pub const NEWCOMERS: u8 = 4;

/// Who lives where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quarter {
    /// Musicians who play. One address.
    Honest,
    /// Attackers, with [`ATTACKERS`] addresses.
    Attackers,
    /// People who join while others attack, with [`NEWCOMERS`] addresses.
    Newcomers,
}

/// All of them, joined to the server's namespace by virtual cables.
pub struct Town {
    /// Where the server runs.
    pub server: Namespace,
    honest: Namespace,
    attackers: Namespace,
    newcomers: Namespace,
}

impl Quarter {
    const ALL: [Quarter; 3] = [Quarter::Honest, Quarter::Attackers, Quarter::Newcomers];

    fn network(self) -> u8 {
        match self {
            Quarter::Honest => 1,
            Quarter::Attackers => 2,
            Quarter::Newcomers => 3,
        }
    }

    /// How many addresses it has.
    pub fn addresses(self) -> u8 {
        match self {
            Quarter::Honest => 1,
            Quarter::Attackers => ATTACKERS,
            Quarter::Newcomers => NEWCOMERS,
        }
    }

    /// The server's address as seen from here.
    pub fn server(self) -> IpAddr {
        Ipv4Addr::new(10, 78, self.network(), 1).into()
    }

    /// One of its addresses; they repeat.
    pub fn address(self, n: usize) -> IpAddr {
        let last = 2 + (n % usize::from(self.addresses())) as u8;
        Ipv4Addr::new(10, 78, self.network(), last).into()
    }
}

impl Town {
    /// Builds the town.
    ///
    /// # Errors
    /// A sentence that says what is missing: root, or iproute2.
    ///
    /// # Panics
    /// When the system refuses what root may do.
    pub fn build() -> Result<Town, &'static str> {
        if !machine::is_root() || !machine::has_program("ip") {
            return Err("network namespaces need root and iproute2");
        }
        let town = Town {
            server: Namespace::add("srv"),
            honest: Namespace::add("hon"),
            attackers: Namespace::add("atk"),
            newcomers: Namespace::add("new"),
        };
        for quarter in Quarter::ALL {
            let device = format!("jam{}", quarter.network());
            let ends = [quarter.server(), quarter.address(0)].map(|ip| format!("{ip}/24"));
            let namespace = town.namespace(quarter);
            town.server.join(namespace, [&device, "jam0"], [&ends[0], &ends[1]]);
            for n in 1..quarter.addresses() {
                namespace.add_address(&format!("{}/24", quarter.address(n.into())), "jam0");
            }
        }
        Ok(town)
    }

    fn namespace(&self, quarter: Quarter) -> &Namespace {
        match quarter {
            Quarter::Honest => &self.honest,
            Quarter::Attackers => &self.attackers,
            Quarter::Newcomers => &self.newcomers,
        }
    }

    /// Starts a thread in a quarter.
    ///
    /// # Panics
    /// When the machine gives no thread. The thread panics when it may not enter.
    #[expect(clippy::expect_used, reason = "an instrument without its network measures nothing")]
    pub fn spawn<'scope, T: Send + 'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        quarter: Quarter,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        scope.spawn(move || {
            self.namespace(quarter).enter().expect("root may enter a namespace of its own");
            work()
        })
    }

    /// Does something in a quarter and waits for it.
    ///
    /// # Panics
    /// When `work` does.
    pub fn inside<T: Send>(&self, quarter: Quarter, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| match self.spawn(scope, quarter, work).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}
