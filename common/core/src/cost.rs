//! What a sync cost: requests and how long they took, units of the tables,
//! bytes, time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Dollars for a million read request units: `DynamoDB`, on demand, us-east-1.
/// Source: <https://aws.amazon.com/dynamodb/pricing/on-demand/>, 2026-11.
pub const DOLLARS_A_MILLION_READS: f64 = 0.125;

/// Dollars for a million write request units; same source.
pub const DOLLARS_A_MILLION_WRITES: f64 = 0.625;

/// What a sync cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cost {
    /// Requests to the vendor, retries included.
    pub api_calls: u64,
    /// Those of them that the vendor throttled.
    #[serde(default)]
    pub throttled_calls: u64,
    /// Those of them that repeated one before.
    #[serde(default)]
    pub retried_calls: u64,
    /// Bytes of the vendor's answers, decompressed.
    #[serde(default)]
    pub bytes_received: u64,
    /// Read request units of the tables.
    pub read_units: f64,
    /// Write request units of the tables.
    pub write_units: f64,
    /// Rows of resources written or removed.
    #[serde(default)]
    pub rows_written: u64,
    /// Milliseconds that workers spent on it.
    #[serde(default)]
    pub worker_ms: u64,
    /// The requests to the vendor, by API.
    #[serde(default)]
    pub apis: BTreeMap<String, ApiCost>,
}

impl Cost {
    /// Returns the sum.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.api_calls += other.api_calls;
        self.throttled_calls += other.throttled_calls;
        self.retried_calls += other.retried_calls;
        self.bytes_received += other.bytes_received;
        self.read_units += other.read_units;
        self.write_units += other.write_units;
        self.rows_written += other.rows_written;
        self.worker_ms += other.worker_ms;
        for (api, cost) in &other.apis {
            self.apis.entry(api.clone()).or_default().add(cost);
        }
        self
    }

    /// Returns what the tables charge for it, in dollars.
    #[must_use]
    pub fn table_dollars(&self) -> f64 {
        table_dollars(self.read_units, self.write_units)
    }
}

/// Returns what the tables charge for so many units, in dollars.
#[must_use]
pub fn table_dollars(read_units: f64, write_units: f64) -> f64 {
    (read_units * DOLLARS_A_MILLION_READS + write_units * DOLLARS_A_MILLION_WRITES) / 1e6
}

/// What requests to one API of a vendor amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiCost {
    /// Requests, retries included.
    pub calls: u64,
    /// Those of them that were throttled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub throttled: u64,
    /// Those of them that repeated one before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retried: u64,
    /// Bytes of the answers, decompressed.
    #[serde(default)]
    pub bytes: u64,
    /// How long they took.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = StoredLatencies))]
    pub latency: Latencies,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ApiCost {
    /// Adds what others amounted to.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.throttled += other.throttled;
        self.retried += other.retried;
        self.bytes += other.bytes;
        self.latency.add(&other.latency);
    }
}

/// So many buckets double the time: a bucket's bounds are 19 % apart.
const BUCKETS_A_DOUBLING: f64 = 4.0;

/// The last bucket, of everything longer than two hours.
const LAST_BUCKET: u8 = 92;

/// How long requests took, to within a fifth, so that percentiles of many
/// workers can be had from their sums.
///
/// As JSON, the percentiles in milliseconds and `buckets`: for each that is
/// not empty its number and, after `x`, its count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredLatencies", into = "StoredLatencies")]
pub struct Latencies {
    buckets: BTreeMap<u8, u64>,
    longest_ms: u64,
}

impl Latencies {
    /// Counts one request.
    pub fn record(&mut self, took: Duration) {
        let milliseconds = took.as_secs_f64() * 1000.0;
        let bucket = (milliseconds.max(1.0).log2() * BUCKETS_A_DOUBLING).ceil();
        // From 0 on, and cut off at the last.
        let bucket = bucket.min(LAST_BUCKET.into()) as u8;
        *self.buckets.entry(bucket).or_default() += 1;
        self.longest_ms = self.longest_ms.max(milliseconds.ceil() as u64);
    }

    /// Adds those of others.
    pub fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
        self.longest_ms = self.longest_ms.max(other.longest_ms);
    }

    /// Returns within how many milliseconds at least this share of the
    /// requests, from 0 to 1, was answered; at most 19 % too much.
    #[must_use]
    pub fn percentile(&self, share: f64) -> u64 {
        let total: u64 = self.buckets.values().sum();
        let wanted = ((total as f64) * share).ceil() as u64;
        let mut counted = 0;
        for (bucket, count) in &self.buckets {
            counted += count;
            if counted >= wanted {
                return upper_bound(*bucket).min(self.longest_ms);
            }
        }
        self.longest_ms
    }

    /// Returns the longest, in milliseconds.
    #[must_use]
    pub const fn longest_ms(&self) -> u64 {
        self.longest_ms
    }
}

