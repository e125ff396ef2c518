//! A rate with a burst, in one number.

use rtjam_protocol::Micros;

/// A bucket of tokens that refills by one an interval (the generic cell rate algorithm, ITU-T I.371): it keeps the
/// time at which it is full again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    full_at: Micros,
}

impl Bucket {
    /// Takes a token of `burst`.
    ///
    /// # Errors
    /// When there is none; how long until there is.
    pub fn take(&mut self, now: Micros, burst: u32, interval: Micros) -> Result<(), Micros> {
        let full_at = self.full_at.max(now) + interval;
        let wait = full_at.since(now + times(interval, burst));
        if wait > Micros::ZERO {
            return Err(wait);
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Takes a token, if need be one of the future: how long until that one would have been there. Debts end at
    /// `most`.
    pub fn borrow(&mut self, now: Micros, burst: u32, interval: Micros, most: Micros) -> Micros {
        let free = now + times(interval, burst);
        self.full_at = (self.full_at.max(now) + interval).min(free + most);
        self.full_at.since(free)
    }

    /// Whether it is as good as new.
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
    fn over_any_length_of_time_it_gives_the_burst_and_one_an_interval() {
        let mut bucket = Bucket::default();
        let (start, mut taken) = (Micros::from_secs(50), 0);
        for millis in 0..60_000 {
            taken += u32::from(bucket.take(start + Micros::from_millis(millis), 5, SECOND).is_ok());
        }
        assert_eq!(taken, 5 + 59);
        assert!(!bucket.is_full(start + Micros::from_secs(60)) && bucket.is_full(start + Micros::from_secs(70)));
    }

    #[test]
    fn what_it_refuses_it_grants_after_the_wait_that_it_names() {
        let mut bucket = Bucket::default();
        let now = Micros::from_secs(9);
        assert_eq!(bucket.take(now, 1, SECOND), Ok(()));
        let wait = bucket.take(now + Micros(1), 1, SECOND).expect_err("empty");
        assert!(bucket.take(now + wait, 1, SECOND).is_err());
        assert_eq!(bucket.take(now + Micros(1) + wait, 1, SECOND), Ok(()));
    }

    #[test]
    fn debts_end() {
        let mut bucket = Bucket::default();
        let now = Micros::from_secs(9);
        let last = (0..1000).map(|_| bucket.borrow(now, 2, SECOND, Micros::from_secs(3))).last();
        assert_eq!(last, Some(Micros::from_secs(3)));
        assert!(bucket.is_full(now + Micros::from_secs(5)));
    }
}
