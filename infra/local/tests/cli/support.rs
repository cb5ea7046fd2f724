//! A cloud, a folder with a configuration, and the binary.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use simulated_cloud::{AccessKey, Plan, Running, SimulatedCloud, World};
use tempfile::TempDir;

/// The kind that every test syncs.
pub const KIND: &str = "aliyun.ecs.instance";

/// The public part of the account's key.
pub const KEY_ID: &str = "LTAI5tCommandLine";

/// Must be seen nowhere.
pub const SECRET: &str = "canary-7d1f-never-to-be-seen";

/// The regions of the cloud, and how many instances are in each.
pub const REGIONS: [(&str, u32); 3] = [("cn-hangzhou", 60), ("cn-shanghai", 25), ("cn-beijing", 5)];

/// Nothing that is run here takes longer.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// A cloud with an account, and a folder with a configuration of it.
pub struct Case {
    pub world: World,
    pub cloud: Running,
    pub folder: TempDir,
}

/// How a run of the binary ended.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Case {
    pub async fn new() -> Self {
        Self::with(&REGIONS).await
    }

    pub async fn with(regions: &[(&str, u32)]) -> Self {
        let key = AccessKey::new(KEY_ID, SECRET);
        Self::of(&Plan::new(11).account("prod", key, regions.iter().copied())).await
    }

    /// Returns a cloud of a plan, and a configuration of the account `prod`.
    pub async fn of(plan: &Plan) -> Self {
        let world = World::new(plan).expect("a world");
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let cloud = SimulatedCloud::start(world.clone(), listen).await.expect("a cloud");
        let folder = tempfile::tempdir().expect("a folder");
        let case = Self { world, cloud, folder };
        case.configure(&case.account("prod", ""));
        case
    }

    /// Returns an account of the cloud, as configured, with further lines. It
    /// has machines only, unless they say something else.
    pub fn account(&self, id: &str, more: &str) -> String {
        let says = more.contains("kinds =");
        let kinds = if says { "" } else { "kinds = [\"aliyun.ecs.instance\"]\n" };
        format!(
            "[[accounts]]\nid = \"{id}\"\nprovider = \"aliyun\"\ndefault_region = \"cn-hangzhou\"\n\
             endpoint = \"{}\"\ncredentials = {{ env = \"TEST\" }}\n{more}\n{kinds}",
            self.cloud.url()
        )
    }

    pub fn configure(&self, toml: &str) {
        std::fs::write(self.path("accounts.toml"), toml).expect("a configuration");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the binary, in the folder, with the account's credentials.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command(self.folder.path(), args);
        command.env("TEST_ACCESS_KEY_ID", KEY_ID).env("TEST_ACCESS_KEY_SECRET", SECRET);
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        in_time(self.command(args))
    }

    /// Syncs, and returns what `--json` printed.
    pub fn sync(&self, args: &[&str]) -> Value {
        let ran = self.run(&[&["sync", "--json"], args].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.json()
    }

    /// Starts the binary with its output in pipes.
    pub fn start(&self, args: &[&str]) -> Started {
        self.start_command(self.command(args))
    }

    /// Starts a command of [`Case::command`] with its output in pipes.
    #[allow(clippy::unused_self, reason = "it outlives what it starts")]
    pub fn start_command(&self, mut command: Command) -> Started {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Started(Some(command.spawn().expect("it starts")))
    }

    /// Returns the ids of all instances of the cloud.
    pub fn ids(&self) -> BTreeSet<String> {
        let truth = self.world.truth();
        let regions = truth.accounts.iter().flat_map(|account| account.regions.values());
        regions.flatten().map(|instance| instance.id.clone()).collect()
    }
}

/// Returns the binary in a folder, with nothing in its environment that it
/// would heed.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloud-sync"));
    command.args(args).current_dir(folder).env_clear().stdin(Stdio::null());
    // Nothing here may ask for more than loopback has.
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Runs a command to its end, or for so long that it would never come.
pub fn in_time(mut command: Command) -> Ran {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    let id = child.id().to_string();
    let (ended, end) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let is_stuck = end.recv_timeout(LONGEST_RUN).is_err();
        if is_stuck {
            // It may have ended just now.
            Command::new("kill").args(["-KILL", &id]).status().ok();
        }
        is_stuck
    });
    let ran: Ran = child.wait_with_output().expect("its output").into();
    ended.send(()).ok();
    let is_stuck = watchdog.join().expect("the watchdog");
    assert!(!is_stuck, "it did not end: {}{}", ran.stdout, ran.stderr);
    ran
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

impl Ran {
    /// Returns the one JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// Returns the JSON documents on standard output, one a line.
    pub fn lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.stdout.lines().map(read).collect()
    }

    /// Asserts how it ended, and that every text is somewhere in its remarks.
    #[track_caller]
    pub fn assert_problem(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "no '{text}' in: {}", self.stderr);
        }
    }
}

/// A run that has not ended; killed when the test is over.
pub struct Started(Option<Child>);

impl Started {
    pub fn id(&self) -> u32 {
        self.0.as_ref().expect("it was started").id()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.id().to_string()]).status();
        assert!(sent.expect("kill is there").success(), "kill {name}");
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.0.as_mut().expect("it was started").try_wait().expect("its state")
    }

    pub fn wait(mut self) -> Ran {
        let child = self.0.take().expect("it was started");
        child.wait_with_output().expect("its output").into()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Waits until something holds, for so long at most.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up_at = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < give_up_at, "in vain waited for: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns the value at `name` as a number.
#[track_caller]
pub fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no number '{name}' in {value}"))
}

/// Returns the value at `name` as a text.
#[track_caller]
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text '{name}' in {value}"))
}
