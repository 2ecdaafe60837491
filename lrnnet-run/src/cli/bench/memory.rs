//! How much memory this process takes, where Linux tells.

use std::fs;

use serde::Serialize;

/// Memory of the whole process around one row's loading and first run, in MiB.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// The largest resident size while the row loaded and ran first.
    pub peak_rss_mib: f64,
    /// That, less the resident size before.
    pub peak_rss_added_mib: f64,
}

/// A measurement that has begun.
pub struct Watch {
    before: Option<f64>,
}

impl Watch {
    /// Forgets the largest size so far and notes the size now. What cannot be measured stays unknown.
    pub fn start() -> Self {
        // Writing 5 there resets VmHWM (proc_pid_clear_refs(5)); without that it would be some earlier row's.
        let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self { before: reset.then(|| status("VmRSS")).flatten() }
    }

    /// The largest size since the start.
    pub fn peak(&self) -> Option<Memory> {
        let (before, peak) = (self.before?, status("VmHWM")?);
        Some(Memory { peak_rss_mib: peak, peak_rss_added_mib: (peak - before).max(0.0) })
    }
}

fn status(key: &str) -> Option<f64> {
    parse(&fs::read_to_string("/proc/self/status").ok()?, key)
}

/// A size of /proc/PID/status in MiB.
fn parse(status: &str, key: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kib: f64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_linux_writes_them() {
        let text = "Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(parse(text, "VmHWM"), Some(2.0));
        assert_eq!(parse(text, "VmRSS"), Some(1.0));
        assert_eq!(parse(text, "VmSwap"), None);
        assert_eq!(parse("VmHWM: many kB", "VmHWM"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_large_allocation_shows() {
        let watch = Watch::start();
        // Touched, since only pages in use are resident.
        let room = vec![1u8; 64 << 20];
        let memory = watch.peak().expect("Linux tells");
        assert!(memory.peak_rss_added_mib > 60.0 && memory.peak_rss_mib > memory.peak_rss_added_mib, "{memory:?}");
        drop(room);
    }
}
