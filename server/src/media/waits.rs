//! For how long a musician's end may count on being waited for, from what each of their listeners' ends says.
//!
//! What listeners say decides whether lost packets are sent again or copied, for everyone. So no single one decides: the
//! lowest claim is taken for an outlier, and who is sent no packets of their own has no say.

use rtjam_protocol::Micros;

/// Of two claims the higher one holds, but at most so much above the lower one.
const BETWEEN_TWO: Micros = Micros::from_millis(10);

/// Of more than two, the claim below which one in so many lies, and at least one.
const LOW_QUANTILE: usize = 4;

/// How long late packets are waited for, by what the listeners claim; `None` where nobody says. Sorts the claims.
///
/// One claimant among several never decides, and up to a quarter of them together cannot go below what any other
/// claims. A claimant who is alone decides for nobody else.
pub(super) fn agreed_wait(claims: &mut [Micros]) -> Option<Micros> {
    claims.sort_unstable();
    match *claims {
        [] => None,
        [only] => Some(only),
        [low, high] => Some(high.min(low + BETWEEN_TWO)),
        ref more => more.get((more.len() / LOW_QUANTILE).max(1)).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(claims: &[u64]) -> Option<u64> {
        let mut claims: Vec<Micros> = claims.iter().map(|ms| Micros::from_millis(*ms)).collect();
        agreed_wait(&mut claims).map(|wait| wait.0 / 1000)
    }

    /// One who claims nothing at all, or more than anybody waits, moves the wait of several to what another claims.
    #[test]
    fn one_hostile_claimant_never_decides() {
        let honest = [12, 9, 14, 11, 30, 10, 13, 12, 11, 10, 9, 16];
        for count in 2..=honest.len() {
            let least = *honest[..count].iter().min().expect("some");
            let most = *honest[..count].iter().max().expect("some");
            for hostile in [0, 655] {
                let mut claims = honest[..count].to_vec();
                claims.push(hostile);
                let wait = agreed(&claims).expect("claims");
                assert!((least..=most).contains(&wait), "{wait} ms of {claims:?}");
            }
        }
    }

    /// A quarter of the claimants together does not go below what the others claim.
    #[test]
    fn a_quarter_of_hostile_claimants_changes_nothing() {
        for count in 4..=63_usize {
            let hostile = count / 4;
            let claims: Vec<u64> = (0..count).map(|n| if n < hostile { 0 } else { 10 + n as u64 % 5 }).collect();
            assert!(agreed(&claims).is_some_and(|wait| wait >= 10), "{hostile} of {count}");
        }
    }

    /// Among two, a claim of nothing leaves ten milliseconds, and a claim of very much adds at most that.
    #[test]
    fn two_claimants_meet_within_ten_milliseconds() {
        assert_eq!([agreed(&[0, 12]), agreed(&[0, 8]), agreed(&[5, 655]), agreed(&[7, 7])], [10, 8, 15, 7].map(Some));
        assert_eq!((agreed(&[]), agreed(&[4])), (None, Some(4)));
    }
}
