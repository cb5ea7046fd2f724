use std::sync::Arc;

use cloud_sync_core::meter::Meter;
use cloud_sync_runtime::store::Store;

use super::fixtures::{account, added, change, lease, resource, scope, task};

pub async fn every_request_is_counted_on_its_own_meter(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let (writes, reads) = (Arc::new(Meter::default()), Arc::new(Meter::default()));
    let writer = store.metered(Arc::clone(&writes));
    let mut written = 0.0;
    let mut grew = |what: &str| {
        let units = writes.read().cost.write_units;
        assert!(units > written, "{what} costs nothing");
        written = units;
    };
    writer.put_account(&account("prod")).await.unwrap();
    grew("put_account");
    writer.create_task(&task("t", "prod", 0)).await.unwrap();
    grew("create_task");
    writer.put_rows(&[added(&scope, resource("i-1")).1], 30).await.unwrap();
    grew("put_rows");
    writer.put_changes(&[change(&scope, "i-1", 1, "t", 0)]).await.unwrap();
    grew("put_changes");
    lease(&*writer, &scope, "a", "t", 0).await;
    grew("acquire");
    assert!(writes.read().cost.read_units.abs() < f64::EPSILON, "writing is not reading");

    let reader = store.metered(Arc::clone(&reads));
    let mut read = 0.0;
    let mut grew = |what: &str| {
        let units = reads.read().cost.read_units;
        assert!(units > read, "{what} costs nothing");
        read = units;
    };
    reader.account("prod").await.unwrap();
    grew("account");
    reader.accounts().await.unwrap();
    grew("accounts");
    reader.scope(&scope).await.unwrap();
    grew("scope");
    reader.task("t").await.unwrap();
    grew("task");
    reader.live_index(&scope, None).await.unwrap();
    grew("live_index");
    reader.rows(&scope, &["i-1".to_owned()]).await.unwrap();
    grew("rows");
    reader.history(&scope, "i-1").await.unwrap();
    grew("history");
    assert!(reads.read().cost.write_units.abs() < f64::EPSILON, "reading is not writing");
    assert!((writes.read().cost.write_units - written).abs() < f64::EPSILON, "meters are apart");
}

pub async fn the_live_index_costs_a_fraction_of_its_rows(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let rows: Vec<_> = (0..500).map(|n| added(&scope, resource(&format!("i-{n:017}"))).1).collect();
    store.put_rows(&rows, 30).await.unwrap();
    let (index, whole) = (Arc::new(Meter::default()), Arc::new(Meter::default()));
    store.metered(Arc::clone(&index)).live_index(&scope, None).await.unwrap();
    let ids: Vec<_> = rows.into_iter().map(|row| row.resource.id).collect();
    store.metered(Arc::clone(&whole)).rows(&scope, &ids).await.unwrap();
    let ratio = whole.read().cost.read_units / index.read().cost.read_units;
    assert!(ratio > 20.0, "only {ratio:.1} times as much");
}
