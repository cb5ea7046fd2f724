//! The memory this process has used.

/// Returns the most memory that was resident so far, in MiB; `None` where the
/// system does not tell (it is read from Linux's `/proc/self/status`).
pub fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
