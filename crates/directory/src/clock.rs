//! Whether the clock can be believed. A wrong time must not take devices away.
//!
//! Owns the comparison of the wall clock with the monotonic one while the process runs, and with the last look of any process before it
//! (lifecycle.md, "Clock, DNS, names"). Must not know what waits for it.

use std::time::{Duration, Instant};

use crate::Directory;
use crate::audit::{Actor, Checkpoint, NewEvent};
use crate::id::OrgId;
use crate::query::{Direction, Filter};
use crate::records::ClockLook;
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::time::Timestamp;

/// After a disagreement the clock is not believed for so long.
const DOUBT: Duration = Duration::from_secs(24 * 60 * 60);

/// Wall clock and monotonic clock may drift apart by so much.
const DRIFT: Duration = Duration::from_secs(10 * 60);

/// A process cannot tell a clock that jumped ahead before its start from a server that was off. Up to this the difference does no harm:
/// nothing is taken away for being a day older. A server that was off for longer waits a day too: nobody could reach it meanwhile.
const OFF: Duration = DOUBT;

/// What a process remembers of its looks at the clocks.
#[derive(Debug, Default)]
pub struct ClockWatch {
    last: Option<(Timestamp, Instant)>,
    disturbed: Option<Instant>,
}

impl ClockWatch {
    /// Looks at both clocks. `false` for a day after they disagreed.
    fn is_steady(&mut self, wall: Timestamp, monotonic: Instant) -> bool {
        if let Some((last_wall, last_monotonic)) = self.last.replace((wall, monotonic)) {
            let went = monotonic.saturating_duration_since(last_monotonic);
            let difference = wall.millis().abs_diff(last_wall.plus(went).millis());
            if Duration::from_millis(difference) > DRIFT {
                self.disturbed = Some(monotonic);
            }
        }
        self.disturbed.is_none_or(|since| monotonic.saturating_duration_since(since) >= DOUBT)
    }
}

impl Directory {
    /// Looks at the clocks, and keeps that for the next process. `false` for a day after they disagreed, in this process or one before.
    pub async fn clock_is_steady(&self, watch: &mut ClockWatch) -> Result<bool, StoreError> {
        let (wall, monotonic) = (self.now(), self.clock().monotonic());
        let first = watch.last.is_none();
        let steady = watch.is_steady(wall, monotonic);
        let disagreed = watch.disturbed == Some(monotonic);
        let disturbed_at = self
            .write::<_, StoreError>(move |tx| {
                let org = OrgId::cloud();
                let stored: Option<ClockLook> = Org::of(tx, &org).one(Filter::all())?;
                let before = match &stored {
                    Some(look) => Some(look.at),
                    None => newest_checkpoint(tx)?,
                };
                let elsewhere = |before: Timestamp| wall.since(before) > OFF || before.since(wall) > DRIFT;
                let disturbed_at = if disagreed || (first && before.is_some_and(elsewhere)) {
                    Some(wall)
                } else {
                    stored.as_ref().and_then(|look| look.disturbed_at).map(|at| believable(at, wall))
                };
                let look = ClockLook { org: org.clone(), at: wall, disturbed_at };
                let mut ours = Org::of(tx, &org);
                if stored.is_some() {
                    ours.replace(&look)?;
                } else {
                    // Another node may have looked first: one look is as good as the other.
                    let _taken = ours.insert(&look)?;
                }
                Ok(disturbed_at)
            })
            .await?;
        Ok(steady && disturbed_at.is_none_or(|at| wall.since(at) >= DOUBT))
    }
}

impl Directory {
    /// Records that a server goes on under a clock that is wrong, because that was asked for.
    pub async fn note_accepted_clock(&self, actor: &Actor, wrong: String) -> Result<(), StoreError> {
        let actor = actor.clone();
        self.write(move |tx| {
            let org = OrgId::cloud();
            let event = NewEvent::new(&actor, "clock.accept", org.as_str());
            Org::of(tx, &org).audit(event.with("detail", &wrong));
            Ok(())
        })
        .await
    }
}

/// When the clocks last disagreed. What a clock far ahead wrote would else hold up every node until that time has come: the day of doubt
/// begins now.
fn believable(disturbed_at: Timestamp, wall: Timestamp) -> Timestamp {
    if disturbed_at.since(wall) > DRIFT { wall } else { disturbed_at }
}

/// When the newest checkpoint of any organization was signed.
pub(crate) fn newest_checkpoint<T: Tx + ?Sized>(tx: &mut T) -> Result<Option<Timestamp>, StoreError> {
    let query = crate::query::Query {
        table: <Checkpoint as crate::table::Record>::TABLE,
        filter: Filter::all(),
        order: vec![("at", Direction::Descending)],
        limit: Some(1),
    };
    let row = tx.select(&query)?.into_iter().next();
    Ok(row.map(<Checkpoint as crate::table::Record>::from_row).transpose()?.map(|checkpoint| checkpoint.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_disagree_are_not_believed_for_a_day() {
        let (mut watch, start, wall) = (ClockWatch::default(), Instant::now(), Timestamp::from_millis(1_000_000));
        let hour = |n: u32| Duration::from_secs(3600) * n;
        assert!(watch.is_steady(wall, start));
        assert!(watch.is_steady(wall.plus(hour(1)), start + hour(1)));
        assert!(watch.is_steady(wall.plus(hour(2) + DRIFT), start + hour(2)));
        assert!(!watch.is_steady(wall.plus(hour(9_000)), start + hour(3)), "a year ahead");
        assert!(!watch.is_steady(wall.plus(hour(9_023)), start + hour(26)));
        assert!(watch.is_steady(wall.plus(hour(9_024)), start + hour(27)));
        assert!(!watch.is_steady(wall, start + hour(28)), "and back");
    }

    #[test]
    fn a_disturbance_noted_by_a_clock_far_ahead_ends_a_day_from_now() {
        let wall = Timestamp::from_millis(1_000_000_000);
        let year = Duration::from_secs(365 * 86_400);
        assert_eq!(believable(wall.plus(year), wall), wall);
        assert_eq!(believable(wall.plus(DRIFT), wall), wall.plus(DRIFT), "nodes differ by a little");
        let earlier = Timestamp::from_millis(900_000_000);
        assert_eq!(believable(earlier, wall), earlier, "it is not prolonged at every look");
    }
}
