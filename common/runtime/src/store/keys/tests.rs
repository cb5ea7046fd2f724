//! What the keys must hold.

use cloud_sync_core::change::ChangeKind;

use super::*;

fn change(id: &str, version: u64) -> Change {
    Change {
        scope: Scope {
            account_id: "prod".into(),
            kind: "aliyun.ecs.instance".parse().unwrap(),
            region: "cn-hangzhou".into(),
        },
        id: id.into(),
        version,
        change: ChangeKind::Added,
        fields: [].into(),
        task_id: "t".into(),
        at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn names_are_those_an_expression_uses() {
    let names = names(&["#a = :b AND begins_with(#c_d, :e)", "#a.#f"]);
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort();
    let own = |word: &str| (format!("#{word}"), word.to_owned());
    assert_eq!(names, ["a", "c_d", "f"].map(own));
}

#[test]
fn a_time_sorts_as_text_whatever_its_fraction() {
    let whole: Timestamp = "2026-11-23T10:15:00Z".parse().unwrap();
    let half: Timestamp = "2026-11-23T10:15:00.5Z".parse().unwrap();
    assert!(whole.to_string() > half.to_string(), "the plain form does not sort");
    assert!(time(whole) < time(half));
    assert_eq!(time(half).parse::<Timestamp>().unwrap(), half);
}

#[test]
fn an_account_order_names_its_change_also_where_an_id_holds_separators() {
    for id in ["i-1", "a#b#7", "#", "生产"] {
        let change = change(id, 7);
        assert_eq!(
            parse_account_order("prod", &account_order(&change)),
            Some((resource(&change.scope, id), 7)),
        );
    }
    for id in ["i-1", "a#b", "#"] {
        let change = change(id, 7);
        assert_eq!(
            parse_task_order(&change.scope, &task_order(&change)),
            Some((resource(&change.scope, id), 7)),
        );
    }
    for bad in ["", "x", "a#b", "t#aliyun.ecs.instance#r#1", "t#k#r#i#1", "t#a.b.c#r#i#x"] {
        assert_eq!(parse_account_order("prod", bad), None, "{bad}");
    }
}

#[test]
fn parts_sort_after_every_scope() {
    let scope = change("", 0).scope;
    assert_eq!(parse_entry("prod", &entry(&scope)), Some(scope.clone()));
    assert!(entry(&scope).as_str() < PARTS_PREFIX);
    assert!(part_entry(&scope, "t", "00").as_str() > PARTS_PREFIX);
}

#[test]
fn sums_that_are_absent_are_removed() {
    assert_eq!(
        set_task_sums(|name| name == STATUS).split(" REMOVE ").collect::<Vec<_>>(),
        [
            "SET #status = :status",
            &TASK_SUMS[1..].iter().map(|n| format!("#{n}")).collect::<Vec<_>>().join(", ")
        ],
    );
    assert!(!set_task_sums(|_| true).contains("REMOVE"));
}
