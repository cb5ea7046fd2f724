use std::sync::Arc;

use cloud_sync_core::deletion::{Decision, Verdict};
use cloud_sync_core::lease::{Dispatched, Findings, Lease, Release, ScopeState};
use cloud_sync_core::pace::{Pace, Paces};
use cloud_sync_core::resource::Status;
use cloud_sync_core::schedule::Rhythm;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::stats::ScopeStatuses;
use cloud_sync_core::types::{KnownType, KnownTypes, TypeSpec};
use cloud_sync_runtime::store::{Acquisition, Store, StoreError, keys};
use tokio::join;

use super::fixtures::{at, checkpoint, lease, request, scope};

fn ended(task: &str, findings: Option<Findings>) -> Release {
    let findings = findings.map(Box::new);
    Release::Ended { task_id: task.into(), findings }
}

fn is_lost<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::LeaseLost(_)))
}

pub async fn a_scope_that_was_never_touched_is_new(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    assert_eq!(store.scope(&scope).await.unwrap(), ScopeState::new(scope));
    assert_eq!(store.scopes("prod").await.unwrap(), []);
}

pub async fn exactly_one_of_two_workers_gets_a_lease(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    for round in 0..5 {
        let now = round * 1000;
        let (a, b) = (request("a", "t", now), request("b", "t", now));
        let (a, b) = join!(store.acquire(&scope, &a), store.acquire(&scope, &b));
        match (a.unwrap(), b.unwrap()) {
            (Acquisition::Acquired { lease, .. }, Acquisition::Held { until })
            | (Acquisition::Held { until }, Acquisition::Acquired { lease, .. }) => {
                assert_eq!(until, lease.expires_at);
                assert_eq!(store.scope(&scope).await.unwrap().lease, Some(lease));
            }
            other => panic!("{other:?}"),
        }
    }
}

pub async fn a_lease_is_free_from_the_moment_it_expires(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let first = lease(&*store, &scope, "a", "t", 0).await;
    let mut late = request("b", "t", 100);
    late.now -= jiff::SignedDuration::from_nanos(1);
    let held = store.acquire(&scope, &late).await.unwrap();
    assert_eq!(held, Acquisition::Held { until: first.expires_at });
    assert_eq!(lease(&*store, &scope, "b", "t", 100).await.epoch, first.epoch + 1);
}

pub async fn the_same_owner_gets_its_lease_again_in_a_new_epoch(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let first = lease(&*store, &scope, "a", "t", 0).await;
    let second = lease(&*store, &scope, "a", "t", 1).await;
    let expected = Lease { epoch: first.epoch + 1, expires_at: at(101), ..first.clone() };
    assert_eq!(second, expected);
    assert!(is_lost(store.release(&first, &Release::Continued).await));
}

pub async fn a_takeover_keeps_the_tasks_that_may_be_unfinished(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let first = lease(&*store, &scope, "a", "t-2", 0).await;
    let answer = store.acquire(&scope, &request("b", "t-1", 500)).await.unwrap();
    let Acquisition::Acquired { lease: second, before } = answer else { panic!("{answer:?}") };
    assert_eq!(second.tasks, ["t-1", "t-2"]);
    assert_eq!(before.lease, Some(first));
    let third = lease(&*store, &scope, "c", "t-1", 1000).await;
    assert_eq!(third.tasks, ["t-1", "t-2"], "a task is listed once");
    assert_eq!(store.scope(&scope).await.unwrap().lease, Some(third));
}

pub async fn a_clean_release_forgets_the_tasks(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    for (now, release) in [(0, ended("t-1", None)), (1, Release::Continued)] {
        let held = lease(&*store, &scope, "a", "t-1", now).await;
        store.release(&held, &release).await.unwrap();
        let state = store.scope(&scope).await.unwrap();
        assert_eq!((state.lease, state.epoch), (None, held.epoch));
    }
    assert_eq!(lease(&*store, &scope, "b", "t-2", 2).await.tasks, ["t-2"]);
}

