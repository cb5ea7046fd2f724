//! To be written. The lead's code uses: RegionMetrics::of(&RegionResult, &Scope, &Reading), TaskMetrics::of(&SyncTask),
//! MetricSink { fn region(&self, RegionMetrics); fn task(&self, TaskMetrics) }, EmfSink::stdout(namespace: &str).
