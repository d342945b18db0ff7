//! What a store tells of itself to whoever watches it: sizes and states as numbers. Nothing depends on them.

macro_rules! measures {
    ($(#[doc = $help:literal] $variant:ident = $name:literal,)*) => {
        /// Something about a store that is a number. Units end the names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Measure {
            $(#[doc = $help] $variant,)*
        }

        impl Measure {
            /// Every measure.
            pub const ALL: &[Measure] = &[$(Measure::$variant,)*];

            /// Returns its name, in lower case with underscores.
            pub fn name(self) -> &'static str {
                match self {
                    $(Measure::$variant => $name,)*
                }
            }

            /// Returns what it says, in a sentence.
            pub fn help(self) -> &'static str {
                match self {
                    $(Measure::$variant => $help.trim_ascii(),)*
                }
            }
        }
    };
}

measures! {
    /// Bytes of tables on the disk.
    TableBytes = "table_bytes",
    /// Bytes of live data, as the database estimates them.
    LiveDataBytes = "live_data_bytes",
    /// Bytes of the write-ahead log's files.
    LogBytes = "log_bytes",
    /// Bytes in memory that are not in tables yet.
    MemtableBytes = "memtable_bytes",
    /// Memtables that are full and wait to be written.
    FullMemtables = "full_memtables",
    /// Bytes in the cache of blocks of tables.
    BlockCacheBytes = "block_cache_bytes",
    /// Bytes that this cache may hold.
    BlockCacheCapacityBytes = "block_cache_capacity_bytes",
    /// Bytes that compaction has yet to rewrite, as the database estimates them.
    PendingCompactionBytes = "pending_compaction_bytes",
    /// Compactions that run.
    RunningCompactions = "running_compactions",
    /// Memtables that are being written.
    RunningFlushes = "running_flushes",
    /// Whether writes wait until compaction catches up: 1 if they do.
    WritesStopped = "writes_stopped",
    /// To how many bytes a second writes are slowed down; 0 if they are not.
    DelayedWriteBytesPerSecond = "delayed_write_bytes_per_second",
    /// Views of earlier moments that are open.
    Snapshots = "snapshots",
}
