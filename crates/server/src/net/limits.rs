//! Limits on who may ask how often (protocol.md, messages: "Limits by source address").
//!
//! Owns counting per source address: what failed and what was asked without proof. Must not know what a request was, nor which address
//! counts behind a proxy. Each node counts for itself; the limits of a token are counted in the store, exactly.
//!
//! Good requests are never counted against an address: twenty thousand machines behind one address must enroll, also while another machine
//! there does nothing but fail. So a source that failed too often is still heard, a few of its requests at a time, and only what fails again is
//! told to stay away, at no more than the cost of having looked.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::code::Own;
use crate::problem::Problem;

/// So many sources are remembered each on its own; beyond, they share counters by network.
const MAX_SOURCES: usize = 65_536;

/// So many requests of shut-out sources are looked at at once, of all those sources together.
const SHUT_OUT_AT_ONCE: usize = 8;

/// So long a request of a shut-out source waits for that: what fails is over in a millisecond or two, so whoever is honest among many gets
/// a turn.
const SHUT_OUT_PATIENCE: Duration = Duration::from_secs(2);

/// The number of entries is looked at once in so many requests.
const LOOK_EVERY: u32 = 256;

/// How much is allowed to one source.
#[derive(Debug, Clone, Copy)]
pub struct SourceQuotas {
    /// What was asked without proof: documents, nonces, sign-in pages.
    pub unauthenticated: Quota,
    /// What failed.
    pub failures: Quota,
}

impl Default for SourceQuotas {
    /// 2,000 unproven questions at once and 200 a second; 300 failures at once and 5 a second. Twenty thousand machines that are
    /// switched on at the same moment behind one address ask 40,000 questions, and are through in four minutes.
    fn default() -> Self {
        let quota = |per_second, burst| Quota::per_second(per_second).allow_burst(burst);
        const fn number(n: u32) -> NonZeroU32 {
            NonZeroU32::new(n).expect("a constant above zero")
        }
        Self {
            unauthenticated: quota(const { number(200) }, const { number(2_000) }),
            failures: quota(const { number(5) }, const { number(300) }),
        }
    }
}

/// Too often. 429, with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; again in {} s", self.retry_after_seconds())]
pub struct Limited {
    /// When it makes sense again.
    pub retry_after: Duration,
}

impl Limited {
    /// For the header: whole seconds, at least one.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> u64 {
        let seconds = self.retry_after.as_secs();
        let whole = if self.retry_after.subsec_nanos() > 0 { seconds + 1 } else { seconds };
        if whole == 0 { 1 } else { whole }
    }
}

impl From<Limited> for Problem {
    fn from(limited: Limited) -> Self {
        Self::of(Own::Api014).retry_after(limited.retry_after_seconds())
    }
}

/// Who asks, as far as an address tells: an IPv4 address, or the /64 that one IPv6 host commands anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// The source of this address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(prefix(v6, 64).into()),
            v4 => Self(v4),
        }
    }

    /// The network it is in, for when there are more sources than we remember: /8, or /32 of IPv6.
    fn network(self) -> Self {
        match self.0 {
            // 0.x is nobody's address, so a network is never taken for one.
            IpAddr::V4(v4) => Self(IpAddr::from([0, 0, 0, v4.octets()[0]])),
            IpAddr::V6(v6) => Self(prefix(v6, 32).into()),
        }
    }
}

fn prefix(v6: Ipv6Addr, length: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> length))
}

/// Counts by source address.
pub struct SourceLimits<C: Clock = DefaultClock> {
    unauthenticated: Bounded<C>,
    failures: Bounded<C>,
    /// Sources that failed too often, and until when they wait for a turn. Forgetting one early forgives it, no more.
    shut_out: moka::sync::Cache<Source, C::Instant>,
    /// The turns of shut-out sources.
    turns: Arc<Semaphore>,
    /// So long they wait for one.
    patience: Duration,
    clock: C,
}

/// A request that is looked at. One of a shut-out source holds its turn until this is dropped.
#[derive(Debug)]
#[must_use = "the turn ends when this is dropped"]
pub struct Admitted {
    _turn: Option<OwnedSemaphorePermit>,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self::new(SourceQuotas::default(), DefaultClock::default())
    }
}

