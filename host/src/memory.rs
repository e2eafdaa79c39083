//! Memory that was needed for a moment, and the kernel can have back.

/// Gives freed memory back to the kernel. The C library keeps it otherwise, in as many places as there were
/// threads at work: after a look at everything that is more than what is in use. Takes some milliseconds.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called at any time from any thread; it takes the allocator's own locks.
    #[allow(unsafe_code)]
    let _ = unsafe { nix::libc::malloc_trim(0) };
}
