//! C++ symbols of the Itanium ABI, which clang and emscripten use for WebAssembly.
//!
//! A **substitution** (`S0_`) stands for a name or type that came before, a **template parameter** (`T_`) for a
//! template argument. Both are kept as text.
//!
//! One pass without going back; each step reads at least one byte or ends, and writes at most [`TEXT_BYTES_MAX`]. What is
//! rare (expressions, vendor types, member pointers) is not read, and the symbol is then shown as it is. The crate that
//! reads all of the grammar takes exponential time and memory on hostile symbols.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Types and names inside each other. Real symbols nest below ten.
const DEPTH_MAX: u32 = 24;

/// The most bytes of any name or type on the way. More than is shown: what is cut in the end must be read to the end.
const TEXT_BYTES_MAX: usize = 2_048;

/// The most substitutions and template arguments that are kept.
const KEPT_MAX: usize = 128;

/// Returns the name behind a symbol, `None` if it is no C++ symbol or is too long, deep or rare.
pub(super) fn demangle(symbol: &str) -> Option<String> {
    let rest = symbol.strip_prefix("_Z")?;
    // Compilers append `.123` to copies they make.
    let (mangled, suffix) = match rest.find('.') {
        Some(dot) => rest.split_at(dot),
        None => (rest, ""),
    };
    let mut reader = Reader { bytes: mangled.as_bytes(), substitutions: Vec::new(), arguments: Vec::new() };
    let name = reader.encoding(0)?;
    if !reader.bytes.is_empty() {
        return None;
    }
    Some(if suffix.is_empty() { name } else { format!("{name} [{suffix}]") })
}

struct Reader<'a> {
    /// What is not read yet.
    bytes: &'a [u8],
    substitutions: Vec<String>,
    /// The arguments of the template that was read last.
    arguments: Vec<String>,
}

