//! Counts of what happened, day by day: sign-ins, refusals, devices, users.
//!
//! Owns what is counted, and that asking never reads the log: events are counted once, in the background, a page at a time; whoever asks reads the
//! counts of days and the few events that came since. Must not know charts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as JsonValue;
use utoipa::ToSchema;

use crate::audit::AuditEvent;
use crate::id::OrgId;
use crate::query::{Direction, Filter};
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::table::record;
use crate::time::Timestamp;
use crate::value::Columnar as _;
use crate::{Directory, Error, FieldProblem, Result};

/// The longest time that is shown, days.
pub const MOST_DAYS: u64 = 90;

/// So many events are read at a time.
const AT_ONCE: u64 = 1_000;
/// So many times in one round and organization: the rest is for the next round.
const PAGES: usize = 50;
/// Events are counted when they are this old: by then every node's are in the log, and in their order.
const SETTLED: Duration = Duration::from_secs(60);

const DAY_MS: i64 = 86_400_000;

record! {
    /// How often something happened on a day.
    pub struct DayCount in "day_count" key ["org", "day", "what"] {
        /// The day, UTC, counted from 1970-01-01.
        pub day: u64,
        /// What: `silent`, `interactive`, `devices`, `users`, or a code that was refused with.
        pub what: String,
        /// How often.
        pub count: u64,
    }
}

record! {
    /// Up to which event an organization's are counted.
    pub struct CountedUpTo in "counted_up_to" key ["org"] {
        /// The event's id.
        pub event: String,
        /// When it happened.
        pub at: Timestamp,
    }
}

/// What happened on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DayView {
    /// The day, UTC: `2026-11-24`.
    pub day: String,
    /// Sign-ins that the device did by itself.
    pub silent: u64,
    /// Sign-ins by a person at a browser.
    pub interactive: u64,
    /// Sign-ins and registrations that were refused. What is repeated within a minute for the same reason and from the same network counts once.
    pub refused: u64,
    /// Devices that were registered.
    pub devices: u64,
    /// Users that were added.
    pub users: u64,
}

/// How often a code was refused with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefusedView {
    /// The code.
    pub code: String,
    /// How often.
    pub count: u64,
}

/// Statistics of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatisticsView {
    /// Day by day, oldest first; the last is today.
    pub days: Vec<DayView>,
    /// What was refused, most often first.
    pub refused: Vec<RefusedView>,
    /// Everything up to here is counted; absent if everything is.
    #[schema(value_type = Option<String>)]
    pub counted_until: Option<Timestamp>,
}

/// Counts, by day and by what.
type Counts = BTreeMap<(u64, String), u64>;

fn day_of(at: Timestamp) -> u64 {
    u64::try_from(at.millis().div_euclid(DAY_MS)).unwrap_or(0)
}

fn day_name(day: u64) -> String {
    let start = i64::try_from(day).unwrap_or(0).saturating_mul(DAY_MS);
    Timestamp::from_millis(start).to_string().chars().take(10).collect()
}

/// What an event counts as.
fn counts_as(event: &AuditEvent) -> Option<String> {
    if event.outcome != "ok" {
        let counted = ["signin.", "device.enroll", "device.bind"].iter().any(|begin| event.action.starts_with(begin));
        return event.code.clone().filter(|_| counted);
    }
    let what = match event.action.as_str() {
        "signin.saml" => match event.details.get("channel").and_then(JsonValue::as_str) {
            Some("agent") => "silent",
            _ => "interactive",
        },
        "device.enroll" => "devices",
        "user.create" | "user.provision" => "users",
        _ => return None,
    };
    Some(what.to_owned())
}

fn count<'e>(events: impl IntoIterator<Item = &'e AuditEvent>) -> Counts {
    let mut counts = Counts::new();
    for event in events {
        if let Some(what) = counts_as(event) {
            *counts.entry((day_of(event.at), what)).or_default() += 1;
        }
    }
    counts
}

/// The events after one, oldest first. Ids sort by time.
fn after<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    head: Option<&CountedUpTo>,
    limit: u64,
) -> std::result::Result<Vec<AuditEvent>, StoreError> {
    let filter = head.map_or_else(Filter::all, |head| {
        Filter::Ge(AuditEvent::id.name, head.event.to_value()).and(AuditEvent::id.eq(&head.event).negate())
    });
    Org::of(tx, org).select(filter, vec![(AuditEvent::id.name, Direction::Ascending)], Some(limit))
}

