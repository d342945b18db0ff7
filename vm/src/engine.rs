//! The engines: different ways to run the same code to the same end.

/// A way to run code. Outcomes, memory, ink and traps are the same on each; only time is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Engine {
    /// Threaded code whose handlers jump from one to the next. Only in optimised builds for x86-64.
    #[cfg(vm_tail)]
    Tail,
    /// The same threaded code; a loop calls the handlers.
    Loop,
    /// One instruction at a time, as the specification reads. It is what the others are checked against.
    Plain,
}

impl Engine {
    /// The engines that this build has, the fastest first.
    pub const ALL: &'static [Self] = &[
        #[cfg(vm_tail)]
        Self::Tail,
        Self::Loop,
        Self::Plain,
    ];

    /// Returns the name of the engine.
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(vm_tail)]
            Self::Tail => "tail",
            Self::Loop => "loop",
            Self::Plain => "plain",
        }
    }
}

impl Default for Engine {
    /// Returns the fastest that this build has.
    fn default() -> Self {
        Self::ALL[0]
    }
}

impl core::fmt::Display for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