/// A name, and what it says about the function type that follows it.
#[derive(Default)]
struct Named {
    text: String,
    /// Whether it ends in template arguments: then the return type comes first, unless it has none.
    is_template: bool,
    /// Constructors, destructors and conversions have no return type.
    returns_nothing: bool,
    /// What stands behind the parameters: ` const`, ` &`.
    qualifiers: &'static str,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// Reads `prefix` if it is next.
    fn take(&mut self, prefix: &str) -> bool {
        match self.bytes.strip_prefix(prefix.as_bytes()) {
            Some(rest) => {
                self.bytes = rest;
                true
            }
            None => false,
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<usize> {
        let digits = self.bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.bytes.split_at(digits);
        self.bytes = rest;
        core::str::from_utf8(number).ok()?.parse().ok()
    }

    /// Reads `_` as 0, `0_` as 1 and so on, in a base.
    fn index(&mut self, base: u32) -> Option<usize> {
        let end = self.bytes.iter().position(|&byte| byte == b'_')?;
        let (digits, rest) = self.bytes.split_at(end);
        self.bytes = &rest[1..];
        if digits.is_empty() {
            return Some(0);
        }
        let number = u32::from_str_radix(core::str::from_utf8(digits).ok()?, base).ok()?;
        usize::try_from(number).ok()?.checked_add(1)
    }

    /// Makes `text` something that substitutions can refer to.
    fn keep(&mut self, text: &str) -> Option<()> {
        if self.substitutions.len() == KEPT_MAX {
            return None;
        }
        self.substitutions.push(text.into());
        Some(())
    }

    /// A name, and the parameters if it is a function's.
    fn encoding(&mut self, depth: u32) -> Option<String> {
        let depth = deeper(depth)?;
        if let Some(special) = self.special(depth) {
            return special;
        }
        let name = self.name(depth)?;
        if matches!(self.peek(), None | Some(b'E')) {
            return Some(name.text);
        }
        if name.is_template && !name.returns_nothing {
            self.ty(depth)?;
        }
        let params = self.params(depth)?;
        bounded(format!("{}({params}){}", name.text, name.qualifiers))
    }

    /// Tables and guards that compilers make.
    fn special(&mut self, depth: u32) -> Option<Option<String>> {
        for (prefix, what) in
            [("TV", "vtable for "), ("TI", "typeinfo for "), ("TS", "typeinfo name for "), ("TT", "VTT for ")]
        {
            if self.take(prefix) {
                return Some(self.ty(depth).and_then(|ty| bounded(format!("{what}{ty}"))));
            }
        }
        let what = if self.take("GV") { "guard variable for " } else { return None };
        Some(self.name(depth).and_then(|name| bounded(format!("{what}{}", name.text))))
    }

    /// Types up to the end or an `E`.
    fn params(&mut self, depth: u32) -> Option<String> {
        if self.take("v") && matches!(self.peek(), None | Some(b'E')) {
            return Some(String::new());
        }
        let mut params = String::new();
        while !matches!(self.peek(), None | Some(b'E')) {
            let ty = self.ty(depth)?;
            append_to_list(&mut params, &ty)?;
        }
        Some(params)
    }

    fn name(&mut self, depth: u32) -> Option<Named> {
        let depth = deeper(depth)?;
        match self.peek()? {
            b'N' => self.nested(depth),
            b'Z' => {
                self.next();
                let function = self.encoding(depth)?;
                // The parameters of the function around say nothing that its name does not.
                let function =
                    function.split('(').next().filter(|name| !name.is_empty()).unwrap_or(&function);
                let function = String::from(function);
                self.take("E").then_some(())?;
                let inner = self.name(depth)?;
                let text = bounded(format!("{function}::{}", inner.text))?;
                // Tells apart entities of one name.
                if self.take("_") {
                    self.number()?;
                }
                Some(Named { text, ..inner })
            }
            _ => {
                let mut name = Named::default();
                if self.take("St") {
                    name.text.push_str("std::");
                    let last = self.unqualified("", &mut name, depth)?;
                    name.text.push_str(&last);
                } else if self.peek() == Some(b'S') {
                    // An unqualified template whose name came before.
                    name.text = self.substitution()?;
                    self.template_arguments(&mut name, depth)?;
                    return Some(name);
                } else {
                    self.take("L");
                    name.text = self.unqualified("", &mut name, depth)?;
                }
                if self.peek() == Some(b'I') {
                    self.keep(&name.text)?;
                    self.template_arguments(&mut name, depth)?;
                }
                Some(name)
            }
        }
    }

    /// `N`, qualifiers, the parts of the path, `E`.
    fn nested(&mut self, depth: u32) -> Option<Named> {
        self.next();
        let mut name = Named::default();
        self.take("V");
        name.qualifiers = if self.take("K") { " const" } else { "" };
        if self.take("R") {
            name.qualifiers = if name.qualifiers.is_empty() { " &" } else { " const &" };
        } else if self.take("O") {
            name.qualifiers = if name.qualifiers.is_empty() { " &&" } else { " const &&" };
        }
        loop {
            match self.peek()? {
                b'E' => {
                    self.next();
                    return (!name.text.is_empty()).then_some(name);
                }
                b'S' if name.text.is_empty() => {
                    name.text = if self.take("St") { "std".into() } else { self.substitution()? };
                    continue;
                }
                b'T' if name.text.is_empty() => name.text = self.template_parameter()?,
                b'I' if !name.text.is_empty() => self.template_arguments(&mut name, depth)?,
                _ => {
                    self.take("L");
                    name.is_template = false;
                    let parent = core::mem::take(&mut name.text);
                    let last = self.unqualified(&parent, &mut name, depth)?;
                    name.text = if parent.is_empty() { last } else { bounded(format!("{parent}::{last}"))? };
                }
            }
            // The whole name is not kept, only what stands before its last part.
            if self.peek()? != b'E' {
                self.keep(&name.text)?;
            }
        }
    }

    /// One part of a path.
    fn unqualified(&mut self, parent: &str, name: &mut Named, depth: u32) -> Option<String> {
        match self.peek()? {
            b'0'..=b'9' => {
                let length = self.number()?;
                let (text, rest) = self.bytes.split_at_checked(length)?;
                self.bytes = rest;
                let text = core::str::from_utf8(text).ok()?;
                let text = if text.starts_with("_GLOBAL__N") { "(anonymous namespace)" } else { text };
                let mut text = bounded(text.into())?;
                while self.take("B") {
                    let length = self.number()?;
                    let (tag, rest) = self.bytes.split_at_checked(length)?;
                    self.bytes = rest;
                    text = bounded(format!("{text}[abi:{}]", core::str::from_utf8(tag).ok()?))?;
                }
                Some(text)
            }
            // A constructor or destructor: which of the variants says a digit.
            kind @ (b'C' | b'D') => {
                self.next();
                self.next().filter(u8::is_ascii_digit)?;
                name.returns_nothing = true;
                let class = class_of(parent);
                Some(if kind == b'C' { class.into() } else { format!("~{class}") })
            }
            b'U' => {
                let (head, params) = if self.take("Ul") {
                    let params = self.params(depth)?;
                    self.take("E").then_some(())?;
                    ("lambda", format!("({params})"))
                } else {
                    self.take("Ut").then_some(())?;
                    ("unnamed type", String::new())
                };
                bounded(format!("{{{head}{params}#{}}}", self.index(10)?.checked_add(1)?))
            }
            b'a'..=b'z' => {
                let (code, rest) = self.bytes.split_at_checked(2)?;
                self.bytes = rest;
                if code == b"cv" {
                    name.returns_nothing = true;
                    return bounded(format!("operator {}", self.ty(depth)?));
                }
                let &(_, operator) = OPERATORS.iter().find(|(known, _)| known.as_bytes() == code)?;
                let space = if operator.starts_with(char::is_alphabetic) { " " } else { "" };
                Some(format!("operator{space}{operator}"))
            }
            _ => None,
        }
    }

    /// Appends `<...>` to a name.
    fn template_arguments(&mut self, name: &mut Named, depth: u32) -> Option<()> {
        let depth = deeper(depth)?;
        self.take("I").then_some(())?;
        let mut arguments = Vec::new();
        let mut list = String::new();
        while !self.take("E") {
            if arguments.len() == KEPT_MAX {
                return None;
            }
            let argument = self.template_argument(depth)?;
            append_to_list(&mut list, &argument)?;
            arguments.push(argument);
        }
        name.text = bounded(format!("{}<{list}>", name.text))?;
        name.is_template = true;
        self.arguments = arguments;
        Some(())
    }

    fn template_argument(&mut self, depth: u32) -> Option<String> {
        let depth = deeper(depth)?;
        if self.take("J") {
            let mut pack = String::new();
            while !self.take("E") {
                let argument = self.template_argument(depth)?;
                append_to_list(&mut pack, &argument)?;
            }
            return Some(pack);
        }
        if !self.take("L") {
            return self.ty(depth);
        }
        // A number of some type: only the number tells something.
        let ty = self.ty(depth)?;
        let sign = if self.take("n") { "-" } else { "" };
        let number = self.number()?;
        self.take("E").then_some(())?;
        Some(match (ty.as_str(), number) {
            ("bool", 0) => "false".into(),
            ("bool", 1) => "true".into(),
            _ => format!("{sign}{number}"),
        })
    }

    fn template_parameter(&mut self) -> Option<String> {
        self.take("T").then_some(())?;
        let index = self.index(10)?;
        self.arguments.get(index).cloned()
    }

    fn substitution(&mut self) -> Option<String> {
        self.take("S").then_some(())?;
        for (code, text) in [
            ("s", "std::string"),
            ("a", "std::allocator"),
            ("b", "std::basic_string"),
            ("i", "std::istream"),
            ("o", "std::ostream"),
            ("d", "std::iostream"),
        ] {
            if self.take(code) {
                return Some(text.into());
            }
        }
        let index = self.index(36)?;
        self.substitutions.get(index).cloned()
    }

    fn ty(&mut self, depth: u32) -> Option<String> {
        let depth = deeper(depth)?;
        let first = self.peek()?;
        if let Some(&(_, builtin)) = BUILTINS.iter().find(|&&(code, _)| code == first) {
            self.next();
            return Some(builtin.into());
        }
        let text = match first {
            b'P' | b'R' | b'O' | b'K' | b'V' => {
                self.next();
                let suffix = match first {
                    b'P' => "*",
                    b'R' => "&",
                    b'O' => "&&",
                    b'K' => " const",
                    _ => " volatile",
                };
                let inner = self.ty(depth)?;
                qualify(&inner, suffix)?
            }
            b'D' => {
                self.next();
                let code = self.next()?;
                // Packs are kept already spread out.
                if code == b'p' {
                    self.ty(depth)?
                } else {
                    let builtins = [
                        (b'n', "decltype(nullptr)"),
                        (b'i', "char32_t"),
                        (b's', "char16_t"),
                        (b'u', "char8_t"),
                        (b'a', "auto"),
                    ];
                    return builtins.iter().find(|&&(known, _)| known == code).map(|&(_, text)| text.into());
                }
            }
            b'F' => {
                self.next();
                self.take("Y");
                let result = self.ty(depth)?;
                let params = self.params(depth)?;
                self.take("E").then_some(())?;
                bounded(format!("{result} ({params})"))?
            }
            b'A' => {
                self.next();
                let length = self.number()?;
                self.take("_").then_some(())?;
                bounded(format!("{} [{length}]", self.ty(depth)?))?
            }
            b'T' => {
                let parameter = self.template_parameter()?;
                self.maybe_template(parameter, depth)?
            }
            b'S' if !self.bytes.starts_with(b"St") => {
                let text = self.substitution()?;
                // What came before is kept already.
                if self.peek() != Some(b'I') {
                    return Some(text);
                }
                let mut name = Named { text, ..Named::default() };
                let outer = self.arguments.clone();
                self.template_arguments(&mut name, depth)?;
                self.arguments = outer;
                name.text
            }
            _ => {
                // The arguments of a class template are not those of the function around it.
                let outer = self.arguments.clone();
                let name = self.name(depth)?;
                self.arguments = outer;
                name.text
            }
        };
        self.keep(&text)?;
        Some(text)
    }

    /// Appends template arguments to a template template parameter.
    fn maybe_template(&mut self, text: String, depth: u32) -> Option<String> {
        if self.peek() != Some(b'I') {
            return Some(text);
        }
        self.keep(&text)?;
        let mut name = Named { text, ..Named::default() };
        let outer = self.arguments.clone();
        self.template_arguments(&mut name, depth)?;
        self.arguments = outer;
        Some(name.text)
    }
}

fn deeper(depth: u32) -> Option<u32> {
    (depth < DEPTH_MAX).then_some(depth + 1)
}

fn bounded(text: String) -> Option<String> {
    (text.len() <= TEXT_BYTES_MAX).then_some(text)
}

fn append_to_list(list: &mut String, item: &str) -> Option<()> {
    if !list.is_empty() && !item.is_empty() {
        list.push_str(", ");
    }
    list.push_str(item);
    (list.len() <= TEXT_BYTES_MAX).then_some(())
}

/// Puts a `*`, `&` or ` const` where it belongs: inside, for functions and arrays.
fn qualify(inner: &str, suffix: &str) -> Option<String> {
    // Pointers to a function or array that is pointed to already.
    for mark in [" (*", " (&"] {
        if let Some(start) = inner.find(mark)
            && let Some(close) = inner[start..].find(')')
        {
            let (head, tail) = inner.split_at(start + close);
            return bounded(format!("{head}{suffix}{tail}"));
        }
    }
    let is_pointer = suffix.starts_with(['*', '&']);
    if is_pointer
        && inner.ends_with(')')
        && let Some(open) = inner.find(" (")
    {
        let (result, params) = inner.split_at(open + 1);
        return bounded(format!("{result}({suffix}){params}"));
    }
    if inner.ends_with(']')
        && let Some(open) = inner.find(" [")
    {
        let (element, length) = inner.split_at(open);
        return bounded(if is_pointer {
            format!("{element} ({suffix}){length}")
        } else {
            format!("{element}{suffix}{length}")
        });
    }
    bounded(format!("{inner}{suffix}"))
}

/// Returns the last part of a path without its template arguments.
fn class_of(path: &str) -> &str {
    let path = path.split_once('<').map_or(path, |(head, _)| head);
    path.rsplit_once("::").map_or(path, |(_, last)| last)
}

/// Types of one letter.
const BUILTINS: &[(u8, &str)] = &[
    (b'v', "void"),
    (b'w', "wchar_t"),
    (b'b', "bool"),
    (b'c', "char"),
    (b'a', "signed char"),
    (b'h', "unsigned char"),
    (b's', "short"),
    (b't', "unsigned short"),
    (b'i', "int"),
    (b'j', "unsigned int"),
    (b'l', "long"),
    (b'm', "unsigned long"),
    (b'x', "long long"),
    (b'y', "unsigned long long"),
    (b'n', "__int128"),
    (b'o', "unsigned __int128"),
    (b'f', "float"),
    (b'd', "double"),
    (b'e', "long double"),
    (b'z', "..."),
];

/// Operators of two letters.
const OPERATORS: &[(&str, &str)] = &[
    ("nw", "new"),
    ("na", "new[]"),
    ("dl", "delete"),
    ("da", "delete[]"),
    ("ng", "-"),
    ("ad", "&"),
    ("de", "*"),
    ("co", "~"),
    ("pl", "+"),
    ("mi", "-"),
    ("ml", "*"),
    ("dv", "/"),
    ("rm", "%"),
    ("an", "&"),
    ("or", "|"),
    ("eo", "^"),
    ("aS", "="),
    ("pL", "+="),
    ("mI", "-="),
    ("mL", "*="),
    ("dV", "/="),
    ("rM", "%="),
    ("aN", "&="),
    ("oR", "|="),
    ("eO", "^="),
    ("ls", "<<"),
    ("rs", ">>"),
    ("lS", "<<="),
    ("rS", ">>="),
    ("eq", "=="),
    ("ne", "!="),
    ("lt", "<"),
    ("gt", ">"),
    ("le", "<="),
    ("ge", ">="),
    ("ss", "<=>"),
    ("nt", "!"),
    ("aa", "&&"),
    ("oo", "||"),
    ("pp", "++"),
    ("mm", "--"),
    ("cm", ","),
    ("pm", "->*"),
    ("pt", "->"),
    ("cl", "()"),
    ("ix", "[]"),
];
