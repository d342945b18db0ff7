//! What the node brought to the disk, noted down, so that the harness can take away the rest as a power cut does.
//!
//! The node's database calls the C library's `fdatasync` and `fsync`. A program's own functions of those names come before
//! the library's, so all calls in this program end here.

use std::{
    ffi::c_int,
    fs::{self, File, OpenOptions},
    io::Write,
    sync::OnceLock,
};

/// Names the file of notes in the environment: a line for each sync, with the length that is on the disk, and the path.
const SYNCED: &str = "LATHE_SYNCED";

/// Brings a file's bytes to the disk, and notes how many there are.
#[unsafe(no_mangle)]
extern "C" fn fdatasync(file: c_int) -> c_int {
    sync(libc::SYS_fdatasync, file)
}

/// Brings a file to the disk, and notes how many bytes it has.
#[unsafe(no_mangle)]
extern "C" fn fsync(file: c_int) -> c_int {
    sync(libc::SYS_fsync, file)
}

fn sync(call: libc::c_long, file: c_int) -> c_int {
    // Before the call: what is appended during it may not be on the disk after it.
    let synced = fs::metadata(format!("/proc/self/fd/{file}"));
    // SAFETY: both system calls take a file descriptor and nothing else, and touch no memory of this process.
    let result = unsafe { libc::syscall(call, file) };
    if result == 0
        && let Ok(synced) = synced
        && synced.is_file()
    {
        note(file, synced.len());
    }
    if result == 0 { 0 } else { -1 }
}

fn note(file: c_int, len: u64) {
    static NOTES: OnceLock<Option<File>> = OnceLock::new();
    let open = || OpenOptions::new().append(true).create(true).open(std::env::var_os(SYNCED)?).ok();
    let Some(mut notes) = NOTES.get_or_init(open).as_ref() else { return };
    if let Ok(path) = fs::read_link(format!("/proc/self/fd/{file}")) {
        // One call, so that lines of several threads do not mix.
        let line = format!("{len} {}\n", path.display());
        notes.write_all(line.as_bytes()).expect("the harness gave a file that can be written");
    }
}
