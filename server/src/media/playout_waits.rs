//! How long a musician's client may assume that recipients wait for late packets, from what each recipient's client claims.
//!
//! The claims decide whether lost packets are retransmitted or sent redundantly, for all recipients. So no single recipient
//! decides: the lowest claim counts as an outlier, and a recipient of a mix has no say.

use rtjam_protocol::Micros;

/// Of two claims the higher one holds, but at most this much above the lower one.
const MAX_ABOVE_LOWER: Micros = Micros::from_millis(10);

/// Of more than two claims, the one below which one in this many lies, but at least one.
const LOW_QUANTILE: usize = 4;

/// The wait on which the sender may count; `None` without claims. Sorts the claims.
///
/// One claimant among several never decides, and up to a quarter of them together cannot push the wait below all other
/// claims. A sole claimant decides for itself only.
pub(super) fn agreed_wait(claims: &mut [Micros]) -> Option<Micros> {
    claims.sort_unstable();
    match *claims {
        [] => None,
        [only] => Some(only),
        [low, high] => Some(high.min(low + MAX_ABOVE_LOWER)),
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

    /// A claim of zero or of far too much moves the wait no further than to what another recipient claims.
    #[test]
    fn single_claimant_never_decides() {
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

    /// A quarter of the claimants together cannot go below what the others claim.
    #[test]
    fn quarter_of_claimants_never_decides() {
        for count in 4..=63_usize {
            let hostile = count / 4;
            let claims: Vec<u64> = (0..count).map(|n| if n < hostile { 0 } else { 10 + n as u64 % 5 }).collect();
            assert!(agreed(&claims).is_some_and(|wait| wait >= 10), "{hostile} of {count}");
        }
    }

    /// Of two claims, a claim of zero leaves ten milliseconds, and an excessive one adds at most ten.
    #[test]
    fn two_claims_differ_by_ten_milliseconds() {
        assert_eq!([agreed(&[0, 12]), agreed(&[0, 8]), agreed(&[5, 655]), agreed(&[7, 7])], [10, 8, 15, 7].map(Some));
        assert_eq!((agreed(&[]), agreed(&[4])), (None, Some(4)));
    }
}
