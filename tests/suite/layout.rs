//! Where things live and what may depend on what. CONTRIBUTING.md gives the
//! reason of each rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The platform of the Lambda binaries, also where the tests run elsewhere.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The longest source file, in lines, that still has one subject.
const LONGEST_FILE: usize = 600;

/// The longest `main.rs` that only wires.
const LONGEST_MAIN: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("{program} {}: {stderr}", args.join(" ")))
    }
}

fn cargo(args: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(&cargo, args).expect("cargo answers about the workspace")
}

/// A crate of the workspace, with its direct dependencies.
struct Member {
    /// Its folder, from the root: `common/core`.
    folder: String,
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

/// Returns the workspace's crates by name.
fn members() -> BTreeMap<String, Member> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"]);
    let metadata: Value = serde_json::from_str(&text).expect("metadata is JSON");
    let root = root();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
            let manifest = manifest.canonicalize().expect("a manifest");
            let folder = manifest.parent().and_then(|path| path.strip_prefix(&root).ok());
            let folder = folder.expect("a crate below the root");
            let of_kind = |kind: Option<&str>| {
                let all = package["dependencies"].as_array().expect("dependencies").iter();
                all.filter(|dependency| dependency["kind"].as_str() == kind)
                    .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
                    .collect()
            };
            let member = Member {
                folder: folder.to_str().expect("a name in UTF-8").to_owned(),
                normal: of_kind(None),
                dev: of_kind(Some("dev")),
            };
            (package["name"].as_str().expect("a name").to_owned(), member)
        })
        .collect()
}

fn names_in(members: &BTreeMap<String, Member>, folder: &str) -> Vec<String> {
    let inside = |member: &Member| member.folder.starts_with(folder);
    members.iter().filter(|(_, member)| inside(member)).map(|(name, _)| name.clone()).collect()
}

/// Returns everything that is linked into the given crates, as `(name,
/// version)`, with the features that a build of them alone has.
fn closure(crates: &[String]) -> BTreeSet<(String, String)> {
    let mut args = vec!["tree", "--locked", "--target", TARGET, "--edges", "normal,no-proc-macro"];
    args.extend(["--prefix", "none", "--format", "{p}"]);
    for name in crates {
        args.extend(["--package", name]);
    }
    let tree = cargo(&args);
    let words = tree.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found: BTreeSet<_> = words
        .filter_map(|words| Some((words.first()?.to_string(), words.get(1)?.to_string())))
        .collect();
    assert!(found.len() > crates.len(), "cargo tree shows dependencies: {tree}");
    found
}

fn assert_none(crates: &[String], forbidden: impl Fn(&str) -> bool, why: &str) {
    let closure = closure(crates);
    let found: Vec<_> = closure.iter().filter(|(name, _)| forbidden(name)).collect();
    assert!(found.is_empty(), "{}: {why}; found {found:?}", crates.join(", "));
}

fn lambda_crates() -> Vec<String> {
    let names = names_in(&members(), "functions/");
    assert!(names.len() >= 4, "the functions are there: {names:?}");
    names
}

#[test]
fn the_core_depends_on_pure_crates_only() {
    // utoipa describes types; it is linked where the api function is.
    let allowed =
        ["jiff", "secrecy", "serde", "serde_json", "sha2", "siphasher", "thiserror", "utoipa"];
    let members = members();
    let core = &members["cloud-sync-core"];
    let others: Vec<_> =
        core.normal.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "common/core may depend on {allowed:?} only; found {others:?}");

    let impure = ["tokio", "futures", "hyper", "reqwest", "rand", "getrandom", "uuid"];
    assert_none(
        &["cloud-sync-core".to_owned()],
        |name| impure.contains(&name),
        "the core does no I/O and draws no random numbers",
    );
}

#[test]
fn the_core_asks_for_no_time_no_environment_and_no_file() {
    let forbidden = [
        "std::env",
        "std::fs",
        "std::io",
        "std::net",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "tokio",
        "rand::",
    ];
    for path in sources(&root().join("common/core/src")) {
        let text = fs::read_to_string(&path).expect("a source file");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for (line, word) in code.flat_map(|line| forbidden.map(|word| (line, word))) {
            assert!(!line.contains(word), "{}: the core names {word}: {line}", path.display());
        }
    }
}

