//! The two things that the standard library has no safe call for: signals to a group, and dying with the keeper.
#![expect(unsafe_code, reason = "prctl between fork and exec, and kill(2) with a group")]

use std::os::unix::process::CommandExt as _;
use std::process::Command;

pub(super) const KILL: libc::c_int = libc::SIGKILL;
pub(super) const TERMINATE: libc::c_int = libc::SIGTERM;

/// Puts the program into a group of its own, and has the kernel kill it when the thread that starts it ends.
pub(super) fn bind_to_keeper(command: &mut Command) {
    command.process_group(0);
    // SAFETY: prctl is async-signal-safe and allocates nothing, as is asked for between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

/// Sends a signal to the process group that the process `id` leads. A group that is gone is no error.
pub(super) fn signal_group(id: u32, signal: libc::c_int) {
    if let Ok(id) = libc::pid_t::try_from(id)
        && id > 1
    {
        // SAFETY: kill takes two integers; the id is that of a child which has not been waited for by others.
        unsafe {
            libc::kill(-id, signal);
        }
    }
}
