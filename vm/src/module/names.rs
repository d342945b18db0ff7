//! Names of functions, for people. They come from a custom section, so nothing may depend on them and whatever is
//! wrong with them is ignored.

use crate::Limits;
use crate::demangle::SYMBOL_BYTES_MAX;
use alloc::boxed::Box;
use alloc::vec::Vec;
use wasmparser::{BinaryReader, KnownCustom, Name, NameSectionReader, Parser, Payload};

/// Names of functions by index.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<(u32, Box<str>)>);

/// Returns how many names are kept: as many as there may be functions, for three bytes name one.
pub(crate) fn kept_max(limits: &Limits) -> usize {
    limits.functions.saturating_add(limits.imports) as usize
}

impl Names {
    /// Reads the names of a name section as far as they can be read, but at most so many.
    pub(crate) fn read(section: NameSectionReader<'_>, most: usize) -> Self {
        let mut names = Vec::new();
        'names: for subsection in section {
            let Ok(Name::Function(map)) = subsection else { continue };
            for naming in map {
                let Ok(naming) = naming else { break };
                if names.len() == most {
                    break 'names;
                }
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
pub(crate) fn find(bytes: &[u8], function: u32, limits: &Limits) -> Option<Box<str>> {
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { return None };
        if let Payload::CustomSection(section) = payload
            && let KnownCustom::Name(names) = section.as_known()
        {
            return Names::read(names, kept_max(limits)).function(function).map(Into::into);
        }
    }
    None
}

/// Reads a name section from the contents of a custom section.
pub(crate) fn read(data: &[u8], offset: u64, most: usize) -> Names {
    Names::read(NameSectionReader::new(BinaryReader::new(data, offset)), most)
}

fn truncate(name: &str) -> &str {
    &name[..name.floor_char_boundary(SYMBOL_BYTES_MAX)]
}
