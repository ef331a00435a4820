//! What a process has used, from `/proc`.

use std::time::Duration;

/// CPU time of a process so far: its own, user and system.
pub fn cpu(id: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    parse_cpu(&text)
}

/// Resident memory of a process, in bytes.
pub fn resident(id: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The program's name may hold spaces and brackets: fields are counted from the last `)`.
fn parse_cpu(text: &str) -> Option<Duration> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    // Linux shows these times in hundredths of a second, whatever its own tick is.
    Some(Duration::from_millis((user + system) * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_an_odd_name() {
        let line = "7 (a) b) c) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(parse_cpu(line), Some(Duration::from_secs(2)));
        assert!(cpu(std::process::id()).is_some() && resident(std::process::id()).is_some_and(|bytes| bytes > 0));
    }
}