/// Returns the longest time of a bucket, in milliseconds.
fn upper_bound(bucket: u8) -> u64 {
    (f64::from(bucket) / BUCKETS_A_DOUBLING).exp2().ceil() as u64
}

/// [`Latencies`] as they are stored and shown.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Latencies))]
struct StoredLatencies {
    #[serde(default)]
    p50_ms: u64,
    #[serde(default)]
    p95_ms: u64,
    #[serde(default)]
    p99_ms: u64,
    #[serde(default)]
    max_ms: u64,
    #[serde(default)]
    buckets: String,
}

impl From<Latencies> for StoredLatencies {
    fn from(latencies: Latencies) -> Self {
        let buckets: Vec<_> =
            latencies.buckets.iter().map(|(bucket, count)| format!("{bucket}x{count}")).collect();
        Self {
            p50_ms: latencies.percentile(0.50),
            p95_ms: latencies.percentile(0.95),
            p99_ms: latencies.percentile(0.99),
            max_ms: latencies.longest_ms,
            buckets: buckets.join(" "),
        }
    }
}

impl From<StoredLatencies> for Latencies {
    /// What cannot be read of the buckets is left out: it is no more than a
    /// figure.
    fn from(stored: StoredLatencies) -> Self {
        let read = |text: &str| {
            let (bucket, count) = text.split_once('x')?;
            Some((bucket.parse::<u8>().ok()?.min(LAST_BUCKET), count.parse().ok()?))
        };
        Self {
            buckets: stored.buckets.split(' ').filter_map(read).collect(),
            longest_ms: stored.max_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(milliseconds: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        for took in milliseconds {
            latencies.record(Duration::from_millis(took));
        }
        latencies
    }

    #[test]
    fn percentiles_are_at_most_a_fifth_too_much() {
        let hundred = latencies((1..=100).map(|n| n * 10));
        for (share, exact) in [(0.5, 500), (0.95, 950), (0.99, 990), (1.0, 1000)] {
            let found = hundred.percentile(share);
            assert!((exact..exact * 119 / 100).contains(&found), "{share}: {found} for {exact}");
        }
        assert_eq!(hundred.longest_ms(), 1000);
        assert_eq!(latencies([]).percentile(0.5), 0);
        assert_eq!(latencies([4, 5]).percentile(1.0), 5, "no more than the longest");
    }

    #[test]
    fn what_takes_longer_than_any_bucket_is_counted() {
        let long = latencies([86_400_000]);
        assert_eq!(
            (long.percentile(0.5), long.longest_ms()),
            (upper_bound(LAST_BUCKET), 86_400_000)
        );
    }

    #[test]
    fn the_sum_of_two_is_as_if_one_had_counted_all() {
        let mut sum = latencies([3, 900, 14]);
        sum.add(&latencies([3, 70_000]));
        assert_eq!(sum, latencies([900, 3, 3, 14, 70_000]));
    }

    #[test]
    fn latencies_come_back_as_they_were_stored() {
        let before = latencies([1, 1, 20, 300, 4000]);
        let json = serde_json::to_value(&before).unwrap();
        assert_eq!(json["p50_ms"], before.percentile(0.5));
        assert_eq!(json["max_ms"], 4000);
        assert_eq!(serde_json::from_value::<Latencies>(json).unwrap(), before);
        let odd = serde_json::json!({ "buckets": "3x1 x 4 300x1 5x-1" });
        assert_eq!(serde_json::from_value::<Latencies>(odd).unwrap().buckets, [(3, 1)].into());
    }

    #[test]
    fn a_cost_is_the_sum_of_its_apis() {
        let of = |api: &str, calls| Cost {
            api_calls: calls,
            apis: [(api.to_owned(), ApiCost { calls, ..ApiCost::default() })].into(),
            ..Cost::default()
        };
        let sum = of("A", 1).plus(&of("B", 2)).plus(&of("A", 4));
        assert_eq!(sum.api_calls, 7);
        assert_eq!((sum.apis["A"].calls, sum.apis["B"].calls), (5, 2));
    }

    #[test]
    fn a_million_units_cost_what_the_price_list_says() {
        let cost = Cost { read_units: 2e6, write_units: 1e6, ..Cost::default() };
        assert!((cost.table_dollars() - 0.875).abs() < 1e-9);
    }
}
