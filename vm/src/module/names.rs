//! Names of functions, for people. They come from a custom section, so nothing may depend on them and whatever is
//! wrong with them is ignored.

use crate::demangle::SYMBOL_BYTES_MAX;
use alloc::boxed::Box;
use alloc::vec::Vec;
use wasmparser::{BinaryReader, KnownCustom, Name, NameSectionReader, Parser, Payload};

/// Names of functions by index.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<(u32, Box<str>)>);

impl Names {
    /// Reads the names of a name section as far as they can be read.
    pub(crate) fn read(section: NameSectionReader<'_>) -> Self {
        let mut names = Vec::new();
        for subsection in section {
            let Ok(Name::Function(map)) = subsection else { continue };
            for naming in map {
                let Ok(naming) = naming else { break };
                names.push((naming.index, truncate(naming.name).into()));
            }
        }
        names.sort_by_key(|&(index, _)| index);
        Self(names)
    }

    pub(crate) fn function(&self, index: u32) -> Option<&str> {
        let first = self.0.partition_point(|&(i, _)| i < index);
        self.0.get(first).filter(|&&(i, _)| i == index).map(|(_, name)| &**name)
    }
}

/// Finds the name of one function of a module that was refused: the name section comes behind the code.
pub(crate) fn find(bytes: &[u8], function: u32) -> Option<Box<str>> {
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { return None };
        if let Payload::CustomSection(section) = payload
            && let KnownCustom::Name(names) = section.as_known()
        {
            return Names::read(names).function(function).map(Into::into);
        }
    }
    None
}

/// Reads a name section from the contents of a custom section.
pub(crate) fn read(data: &[u8], offset: u64) -> Names {
    Names::read(NameSectionReader::new(BinaryReader::new(data, offset)))
}

fn truncate(name: &str) -> &str {
    &name[..name.floor_char_boundary(SYMBOL_BYTES_MAX)]
}