impl<C> SourceLimits<C>
where
    C: Clock + Clone,
    C::Instant: Send + Sync + 'static,
{
    /// With these quotas, by this clock.
    #[must_use]
    pub fn new(quotas: SourceQuotas, clock: C) -> Self {
        Self {
            unauthenticated: Bounded::new(quotas.unauthenticated, clock.clone()),
            failures: Bounded::new(quotas.failures, clock.clone()),
            shut_out: moka::sync::Cache::new(MAX_SOURCES as u64),
            turns: Arc::new(Semaphore::new(SHUT_OUT_AT_ONCE)),
            patience: SHUT_OUT_PATIENCE,
            clock,
        }
    }

    /// Lets a request in, call it first, before anything costly. Counts nothing. A shut-out source waits for its turn.
    ///
    /// # Errors
    /// [`Limited`] for a shut-out source when there was no turn in time.
    pub async fn admit(&self, from: IpAddr) -> Result<Admitted, Limited> {
        let Some(until) = self.shut_out_until(from) else { return Ok(Admitted { _turn: None }) };
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await;
        match turn {
            Ok(Ok(turn)) => Ok(Admitted { _turn: Some(turn) }),
            _ => Err(self.limited(until)),
        }
    }

    fn shut_out_until(&self, from: IpAddr) -> Option<C::Instant> {
        let source = Source::of(from);
        let until = self.shut_out.get(&source)?;
        if self.clock.now() >= until {
            self.shut_out.invalidate(&source);
            return None;
        }
        Some(until)
    }

    fn limited(&self, until: C::Instant) -> Limited {
        Limited { retry_after: until.duration_since(self.clock.now()).into() }
    }

    /// Counts a request that needs no proof.
    ///
    /// # Errors
    /// [`Limited`] if there were too many; then it is not counted.
    pub fn unauthenticated(&self, from: IpAddr) -> Result<(), Limited> {
        self.unauthenticated.count(Source::of(from)).map_err(|until| self.limited(until))
    }

    /// Counts a failure: what did not verify, was malformed, or named what is not there.
    ///
    /// # Errors
    /// [`Limited`] from the first that is too many on, until the source may fail once more: then the answer is that it should stay away, and
    /// nothing about the failure is kept.
    pub fn failed(&self, from: IpAddr) -> Result<(), Limited> {
        let source = Source::of(from);
        self.failures.count(source).map_err(|until| {
            self.shut_out.insert(source, until);
            self.limited(until)
        })
    }
}

type Keyed<C> = RateLimiter<Source, DashMapStateStore<Source>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A limiter whose memory has an end.
struct Bounded<C: Clock> {
    limiter: Keyed<C>,
    asked: AtomicU32,
    full: std::sync::atomic::AtomicBool,
    max: usize,
}

impl<C: Clock> Bounded<C> {
    fn new(quota: Quota, clock: C) -> Self {
        Self {
            limiter: RateLimiter::dashmap_with_clock(quota, clock),
            asked: AtomicU32::new(0),
            full: false.into(),
            max: MAX_SOURCES,
        }
    }