#[test]
fn each_crate_depends_only_on_those_below_it() {
    let core = "cloud-sync-core";
    let members = members();
    let functions = names_in(&members, "functions/");
    let below = |name: &str, folder: &str| -> Vec<&str> {
        let common = vec![core, "cloud-sync-provider", "cloud-sync-runtime"];
        match (folder, name) {
            ("common/core", _) => vec![],
            ("common/provider" | "common/runtime", _) => vec![core],
            ("common/dispatch", _) => common,
            // Speaks to the service as a vendor does: over HTTP.
            ("infra/simulated-cloud", _) => vec![],
            _ => [common, vec!["cloud-sync-dispatch"]].concat(),
        }
    };
    let top = ["infra/local", "infra/bench", "infra/fuzz-targets", "infra/simulation", "tests"];
    let is_top = |folder: &str| top.contains(&folder);
    for (name, member) in members.iter().filter(|(_, member)| !is_top(&member.folder)) {
        let allowed = below(name, &member.folder);
        let own: Vec<_> = member
            .normal
            .iter()
            .filter(|dependency| members.contains_key(*dependency))
            .filter(|dependency| !allowed.contains(&dependency.as_str()))
            .collect();
        assert!(own.is_empty(), "{} may depend on {allowed:?} only; found {own:?}", member.folder);
        let function = member.dev.iter().find(|dependency| functions.contains(dependency));
        assert_eq!(function, None, "{}: tests across functions belong in tests/", member.folder);
    }
}

#[test]
fn only_the_runtime_names_the_sdks_of_tables_queues_and_secrets() {
    let sdks = [
        "aws-sdk-dynamodb",
        "aws-sdk-eventbridge",
        "aws-sdk-secretsmanager",
        "aws-sdk-sns",
        "aws-sdk-sqs",
        "serde_dynamo",
    ];
    let members = members();
    assert!(members["cloud-sync-runtime"].normal.contains("aws-sdk-dynamodb"));
    assert!(!members["cloud-sync-runtime"].normal.contains("aws-sdk-eventbridge"));
    for (name, member) in &members {
        let is_deployed =
            member.folder.starts_with("common/") || member.folder.starts_with("functions/");
        // One function puts events on a bus, and the others' binaries are to
        // stay without what that takes.
        let may = |sdk: &str| name == "publisher" && sdk == "aws-sdk-eventbridge";
        if is_deployed && name != "cloud-sync-runtime" {
            let named = sdks.iter().filter(|sdk| member.normal.contains(**sdk) && !may(sdk));
            let found: Vec<_> = named.collect();
            assert!(found.is_empty(), "{} names {found:?}", member.folder);
        }
    }
}

#[test]
fn vendors_are_asked_without_knowing_tables_queues_or_lambda() {
    let aws_machinery =
        ["aws-sdk-dynamodb", "aws-sdk-sqs", "aws-sdk-sns", "aws-sdk-secretsmanager"];
    assert_none(
        &["cloud-sync-provider".to_owned()],
        |name| aws_machinery.contains(&name) || name.contains("lambda") || name == "serde_dynamo",
        "a vendor's client knows neither storage nor deployment",
    );
}

#[test]
fn no_lambda_holds_an_embedded_store_or_a_simulated_vendor() {
    let local = ["dynoxide-rs", "rusqlite", "libsqlite3-sys", "simulated-cloud", "cloud-sync"];
    assert_none(
        &lambda_crates(),
        |name| local.contains(&name) || name == "wiremock" || name == "proptest",
        "what stands in for the cloud never reaches it",
    );
}

#[test]
fn there_is_one_tls_stack() {
    let mut crates = lambda_crates();
    crates.push("cloud-sync".to_owned());
    let others = [
        "ring",
        "native-tls",
        "openssl",
        "openssl-sys",
        "boring",
        "boring-sys",
        "mbedtls",
        "s2n-tls",
        "schannel",
        "security-framework",
        "rustls-openssl",
    ];
    assert_none(&crates, |name| others.contains(&name), "TLS is rustls over aws-lc-rs");
    let closure = closure(&crates);
    for name in ["rustls", "aws-lc-rs", "tokio-rustls", "hyper-rustls", "hyper", "reqwest"] {
        let versions: Vec<_> = closure.iter().filter(|found| found.0 == name).collect();
        assert_eq!(versions.len(), 1, "one version of {name}; found {versions:?}");
    }
}