pub async fn an_abandoned_lease_is_free_at_once_and_keeps_its_tasks(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let first = lease(&*store, &scope, "a", "t-1", 0).await;
    store.release(&first, &Release::Abandoned).await.unwrap();
    let left = store.scope(&scope).await.unwrap().lease.unwrap();
    assert!(left.expires_at < at(0) && left.tasks == ["t-1"], "{left:?}");
    assert_eq!(lease(&*store, &scope, "b", "t-2", 0).await.tasks, ["t-1", "t-2"]);
}

pub async fn a_worker_whose_lease_was_taken_can_write_nothing(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let zombie = lease(&*store, &scope, "a", "t-1", 0).await;
    lease(&*store, &scope, "b", "t-2", 200).await;
    let before = store.scope(&scope).await.unwrap();
    assert!(is_lost(store.save_checkpoint(&zombie, &checkpoint("t-1", &[])).await));
    for release in [ended("t-1", Some(Findings::default())), Release::Continued, Release::Abandoned]
    {
        assert!(is_lost(store.release(&zombie, &release).await), "{release:?}");
    }
    assert_eq!(store.scope(&scope).await.unwrap(), before);
}

pub async fn a_lease_ends_only_once(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    for (now, first) in [(0, ended("t", None)), (1, Release::Continued), (2, Release::Abandoned)] {
        let held = lease(&*store, &scope, "a", "t", now).await;
        store.release(&held, &first).await.unwrap();
        for second in [ended("t", None), Release::Continued, Release::Abandoned] {
            assert!(is_lost(store.release(&held, &second).await), "{first:?} then {second:?}");
        }
        assert!(is_lost(store.save_checkpoint(&held, &checkpoint("t", &[])).await));
    }
    let strange = Lease { scope: super::fixtures::scope("prod", "x"), ..request_lease(&scope) };
    assert!(is_lost(store.release(&strange, &Release::Continued).await), "there never was one");
}

fn request_lease(scope: &Scope) -> Lease {
    Lease {
        scope: scope.clone(),
        owner: "a".into(),
        epoch: 1,
        expires_at: at(100),
        tasks: Vec::new(),
    }
}

pub async fn the_findings_of_a_task_replace_those_before(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let findings = Findings {
        last_full_at: Some(at(1)),
        last_complete_at: Some(at(2)),
        last_changed_at: None,
        live_count: 3,
        statuses: Some(ScopeStatuses {
            counts: [Status::Running, Status::Unknown].into_iter().collect(),
            as_of: at(2),
        }),
        complete_listings: 4,
        held_count: 5,
        rhythm: Rhythm::default().after(at(0), 0, 3).after(at(7000), 5, 4),
        ever_deleted: true,
        fed_until: Some(at(6)),
        lacked_at: Some(at(7)),
    };
    let held = lease(&*store, &scope, "a", "t-1", 0).await;
    store.save_checkpoint(&held, &checkpoint("t-1", &["p"])).await.unwrap();
    store.release(&held, &ended("t-1", Some(findings.clone()))).await.unwrap();
    let state = store.scope(&scope).await.unwrap();
    assert_eq!((&state.findings, &state.checkpoint), (&findings, &None));
    assert_eq!(state.ended_task.as_deref(), Some("t-1"));

    let held = lease(&*store, &scope, "a", "t-2", 0).await;
    store.release(&held, &ended("t-2", None)).await.unwrap();
    let state = store.scope(&scope).await.unwrap();
    assert_eq!(state.findings, findings, "what did not get that far replaces nothing");
    assert_eq!(state.ended_task.as_deref(), Some("t-2"));
}

