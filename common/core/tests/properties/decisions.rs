//! Deletion and schedule: nothing beyond what the policy allows.

use cloud_sync_core::deletion::{Decision, DeletionPolicy, OnDelete, Verdict};
use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::Missing;
use cloud_sync_core::schedule::{Past, Rhythm, SchedulePolicy};
use jiff::{SignedDuration, Timestamp};
use proptest::option;
use proptest::prelude::*;

fn deletion_policy() -> impl Strategy<Value = DeletionPolicy> {
    (0..30_u64, 0..=100_u64, 0..5_u64).prop_map(|(count, percent, listings)| DeletionPolicy {
        plausible_count: count,
        plausible_percent: percent,
        agreeing_listings: listings,
        on_delete: OnDelete::Tombstone,
        tombstone_days: 30,
    })
}

fn minutes(count: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(count)
}

/// Minutes in half hours, so that times often fall on the edge of an interval.
fn half_hours(most: i64) -> impl Strategy<Value = i64> {
    (0..most).prop_map(|count| 30 * count)
}

fn past() -> impl Strategy<Value = Past> {
    let time = || option::of(half_hours(20).prop_map(minutes));
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (time(), time(), flags, 0..3_u64, rhythm()).prop_map(
        |(dispatched_at, last_full_at, (in_flight, lacks), live_count, rhythm)| Past {
            dispatched_at,
            in_flight,
            last_full_at,
            live_count,
            rhythm,
            lacks,
        },
    )
}

fn rhythm() -> impl Strategy<Value = Rhythm> {
    let syncs = prop::collection::vec((half_hours(20), 0..100_u64, 0..50_u64), 0..30);
    syncs.prop_map(|syncs| {
        syncs.into_iter().fold(Rhythm::default(), |rhythm, (at, changes, calls)| {
            rhythm.after(minutes(at), changes, calls)
        })
    })
}

fn schedule_policy() -> impl Strategy<Value = SchedulePolicy> {
    (0..7_u32, 0..7_u32, 0..20_u32, 1..100_u32).prop_map(|(least, more, full, worth)| {
        SchedulePolicy {
            min_interval_minutes: 30 * least,
            max_interval_minutes: 30 * (least + more),
            full_interval_minutes: 30 * full,
            calls_per_change_hour: worth,
        }
    })
}

fn decision() -> impl Strategy<Value = Decision> {
    let verdict = prop_oneof![Just(Verdict::Approve), Just(Verdict::Reject)];
    let ids = option::of(prop::collection::vec((0..60_u32).prop_map(|n| format!("i-{n}")), 0..30));
    (verdict, 0..10_u64, ids).prop_map(|(verdict, listing, ids)| Decision {
        verdict,
        listing,
        ids,
        at: Timestamp::UNIX_EPOCH,
        by: None,
    })
}

proptest! {
    #[test]
    fn no_verdict_deletes_more_than_is_allowed(
        policy in deletion_policy(),
        live in 0..200_u64,
        listing in 1..10_u64,
        marks in prop::collection::vec(option::of(1..10_u64), 0..60),
        decisions in prop::collection::vec(decision(), 0..4),
    ) {
        let missing: Vec<_> = marks.iter().enumerate().map(|(n, mark)| {
            let mark = mark.map(|listing| Missing { since: Timestamp::UNIX_EPOCH, listing });
            (format!("i-{n}"), mark)
        }).collect();
        let verdict = policy.judge(live, listing, missing.clone(), &decisions);

        let mut judged: Vec<_> = verdict.delete.iter().chain(&verdict.hold).collect();
        judged.sort();
        let mut ids: Vec<_> = missing.iter().map(|(id, _)| id).collect();
        ids.sort();
        prop_assert_eq!(judged, ids, "each row gets one verdict");

        let decided = |id: &str, mark: Option<Missing>| {
            let about = |decision: &&Decision| {
                let is_meant = decision.ids.as_ref().is_none_or(|ids| ids.contains(&id.to_owned()));
                is_meant && mark.is_some_and(|mark| mark.listing <= decision.listing)
            };
            decisions.iter().rfind(about).map(|decision| decision.verdict)
        };
        let is_approved = |(id, mark): &&(String, Option<Missing>)| {
            decided(id, *mark) == Some(Verdict::Approve)
        };
        let approved = missing.iter().filter(is_approved).count() as u64;
        let known = live.saturating_sub(approved);
        let allowed = policy.plausible_count.max(known * policy.plausible_percent / 100);
        let is_collapse = missing.len() as u64 - approved > allowed;
        for (id, mark) in missing {
            let first = mark.map_or(listing, |mark| mark.listing);
            let listings_without_it = (first..=listing).count().max(1) as u64;
            let is_agreed = !is_collapse || listings_without_it >= policy.agreeing_listings;
            let expected = match decided(&id, mark) {
                Some(verdict) => verdict == Verdict::Approve,
                None => is_agreed,
            };
            prop_assert_eq!(verdict.delete.contains(&id), expected, "{}", id);
        }
    }

    #[test]
    fn an_emptied_scope_is_never_believed_at_first_sight(live in 21..100_000_u64) {
        prop_assert!(DeletionPolicy::default().is_collapse(live, live));
        let missing = (0..live.min(500)).map(|n| (n.to_string(), None)).collect();
        let verdict = DeletionPolicy::default().judge(live.min(500), 9, missing, &[]);
        prop_assert!(verdict.delete.is_empty());
    }

    #[test]
    fn a_scope_is_never_due_early_and_stays_due(
        policy in schedule_policy(),
        past in past(),
        now in half_hours(40),
        later in half_hours(20),
        stretch in 0.0..50.0_f64,
    ) {
        let mode = policy.due(&past, stretch, minutes(now));
        let waited = past.dispatched_at.map(|at| minutes(now).duration_since(at));
        let usual = policy.interval(&past.rhythm, past.live_count, stretch);
        let shortest = SchedulePolicy::every(policy.min_interval_minutes).interval(
            &Rhythm::default(), 1, stretch,
        );
        let interval = if past.lacks { usual.min(shortest) } else { usual };
        let least = SignedDuration::from_mins(policy.min_interval_minutes.into());
        let most = policy.full_interval_minutes.max(policy.min_interval_minutes);
        prop_assert!(interval >= least);
        prop_assert!(interval <= SignedDuration::from_mins(most.into()));
        let is_early = waited.is_some_and(|waited| waited < interval);
        prop_assert_eq!(mode.is_some(), !past.in_flight && !is_early);

        if let Some(mode) = mode {
            let then = policy.due(&past, stretch, minutes(now + later));
            prop_assert!(then.is_some(), "a scope that is due stays due");
            prop_assert!(mode != Mode::Full || then == Some(Mode::Full));
        }
    }

    #[test]
    fn a_whole_day_never_passes_without_a_full_sync_being_due(
        past in past(),
        now in half_hours(80),
    ) {
        let policy = SchedulePolicy::default();
        let full_is_old = past.last_full_at.is_none_or(|at| {
            minutes(now).duration_since(at) >= SignedDuration::from_hours(24)
        });
        let mode = policy.due(&past, 1.0, minutes(now));
        prop_assert!(mode != Some(Mode::Incremental) || !full_is_old);
        prop_assert!(mode != Some(Mode::Full) || full_is_old);
    }
}