    fn count(&self, source: Source) -> Result<(), C::Instant> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % LOOK_EVERY == LOOK_EVERY - 1 {
            self.tidy();
        }
        let key = if self.full.load(Ordering::Relaxed) { source.network() } else { source };
        self.limiter.check_key(&key).map_err(|not_until| not_until.earliest_possible())
    }

    /// Forgets whom nothing is held against; if too many are left, sources share counters from now on.
    fn tidy(&self) {
        if self.limiter.len() >= self.max {
            self.limiter.retain_recent();
        }
        self.full.store(self.limiter.len() >= self.max, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn number(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Three failures and five questions at once, one more of each a second.
    fn limits() -> (SourceLimits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let quotas = SourceQuotas {
            unauthenticated: Quota::per_second(number(1)).allow_burst(number(5)),
            failures: Quota::per_second(number(1)).allow_burst(number(3)),
        };
        (SourceLimits::new(quotas, clock.clone()), clock)
    }

    const HERE: &str = "192.0.2.1";

    #[tokio::test]
    async fn a26_who_fails_too_often_is_told_to_stay_away_and_heard_all_the_same() {
        let (limits, clock) = limits();
        let limits = SourceLimits { patience: Duration::from_millis(100), ..limits };
        for _ in 0..3 {
            assert_eq!(limits.failed(ip(HERE)), Ok(()));
        }
        let limited = limits.failed(ip(HERE)).unwrap_err();
        assert_eq!((limited.retry_after, limited.retry_after_seconds()), (Duration::from_secs(1), 1));
        // Whoever proves something comes through, but not all of them at once.
        let mut turns = Vec::new();
        for _ in 0..SHUT_OUT_AT_ONCE {
            turns.push(limits.admit(ip(HERE)).await.unwrap());
        }
        assert!(limits.admit(ip(HERE)).await.is_err(), "no turn in time");
        assert!(limits.admit(ip("192.0.2.2")).await.is_ok(), "others need none");
        let (waited, ()) = tokio::join!(limits.admit(ip(HERE)), async { drop(turns.pop()) });
        assert!(waited.is_ok(), "the next turn");
        clock.advance(Duration::from_millis(999));
        assert!(limits.failed(ip(HERE)).is_err());
        clock.advance(Duration::from_millis(1));
        assert_eq!(limits.shut_out_until(ip(HERE)), None, "forgiven");
        assert_eq!(limits.failed(ip(HERE)), Ok(()));
    }

    #[tokio::test]
    async fn good_requests_count_for_nothing_however_many() {
        let (limits, _) = limits();
        for _ in 0..20_000 {
            assert!(limits.admit(ip(HERE)).await.is_ok());
        }
    }

    #[test]
    fn questions_without_proof_are_counted_apart_from_failures() {
        let (limits, clock) = limits();
        for _ in 0..5 {
            assert_eq!(limits.unauthenticated(ip(HERE)), Ok(()));
        }
        assert_eq!(limits.unauthenticated(ip(HERE)).unwrap_err().retry_after, Duration::from_secs(1));
        assert_eq!(limits.failed(ip(HERE)), Ok(()), "failures are another count");
        clock.advance(Duration::from_secs(1));
        assert_eq!(limits.unauthenticated(ip(HERE)), Ok(()));
        assert!(limits.unauthenticated(ip(HERE)).is_err());
    }

    #[test]
    fn an_address_written_otherwise_and_a_neighbour_in_the_same_64_are_the_same_source() {
        let (limits, _) = limits();
        for _ in 0..4 {
            let _ = (limits.failed(ip(HERE)), limits.failed(ip("2001:db8:1:2::1")));
        }
        assert!(limits.shut_out_until(ip("::ffff:192.0.2.1")).is_some());
        assert!(limits.shut_out_until(ip("2001:db8:1:2:ffff::9")).is_some());
        assert!(limits.shut_out_until(ip("2001:db8:1:3::1")).is_none());
    }

    #[test]
    fn memory_ends_and_the_limit_does_not() {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_second(number(1)).allow_burst(number(2));
        let bounded = Bounded { max: 1_000, ..Bounded::new(quota, clock.clone()) };
        let source = |n: u32| Source::of(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 64).into());
        let mut refused = 0;
        for n in 0..100_000 {
            refused += u32::from(bounded.count(source(n)).is_err());
        }
        assert!(bounded.limiter.len() < 1_000 + LOOK_EVERY as usize + 2, "{}", bounded.limiter.len());
        assert!(refused > 98_000, "{refused}: a network with a hundred thousand sources shares one counter");
        clock.advance(Duration::from_secs(60));
        bounded.tidy();
        assert_eq!(bounded.limiter.len(), 0);
        assert!(bounded.count(source(7)).is_ok() && bounded.count(source(8)).is_ok());
        assert_eq!(bounded.limiter.len(), 2, "afterwards each has its own again");
    }

    #[test]
    fn networks_are_never_taken_for_addresses() {
        assert_eq!(Source::of(ip("10.1.2.3")).network(), Source(ip("0.0.0.10")));
        assert_eq!(Source::of(ip("2001:db8:1:2::1")).network(), Source(ip("2001:db8::")));
    }

    #[test]
    fn retry_after_is_never_zero_and_rounds_up() {
        for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_999, 60)] {
            assert_eq!(Limited { retry_after: Duration::from_millis(millis) }.retry_after_seconds(), seconds);
        }
    }
}
