//! The state through its public API, each test on every store.

mod chain;
mod fixture;
mod fork;
mod history;
mod load;
mod model;
mod oracle;
mod proof;
mod reads;
#[cfg(feature = "rocksdb")]
mod rocks;
mod root;
mod store;
mod verify;

/// Makes a test of each function for each store: it is called with a place where that store can be opened, again and again.
macro_rules! on_every_store {
    ($($name:ident)*) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&crate::fixture::Home::memory()) })*
        }
        #[cfg(feature = "rocksdb")]
        mod rocks {
            $(#[test] fn $name() { super::$name(&crate::fixture::Home::rocks()) })*
        }
    };
}
pub(crate) use on_every_store;
