//! The engines: different ways to run the same code to the same end.

/// A way to run code. Outcomes, memory, ink and traps are the same on each; only time is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Engine {
    /// One instruction at a time, as the specification reads. It is what the others are checked against.
    #[default]
    Plain,
}

impl Engine {
    /// The engines that this build has, the fastest first.
    pub const ALL: &'static [Self] = &[Self::Plain];

    /// Returns the name of the engine.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
        }
    }
}

impl core::fmt::Display for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
