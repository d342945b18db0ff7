//! A value that is made when it is first needed, by whichever thread comes first.

use alloc::boxed::Box;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A place for a value that is made at most once. Threads that race each make one; the first to finish is kept.
pub(crate) struct Once<T> {
    value: AtomicPtr<T>,
    owns: PhantomData<Box<T>>,
}

impl<T> Once<T> {
    pub(crate) const fn new() -> Self {
        Self { value: AtomicPtr::new(core::ptr::null_mut()), owns: PhantomData }
    }

    /// Returns the value, if it has been made.
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: the pointer is null or came from a box that is kept until `drop`.
        unsafe { self.value.load(Ordering::Acquire).as_ref() }
    }

    /// Returns the value, after making it if need be.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let made = Box::into_raw(Box::new(make()));
        let null = core::ptr::null_mut();
        let kept = match self.value.compare_exchange(null, made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => made,
            Err(first) => {
                // SAFETY: `made` came from a box and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                first
            }
        };
        // SAFETY: it came from a box that is kept until `drop`.
        unsafe { &*kept }
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        let value = *self.value.get_mut();
        if !value.is_null() {
            // SAFETY: it came from a box, and nobody else refers to it any more.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

impl<T: core::fmt::Debug> core::fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Once").field(&self.get()).finish()
    }
}

// SAFETY: a value is moved in by one thread and then only shared, or dropped by another: as for a lock around a box.
unsafe impl<T: Send + Sync> Sync for Once<T> {}
// SAFETY: it owns the value.
unsafe impl<T: Send> Send for Once<T> {}
