//! The script that a competent user would write instead, run against the same
//! vendor and the same tables.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::peers::Peers;
use crate::rig::{ACCOUNT, KEY, SECRET, WORKERS};

/// The script and what runs it.
pub struct Baseline {
    python: PathBuf,
    tables: String,
    cloud: String,
    regions: String,
}

/// What the script says of a run of it: without its start, in which Python
/// loads the vendor's SDK.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Run {
    /// How long it took, in seconds.
    pub wall_seconds: f64,
    /// The time of processors, in seconds.
    pub cpu_seconds: f64,
    /// The most memory that was resident, in MiB.
    pub peak_mib: f64,
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
    /// Instances that were new, differed, were gone, were as stored.
    pub added: u64,
    /// See `added`.
    pub updated: u64,
    /// See `added`.
    pub deleted: u64,
    /// See `added`.
    pub unchanged: u64,
}

impl Baseline {
    /// Returns the script for these regions, run by a Python that has what
    /// its `requirements.txt` says.
    pub fn new(python: &Path, peers: &Peers, regions: &[String]) -> Self {
        Self {
            python: python.to_owned(),
            tables: peers.tables.clone(),
            cloud: peers.cloud.clone(),
            regions: regions.join(","),
        }
    }

    /// Syncs once.
    pub async fn sync(&self) -> anyhow::Result<Run> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline/sync.py");
        let output = Command::new(&self.python)
            .arg(script)
            .args(["--account", ACCOUNT, "--regions", &self.regions])
            .args(["--vendor-endpoint", &self.cloud, "--dynamodb-endpoint", &self.tables])
            .args(["--workers", &WORKERS.to_string()])
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY)
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET)
            .stderr(Stdio::inherit())
            .output()
            .await
            .with_context(|| format!("{} cannot be run", self.python.display()))?;
        ensure!(output.status.success(), "{script} failed: {}", output.status);
        serde_json::from_slice(&output.stdout).context("the script says something else")
    }
}
