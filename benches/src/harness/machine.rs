//! The machine that figures are of.
use std::fs;
use std::thread;

/// In one line: processor, cores, memory, kernel.
pub(crate) fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let processor = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
    let kernel = kernel.as_deref().map_or("unknown", str::trim);
    format!(
        "{processor}, {cores} cores, memory {memory}, {} {kernel}",
        std::env::consts::OS
    )
}

/// What a file of lines like `name : value` says of a name.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_else(|| "unknown".to_owned())
}
