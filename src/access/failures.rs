//! Limits for wrong passwords, per address and per account.
//!
//! An address that guesses is refused for a time. An account that is guessed at makes attempts wait, at most
//! [`MAX_DELAY`], and is never closed: else an attacker could lock its owner out.

use super::buckets::Buckets;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Attempts that an address has at once, and the time in which one more is added.
const ADDRESS_BURST: u32 = 8;
const ADDRESS_REFILL: Duration = Duration::from_secs(10);

/// The same for an account.
const ACCOUNT_BURST: u32 = 10;
const ACCOUNT_REFILL: Duration = Duration::from_secs(10);

/// Longest delay of an attempt at an account under attack.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Verdict on an attempt to log in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The password may be checked after this time.
    After(Duration),
    /// The address has to wait.
    Refused {
        /// Time until the next attempt.
        retry_after: Duration,
    },
}

/// Counts attempts. Right passwords give theirs back.
#[derive(Debug, Default)]
pub struct FailureLimiter {
    addresses: Buckets<IpAddr>,
    accounts: Buckets<String>,
}

impl FailureLimiter {
    /// Takes an attempt of `address` at `account`. Without an address only the account counts: a proxy's address is that of
    /// everybody.
    pub fn attempt(&mut self, address: Option<IpAddr>, account: &str, now: Instant) -> Verdict {
        let network = address.map(network);
        if let Some(network) = network
            && let Err(retry_after) =
                self.addresses
                    .take(network, ADDRESS_BURST, ADDRESS_REFILL, now)
        {
            return Verdict::Refused { retry_after };
        }
        let taken = self
            .accounts
            .take(account.to_owned(), ACCOUNT_BURST, ACCOUNT_REFILL, now);
        Verdict::After(taken.err().unwrap_or_default().min(MAX_DELAY))
    }

    /// Gives an attempt back after a right password. Those before it still count: who knows one password must not guess
    /// others faster.
    pub fn succeeded(&mut self, address: Option<IpAddr>, account: &str) {
        if let Some(address) = address {
            self.addresses.give_back(&network(address), ADDRESS_REFILL);
        }
        self.accounts.give_back(&account.to_owned(), ACCOUNT_REFILL);
    }
}

/// Returns what belongs to one person: an IPv4 address, or a /64 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::super::buckets::MAX_ENTRIES;
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn guessing_address_is_refused_and_others_are_not() {
        let mut limiter = FailureLimiter::default();
        let now = Instant::now();
        let attacker = address("192.0.2.1");
        let mut checked = 0;
        for _ in 0..60_000 {
            checked += usize::from(matches!(
                limiter.attempt(attacker, "owner", now),
                Verdict::After(_)
            ));
        }
        assert_eq!(checked, ADDRESS_BURST as usize);
        let Verdict::Refused { retry_after } = limiter.attempt(attacker, "owner", now) else {
            panic!("not refused");
        };
        assert!(retry_after <= ADDRESS_REFILL, "{retry_after:?}");
        let Verdict::After(delay) = limiter.attempt(address("198.51.100.7"), "owner", now) else {
            panic!("the owner is locked out");
        };
        assert_eq!(delay, Duration::ZERO);
        let later = now + retry_after;
        assert!(matches!(
            limiter.attempt(attacker, "owner", later),
            Verdict::After(_)
        ));
    }

    #[test]
    fn account_under_attack_delays_for_a_second_at_most() {
        let mut limiter = FailureLimiter::default();
        let now = Instant::now();
        for number in 0..1000_u32 {
            let attacker = Some(IpAddr::from(number.to_be_bytes()));
            let Verdict::After(delay) = limiter.attempt(attacker, "owner", now) else {
                panic!("refused");
            };
            assert!(delay <= MAX_DELAY);
        }
        let owner = address("2001:db8::1");
        assert_eq!(
            limiter.attempt(owner, "owner", now),
            Verdict::After(MAX_DELAY)
        );
        assert_eq!(
            limiter.attempt(owner, "other", now),
            Verdict::After(Duration::ZERO)
        );
    }

    #[test]
    fn right_password_gives_its_own_attempt_back() {
        let mut limiter = FailureLimiter::default();
        let now = Instant::now();
        let address = address("192.0.2.1");
        for _ in 0..100 {
            assert_eq!(
                limiter.attempt(address, "guest", now),
                Verdict::After(Duration::ZERO)
            );
            limiter.succeeded(address, "guest");
        }
        // Between them, other accounts are guessed at.
        let mut guesses = 0;
        while let Verdict::After(_) = limiter.attempt(address, "owner", now) {
            guesses += 1;
            if let Verdict::After(_) = limiter.attempt(address, "guest", now) {
                limiter.succeeded(address, "guest");
            }
        }
        assert!(guesses <= ADDRESS_BURST, "{guesses}");
    }

    #[test]
    fn ipv6_network_counts_as_one_address() {
        let mut limiter = FailureLimiter::default();
        let now = Instant::now();
        let mut refused = 0;
        for number in 0..100_u32 {
            let attacker = address(&format!("2001:db8::{number:x}"));
            refused += usize::from(
                limiter.attempt(attacker, "x", now) != Verdict::After(Duration::ZERO)
                    && matches!(limiter.attempt(attacker, "x", now), Verdict::Refused { .. }),
            );
        }
        assert!(refused > 80, "{refused}");
        assert_eq!(
            network("::ffff:192.0.2.1".parse().unwrap()),
            address("192.0.2.1").unwrap()
        );
    }

    #[test]
    fn memory_of_attempts_is_bounded() {
        let mut limiter = FailureLimiter::default();
        let now = Instant::now();
        for number in 0..2 * MAX_ENTRIES as u32 {
            let attacker = Some(IpAddr::from(number.to_be_bytes()));
            limiter.attempt(attacker, &number.to_string(), now);
        }
        assert_eq!(limiter.addresses.len(), MAX_ENTRIES);
        assert_eq!(limiter.accounts.len(), MAX_ENTRIES);
    }
}