impl Directory {
    /// Counts what happened since the last round, in every organization.
    pub async fn count_events(&self) -> Result<()> {
        for organization in self.organizations().await? {
            for _ in 0..PAGES {
                if self.count_some(&organization.id).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Counts a page of events. Answers whether it was the last for now.
    async fn count_some(&self, org: &OrgId) -> Result<bool> {
        let of = org.clone();
        let (head, events) = self
            .read::<_, Error>(move |tx| {
                let settled = tx.now().minus(SETTLED);
                let head = Org::of(tx, &of).one::<CountedUpTo>(Filter::all())?;
                let mut events = after(tx, &of, head.as_ref(), AT_ONCE)?;
                // What is newer waits, and everything behind it: the order is that of ids.
                let end = events.iter().position(|event| event.at >= settled).unwrap_or(events.len());
                events.truncate(end);
                Ok((head, events))
            })
            .await?;
        let Some(last) = events.last() else { return Ok(true) };
        let next = CountedUpTo { org: org.clone(), event: last.id.clone(), at: last.at };
        let is_last = (events.len() as u64) < AT_ONCE;
        let (counts, org) = (count(&events), org.clone());
        self.write::<_, StoreError>(move |tx| {
            let mut ours = Org::of(tx, &org);
            // Another node was faster: what it counted is not counted twice.
            if ours.one::<CountedUpTo>(Filter::all())? != head {
                return Ok(());
            }
            for ((day, what), by) in &counts {
                let same = DayCount::day.eq(day).and(DayCount::what.eq(what));
                let by_signed = i64::try_from(*by).unwrap_or(i64::MAX);
                if ours.increase::<DayCount>(same, DayCount::count, by_signed)? == 0 {
                    ours.add(&DayCount { org: org.clone(), day: *day, what: what.clone(), count: *by })?;
                }
            }
            match &head {
                None => ours.add(&next),
                Some(_) => ours.replace(&next),
            }
        })
        .await?;
        Ok(is_last)
    }

    /// What happened in the last days, today included. Reads the counts of these days and at most a page of events that are not counted yet.
    pub async fn statistics(&self, org: &OrgId, days: u64) -> Result<StatisticsView> {
        if !(1..=MOST_DAYS).contains(&days) {
            let detail = format!("{days} is not a number of days from 1 to {MOST_DAYS}");
            return Err(Error::Invalid(vec![FieldProblem::invalid("/days", detail)]));
        }
        let org = org.clone();
        self.read(move |tx| {
            let today = day_of(tx.now());
            let first = today.saturating_sub(days - 1);
            let mut counts = Counts::new();
            for row in Org::of(tx, &org).find::<DayCount>(DayCount::day.at_least(&first))? {
                *counts.entry((row.day, row.what)).or_default() += row.count;
            }
            let head = Org::of(tx, &org).one::<CountedUpTo>(Filter::all())?;
            let newer = after(tx, &org, head.as_ref(), AT_ONCE)?;
            let is_all = (newer.len() as u64) < AT_ONCE;
            let counted_until = newer.last().map(|event| event.at).filter(|_| !is_all);
            for (key, by) in count(&newer) {
                *counts.entry(key).or_default() += by;
            }
            Ok(view(&counts, first, today, counted_until))
        })
        .await
    }
}

fn view(counts: &Counts, first: u64, today: u64, counted_until: Option<Timestamp>) -> StatisticsView {
    let mut days: Vec<DayView> =
        (first..=today).map(|day| DayView { day: day_name(day), ..DayView::default() }).collect();
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for ((day, what), count) in counts {
        let at = day.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        let Some(day) = at.and_then(|at| days.get_mut(at)) else { continue };
        match what.as_str() {
            "silent" => day.silent += count,
            "interactive" => day.interactive += count,
            "devices" => day.devices += count,
            "users" => day.users += count,
            code => {
                day.refused += count;
                *refused.entry(code).or_default() += count;
            }
        }
    }
    let mut refused: Vec<_> =
        refused.into_iter().map(|(code, count)| RefusedView { code: code.to_owned(), count }).collect();
    refused.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.cmp(&b.code)));
    StatisticsView { days, refused, counted_until }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Actor, Head, NewEvent};

    #[test]
    fn an_event_counts_as_what_it_is_and_most_count_as_nothing() {
        let (org, at) = (OrgId::cloud(), Timestamp::from_millis(DAY_MS + 5));
        let mut head = Head::open(at);
        let by = Actor::system();
        let new = |action| NewEvent::new(&by, action, "t");
        let all = [
            new("signin.saml").with("channel", "agent"),
            new("signin.saml").with("channel", "browser"),
            new("signin.saml").refused("LK-PROOF-010", "r1"),
            new("device.enroll"),
            new("device.enroll").refused("LK-TOKEN-001", "r2"),
            new("user.provision"),
            new("policy.set"),
            new("portal.refuse").refused("LK-AUTH-002", "r3"),
        ];
        let events: Vec<_> = all.into_iter().map(|event| head.append(&org, at, event)).collect();
        let seen = view(&count(&events), 0, 1, None);
        let day = DayView { day: "1970-01-02".into(), silent: 1, interactive: 1, refused: 2, devices: 1, users: 1 };
        assert_eq!(seen.days, [DayView { day: "1970-01-01".into(), ..DayView::default() }, day]);
        let codes: Vec<_> = seen.refused.iter().map(|one| (one.code.as_str(), one.count)).collect();
        assert_eq!(codes, [("LK-PROOF-010", 1), ("LK-TOKEN-001", 1)]);
    }
}
