//! Processes of one family: children that end with their parent, also when it is killed.

use anyhow::Context;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Has the kernel end this process when its parent ends.
///
/// `parent` is the parent's process id: if it is not our parent any more, it ended before we asked, and so do we.
///
/// # Errors
/// Where the kernel does not do this.
pub fn end_with_parent(parent: u32) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("this system cannot end a process with its parent")?;
    let alive = getppid().map(Pid::as_raw_nonzero).is_some_and(|now| now.get().unsigned_abs() == parent);
    if !alive {
        std::process::exit(0);
    }
    Ok(())
}