pub async fn a_continuation_finds_the_checkpoint_and_its_parts(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let held = lease(&*store, &scope, "a", "t", 0).await;
    let parts = [vec![1; keys::LARGEST_PART], vec![0, 255], Vec::new()];
    let mut names = Vec::new();
    for part in &parts {
        names.push(store.put_part(&held, "t", part).await.unwrap());
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let saved = checkpoint("t", &names);
    store.save_checkpoint(&held, &saved).await.unwrap();
    store.release(&held, &Release::Continued).await.unwrap();
    let answer = store.acquire(&scope, &request("b", "t", 1)).await.unwrap();
    let Acquisition::Acquired { before, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(before.checkpoint, Some(saved));
    for (name, part) in names.iter().zip(&parts) {
        assert!(store.part(&scope, "t", name).await.unwrap() == *part, "{name}");
    }
}

pub async fn a_checkpoint_replaces_the_one_before(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let held = lease(&*store, &scope, "a", "t", 0).await;
    for parts in [&["a", "b"][..], &["b"], &[]] {
        let saved = checkpoint("t", parts);
        store.save_checkpoint(&held, &saved).await.unwrap();
        assert_eq!(store.scope(&scope).await.unwrap().checkpoint, Some(saved));
    }
}

pub async fn the_same_part_twice_is_one(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let held = lease(&*store, &scope, "a", "t", 0).await;
    let name = store.put_part(&held, "t", &[1, 2]).await.unwrap();
    assert_eq!(store.put_part(&held, "t", &[1, 2]).await.unwrap(), name);
    assert_ne!(store.put_part(&held, "t", &[2, 1]).await.unwrap(), name);
    assert_eq!(store.part(&scope, "t", &name).await.unwrap(), [1, 2]);
}

pub async fn a_part_that_is_too_large_is_refused(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let held = lease(&*store, &scope, "a", "t", 0).await;
    let refused = store.put_part(&held, "t", &vec![1; keys::LARGEST_PART + 1]).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
}

pub async fn a_missing_part_is_an_error_and_not_an_empty_one(store: Arc<dyn Store>) {
    let here = scope("prod", "cn-hangzhou");
    let held = lease(&*store, &here, "a", "t-1", 0).await;
    let name = store.put_part(&held, "t-1", &[1]).await.unwrap();
    for (place, task, name) in [
        (&here, "t-1", "unknown"),
        (&here, "t-2", name.as_str()),
        (&scope("prod", "cn-beijing"), "t-1", &name),
    ] {
        let missing = store.part(place, task, name).await;
        assert!(matches!(missing, Err(StoreError::Corrupt { .. })), "{missing:?}");
    }
}

pub async fn a_zombie_cannot_put_its_parts_into_the_checkpoint(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let zombie = lease(&*store, &scope, "a", "t", 0).await;
    let held = lease(&*store, &scope, "b", "t", 200).await;
    let name = store.put_part(&held, "t", &[1]).await.unwrap();
    let saved = checkpoint("t", &[&name]);
    store.save_checkpoint(&held, &saved).await.unwrap();
    let other = store.put_part(&zombie, "t", &[9]).await.unwrap();
    assert!(is_lost(store.save_checkpoint(&zombie, &checkpoint("t", &[&other])).await));
    assert_eq!(store.scope(&scope).await.unwrap().checkpoint, Some(saved));
    assert_eq!(store.part(&scope, "t", &name).await.unwrap(), [1]);
}

pub async fn the_scopes_of_an_account_are_its_own_and_sorted(store: Arc<dyn Store>) {
    let of =
        |region: &str, kind: &str| Scope { kind: kind.parse().unwrap(), ..scope("prod", region) };
    let expected = [
        of("cn-beijing", "aliyun.ecs.instance"),
        of("cn-hangzhou", "aliyun.ecs.instance"),
        of("cn-beijing", "aliyun.ecs.instances"),
        of("us-west-1", "tencent.cvm.instance"),
    ];
    for scope in [&expected[3], &expected[1], &expected[0], &expected[2]] {
        let held = lease(&*store, scope, "a", "t", 0).await;
        let name = store.put_part(&held, "t", &[1, 2, 3]).await.unwrap();
        store.save_checkpoint(&held, &checkpoint("t", &[&name])).await.unwrap();
    }
    lease(&*store, &scope("prod-2", "cn-beijing"), "a", "t", 0).await;
    lease(&*store, &scope("pro", "cn-beijing"), "a", "t", 0).await;

    let states = store.scopes("prod").await.unwrap();
    let found: Vec<_> = states.iter().map(|state| state.scope.clone()).collect();
    assert_eq!(found, expected);
    for state in states {
        assert_eq!(store.scope(&state.scope).await.unwrap(), state);
    }
}

pub async fn a_scope_given_to_a_task_keeps_its_lease(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let dispatched = Dispatched { task_id: "t-1".into(), at: at(5) };
    store.set_dispatched(&scope, &dispatched).await.unwrap();
    let expected = ScopeState { dispatched: Some(dispatched), ..ScopeState::new(scope.clone()) };
    assert_eq!(store.scope(&scope).await.unwrap(), expected);
    assert_eq!(store.scopes("prod").await.unwrap(), [expected]);

    let held = lease(&*store, &scope, "a", "t-1", 0).await;
    let later = Dispatched { task_id: "t-2".into(), at: at(6) };
    store.set_dispatched(&scope, &later).await.unwrap();
    let state = store.scope(&scope).await.unwrap();
    assert_eq!((state.lease, state.dispatched), (Some(held), Some(later)));
}

pub async fn leases_that_are_let_expire_are_free_and_keep_their_tasks(store: Arc<dyn Store>) {
    let (mine, free, other) =
        (scope("prod", "cn-hangzhou"), scope("prod", "cn-beijing"), scope("test", "cn-beijing"));
    let dead = lease(&*store, &mine, "a", "t-1", 0).await;
    let done = lease(&*store, &free, "a", "t-1", 0).await;
    store.release(&done, &Release::Continued).await.unwrap();
    let alive = lease(&*store, &other, "a", "t-1", 0).await;

    store.expire_leases("prod").await.unwrap();
    assert_eq!(lease(&*store, &mine, "b", "t-2", 0).await.tasks, ["t-1", "t-2"]);
    assert!(is_lost(store.release(&dead, &Release::Continued).await));
    assert_eq!(store.scope(&free).await.unwrap().lease, None);
    assert_eq!(store.scope(&other).await.unwrap().lease, Some(alive));
}

fn decision(verdict: Verdict, ids: Option<&[&str]>) -> Decision {
    let ids = ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
    Decision { verdict, listing: 7, ids, at: at(3), by: Some("kim".into()) }
}

pub async fn one_of_two_operators_decides_first(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let held = lease(&*store, &scope, "a", "t", 0).await;
    let one = [decision(Verdict::Approve, Some(&["i-1", "i-2"]))];
    let other = [Decision { by: None, ..decision(Verdict::Reject, None) }];
    let (a, b) =
        join!(store.set_decisions(&scope, &[], &one), store.set_decisions(&scope, &[], &other));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_ne!(a, b, "exactly one");
    let first = if a { &one } else { &other };
    assert_eq!(store.scope(&scope).await.unwrap().decisions, first);

    let both = [one[0].clone(), other[0].clone()];
    let another = if a { &other } else { &one };
    assert!(!store.set_decisions(&scope, another, &both).await.unwrap(), "not what it was");
    assert!(!store.set_decisions(&scope, &both, another).await.unwrap(), "not what it was");
    assert!(store.set_decisions(&scope, first, &both).await.unwrap());
    let state = store.scope(&scope).await.unwrap();
    assert_eq!((&state.decisions[..], &state.lease), (&both[..], &Some(held)));
    assert_eq!(store.scopes("prod").await.unwrap(), [state]);
}

pub async fn what_is_decided_while_a_worker_runs_outlives_its_lease(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let decided = [decision(Verdict::Approve, None)];
    let mut before = Vec::new();
    let endings = [Release::Continued, Release::Abandoned, ended("t", Some(Findings::default()))];
    for (epoch, release) in endings.into_iter().enumerate() {
        let held = lease(&*store, &scope, "a", "t", 1000 * epoch as i64).await;
        assert!(store.set_decisions(&scope, &before, &decided).await.unwrap());
        store.save_checkpoint(&held, &checkpoint("t", &[])).await.unwrap();
        store.release(&held, &release).await.unwrap();
        assert_eq!(store.scope(&scope).await.unwrap().decisions, decided, "{release:?}");
        before = decided.to_vec();
    }
}

pub async fn nothing_is_decided_on_a_scope_that_was_never_touched(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let decided = [decision(Verdict::Approve, None)];
    assert!(!store.set_decisions(&scope, &[], &decided).await.unwrap());
    assert!(!store.set_decisions(&scope, &decided, &decided).await.unwrap());
    assert_eq!(store.scopes("prod").await.unwrap(), []);
}

pub async fn what_throttling_taught_is_remembered_under_the_lease(store: Arc<dyn Store>) {
    let scope = scope("prod", "r");
    let held = lease(store.as_ref(), &scope, "w-1", "t-1", 0).await;
    let pace = Pace { per_second: 2.5, learnt_at: at(7) };
    let paces: Paces = [("DescribeDisks".to_owned(), pace)].into();
    store.set_paces(&held, &paces).await.unwrap();
    store.release(&held, &ended("t-1", Some(Findings::default()))).await.unwrap();
    assert_eq!(store.scope(&scope).await.unwrap().paces, paces);
    let late = store.set_paces(&held, &Paces::new()).await;
    assert!(matches!(late, Err(StoreError::LeaseLost(_))), "{late:?}");
    let held = lease(store.as_ref(), &scope, "w-2", "t-2", 1).await;
    store.set_paces(&held, &Paces::new()).await.unwrap();
    assert_eq!(store.scope(&scope).await.unwrap().paces, Paces::new());
}

pub async fn instance_types_are_of_one_account_and_kind_and_no_scopes(store: Arc<dyn Store>) {
    let types = |names: &[&str], vcpus| -> KnownTypes {
        let spec = TypeSpec { vcpus, memory_gib: 0.5, gpus: 1, gpu_model: "NVIDIA A10".into() };
        let known = KnownType { spec, learnt_at: at(1) };
        names.iter().map(|name| ((*name).to_owned(), known.clone())).collect()
    };
    let mine = scope("prod", "cn-hangzhou");
    let other: Kind = "aliyun.ecs.other".parse().unwrap();
    store.put_types("prod", &mine.kind, &types(&["a", "b"], 1)).await.unwrap();
    store.put_types("prod", &mine.kind, &types(&["b", "c"], 2)).await.unwrap();
    store.put_types("prod", &other, &types(&["d"], 3)).await.unwrap();
    store.put_types("test", &mine.kind, &types(&["e"], 4)).await.unwrap();
    let mut expected = types(&["a"], 1);
    expected.extend(types(&["b", "c"], 2));
    assert_eq!(store.known_types("prod", &mine.kind).await.unwrap(), expected);
    assert_eq!(store.known_types("prod", &other).await.unwrap(), types(&["d"], 3));
    assert_eq!(store.known_types("none", &mine.kind).await.unwrap(), KnownTypes::new());

    let held = lease(&*store, &mine, "a", "t-1", 0).await;
    store.put_part(&held, "t-1", b"part").await.unwrap();
    assert_eq!(store.scopes("prod").await.unwrap().len(), 1, "neither types nor parts");
    assert_eq!(store.known_types("prod", &mine.kind).await.unwrap(), expected);
}

pub async fn an_event_is_remembered_by_account_and_is_no_scope(store: Arc<dyn Store>) {
    let knows = async |account: &str, event: &str| store.knows_event(account, event).await.unwrap();
    assert!(!knows("prod", "e").await);
    store.note_event("prod", "e", at(0)).await.unwrap();
    store.note_event("prod", "e", at(1)).await.unwrap();
    assert!(knows("prod", "e").await);
    assert!(!knows("test", "e").await && !knows("prod", "f").await);
    assert_eq!(store.scopes("prod").await.unwrap(), []);
}

pub async fn the_task_of_events_is_remembered_beside_all_else(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let held = lease(&*store, &scope, "a", "t", 0).await;
    let before = store.scope(&scope).await.unwrap();
    for task_id in ["e", "f"] {
        let made = Dispatched { task_id: task_id.into(), at: at(5) };
        store.set_event_task(&scope, &made).await.unwrap();
        let expected = ScopeState { event_task: Some(made), ..before.clone() };
        assert_eq!(store.scope(&scope).await.unwrap(), expected);
    }
    store.release(&held, &ended("t", None)).await.unwrap();
    let after = store.scope(&scope).await.unwrap();
    assert_eq!(after.event_task.unwrap().task_id, "f", "the end of a task leaves it");
}