#[test]
fn vendors_never_import_each_other() {
    let folder = root().join("common/provider/src");
    let vendors: Vec<_> = entries(&folder)
        .into_iter()
        .filter(|name| name != "engine" && folder.join(name).is_dir())
        .collect();
    assert!(vendors.contains(&"aliyun".to_owned()), "{vendors:?}");
    for path in sources(&folder) {
        let file = path.strip_prefix(&folder).expect("below it").to_str().expect("UTF-8");
        // The registry lists them; the crate's root declares their modules.
        if ["registry.rs", "lib.rs"].contains(&file) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        for vendor in vendors.iter().filter(|vendor| !file.starts_with(&format!("{vendor}/"))) {
            let named = [
                format!("crate::{vendor}"),
                format!("super::{vendor}"),
                format!("crate::{{{vendor}"),
            ];
            let found = named.iter().find(|name| text.contains(name.as_str()));
            assert_eq!(found, None, "common/provider/src/{file} names the vendor {vendor}");
        }
    }
}

#[test]
fn the_main_of_a_function_only_wires() {
    for name in entries(&root().join("functions")) {
        let path = root().join("functions").join(&name).join("src/main.rs");
        let lines = fs::read_to_string(&path).expect("a function has a main.rs").lines().count();
        assert!(lines <= LONGEST_MAIN, "functions/{name}/src/main.rs has {lines} lines");
    }
}

#[test]
fn no_test_file_is_forgotten() {
    for suite in ["tests/suite", "common/core/tests/properties"] {
        let folder = root().join(suite);
        assert_all_declared(&folder, &folder.join("main.rs"));
    }
}

/// Every file and folder of a module is a module that `declaring` declares.
fn assert_all_declared(folder: &Path, declaring: &Path) {
    let text = fs::read_to_string(declaring)
        .unwrap_or_else(|error| panic!("no module declares {}: {error}", folder.display()));
    for name in entries(folder) {
        let path = folder.join(&name);
        // Other files, and folders without sources, are data.
        let is_module =
            if path.is_dir() { !sources(&path).is_empty() } else { name.ends_with(".rs") };
        if path == declaring || !is_module {
            continue;
        }
        let line = format!("mod {};", name.trim_end_matches(".rs"));
        let declares = |declared: &str| declared == line || declared == format!("pub {line}");
        assert!(
            text.lines().map(str::trim).any(declares),
            "{} is never compiled: add `{line}` to {}",
            path.display(),
            declaring.display()
        );
        if path.is_dir() {
            let inside = path.join("mod.rs");
            let beside = path.with_extension("rs");
            assert_all_declared(&path, if inside.exists() { &inside } else { &beside });
        }
    }
}

#[test]
fn the_top_level_holds_what_it_should_and_nothing_else() {
    let required = [
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "common",
        "docs",
        "events",
        "functions",
        "infra",
        "template.yaml",
        "tests",
    ];
    let configuration = [
        ".cargo",
        ".ci",
        ".gitattributes",
        ".github",
        ".gitignore",
        "Cargo.lock",
        "clippy.toml",
        "deny.toml",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "samconfig.toml",
    ];
    let found = top_level();
    for name in &found {
        let is_known = required.contains(&name.as_str()) || configuration.contains(&name.as_str());
        assert!(is_known, "{name} does not belong at the top level");
    }
    for name in required {
        assert!(found.contains(name), "{name} is missing at the top level; found {found:?}");
    }
}

/// Returns the names at the top level: what git knows or would add; outside a
/// checkout, what is there but for build output.
fn top_level() -> BTreeSet<String> {
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = run("git", &args).unwrap_or_default();
    let first = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let names: BTreeSet<_> =
        listed.split('\0').filter(|path| !path.is_empty()).map(first).collect();
    if !names.is_empty() {
        // A file deleted but not committed is no longer there.
        return names.into_iter().filter(|name| root().join(name).exists()).collect();
    }
    let ignored = [".git", "target", ".aws-sam", ".venv", "__pycache__"];
    let is_database = |name: &str| name.contains(".db");
    let present = entries(&root()).into_iter();
    present.filter(|name| !ignored.contains(&name.as_str()) && !is_database(name)).collect()
}

#[test]
fn no_source_file_is_too_long() {
    for folder in ["common", "functions", "infra", "tests"] {
        for path in sources(&root().join(folder)) {
            let lines = fs::read_to_string(&path).expect("a source file").lines().count();
            assert!(
                lines <= LONGEST_FILE,
                "{} has {lines} lines, more than {LONGEST_FILE}: it has more than one subject",
                path.display()
            );
        }
    }
}

/// Returns the Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in entries(folder) {
        let path = folder.join(&name);
        if path.is_dir() && name != "target" {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}

/// Returns the names in a folder, sorted.
fn entries(folder: &Path) -> Vec<String> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> = read
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort_unstable();
    names
}
