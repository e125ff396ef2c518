//! A rate limit with a burst.

use rtjam_protocol::Micros;

/// A token bucket that gains one token per interval (the generic cell rate algorithm, ITU-T I.371). It stores only the
/// time at which it will be full.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    full_at: Micros,
}

impl Bucket {
    /// Takes a token from a bucket that holds `burst` of them.
    ///
    /// # Errors
    /// When it is empty: the time until there is a token.
    pub fn take(&mut self, now: Micros, burst: u32, interval: Micros) -> Result<(), Micros> {
        let full_at = self.full_at.max(now) + interval;
        let wait = full_at.since(now + times(interval, burst));
        if wait > Micros::ZERO {
            return Err(wait);
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Takes a token even if the bucket is empty. Returns the time until that token would have been there, at most `most`.
    pub fn borrow(&mut self, now: Micros, burst: u32, interval: Micros, most: Micros) -> Micros {
        let free = now + times(interval, burst);
        self.full_at = (self.full_at.max(now) + interval).min(free + most);
        self.full_at.since(free)
    }

    /// Whether the bucket is full.
    pub fn is_full(&self, now: Micros) -> bool {
        self.full_at <= now
    }
}

fn times(interval: Micros, n: u32) -> Micros {
    Micros(interval.0.saturating_mul(u64::from(n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = Micros::from_secs(1);

    #[test]
    fn grants_burst_then_one_per_interval() {
        let mut bucket = Bucket::default();
        let (start, mut taken) = (Micros::from_secs(50), 0);
        for millis in 0..60_000 {
            taken += u32::from(bucket.take(start + Micros::from_millis(millis), 5, SECOND).is_ok());
        }
        assert_eq!(taken, 5 + 59);
        assert!(!bucket.is_full(start + Micros::from_secs(60)) && bucket.is_full(start + Micros::from_secs(70)));
    }

    #[test]
    fn grants_a_token_after_the_returned_wait() {
        let mut bucket = Bucket::default();
        let now = Micros::from_secs(9);
        assert_eq!(bucket.take(now, 1, SECOND), Ok(()));
        let wait = bucket.take(now + Micros(1), 1, SECOND).expect_err("empty");
        assert!(bucket.take(now + wait, 1, SECOND).is_err());
        assert_eq!(bucket.take(now + Micros(1) + wait, 1, SECOND), Ok(()));
    }

    #[test]
    fn debt_is_bounded() {
        let mut bucket = Bucket::default();
        let now = Micros::from_secs(9);
        let last = (0..1000).map(|_| bucket.borrow(now, 2, SECOND, Micros::from_secs(3))).last();
        assert_eq!(last, Some(Micros::from_secs(3)));
        assert!(bucket.is_full(now + Micros::from_secs(5)));
    }
}
