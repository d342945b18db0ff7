//! What an idle node holds of its own program.
//!
//! Pages of a program come into a process as they are first used, each with its neighbours, and stay until the machine is
//! short of memory. Starting uses most of the program once: the command line, tables of the database's options, its recovery.
//! An idle node needs little of that. What it does need again, the page cache gives back without reading the disk.

/// Gives the pages of the program back. They come again as they are used.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn give_back() {
    unsafe extern "C" {
        /// Where the program begins in memory, on a page of its own, and where its code ends. The linker knows.
        static __executable_start: u8;
        static etext: u8;
    }
    let (start, end) = (&raw const __executable_start, &raw const etext);
    // SAFETY: the call takes a number and returns one.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page) = usize::try_from(page) else { return };
    let whole_pages = (end.addr() - start.addr()) / page * page;
    // SAFETY: between the two lie constants and code, which nothing writes to: what relocations change lies behind. Their pages
    // are as in the file, from which each is read again where it is used next. That the kernel declines changes nothing.
    unsafe { libc::madvise(start.cast_mut().cast(), whole_pages, libc::MADV_DONTNEED) };
}

/// Does nothing: elsewhere, nothing tells where the program lies.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back() {}
