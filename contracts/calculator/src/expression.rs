//! Arithmetic in text: parsing and evaluating in one pass.
//!
//! ```text
//! expression = operand { ("+" | "-" | "*" | "/") operand }      * and / bind tighter; equals go left to right
//! operand    = "-" operand | "(" expression ")" | number
//! number     = digits [ "." [ digits ] ] | "." digits , then optionally ("e" | "E") [ "+" | "-" ] digits
//! ```
//!
//! White space may stand between any two of these. Numbers are `f64`; every operation rounds once. A **column** is the
//! place of a character in the message, counted from 1 in characters (Unicode scalar values), not in bytes.
//!
//! The method is Dijkstra's two stacks, so parentheses cost no machine stack. Every result is finite: what would be
//! infinite is refused, so no infinity and no NaN can ever be printed, stored or continued from.

use alloc::vec::Vec;
use core::{fmt, str::Chars};

/// How deep parentheses nest. People write three; the limit keeps an answer's cost in sight.
pub const PARENTHESES_DEPTH_MAX: u32 = 64;

/// Where a message cannot be evaluated, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {fault}")]
pub struct ExpressionError {
    /// The column the fault is at; one past the last if something is missing at the end.
    pub column: u32,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Something else stands where a number, `-` or `(` must.
    #[error("expected a number, found {0}")]
    NumberExpected(Found),
    /// Something else stands where an operator, `)` or the end must.
    #[error("expected an operator, found {0}")]
    OperatorExpected(Found),
    /// The number is beyond the range of `f64`.
    #[error("the number is too large")]
    NumberTooLarge,
    /// The result of the operator here is beyond the range of `f64`.
    #[error("the result of `{}` is too large", .0.symbol())]
    ResultTooLarge(Operator),
    /// What stands right of the `/` here is zero.
    #[error("division by zero")]
    DivisionByZero,
    /// The `(` here has no `)`.
    #[error("`(` is never closed")]
    NeverClosed,
    /// The `)` here has no `(`.
    #[error("`)` closes nothing")]
    NothingToClose,
    /// The `(` here is one too many inside others.
    #[error("parentheses nest deeper than {PARENTHESES_DEPTH_MAX}")]
    TooDeep,
}

/// A character of the message, or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found(Option<char>);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("the end of the message"),
            Some(character) if character.is_control() => write!(f, "U+{:04X}", u32::from(character)),
            Some(character) => write!(f, "`{character}`"),
        }
    }
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

impl Operator {
    /// Returns the operator that `character` stands for.
    fn from_symbol(character: char) -> Option<Self> {
        match character {
            '+' => Some(Self::Add),
            '-' => Some(Self::Subtract),
            '*' => Some(Self::Multiply),
            '/' => Some(Self::Divide),
            _ => None,
        }
    }

    /// Returns the character that stands for it.
    fn symbol(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
        }
    }

    /// Returns the result for finite operands, which is finite.
    fn apply(self, left: f64, right: f64) -> Result<f64, Fault> {
        let result = match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide if right == 0.0 => return Err(Fault::DivisionByZero),
            Self::Divide => left / right,
        };
        if result.is_finite() { Ok(result) } else { Err(Fault::ResultTooLarge(self)) }
    }
}

/// Tells whether `message` begins with an operator, so that it needs a number to continue from.
pub fn continues(message: &str) -> bool {
    message.trim_start().starts_with(|character| Operator::from_symbol(character).is_some())
}

/// Returns the number that `text` is: the grammar's `number`, perhaps with a sign before and white space around it.
pub fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if number_len(unsigned) != Some(unsigned.len()) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Returns the value of `message`; the expression continues from `prior` if there is one.
pub fn evaluate(message: &str, prior: Option<f64>) -> Result<f64, ExpressionError> {
    let mut evaluation = Evaluation::default();
    let mut cursor = Cursor { rest: message.chars(), column: 1 };
    let mut operand_is_next = prior.is_none();
    evaluation.values.extend(prior);
    loop {
        cursor.skip_white_space();
        let column = cursor.column;
        let at = |fault| ExpressionError { column, fault };
        operand_is_next = match (operand_is_next, cursor.peek()) {
            (true, Some('-')) => {
                evaluation.pending.push(Pending { column, what: Waiting::Negation });
                cursor.advance(1);
                true
            }
            (true, Some('(')) => {
                evaluation.open(column)?;
                cursor.advance(1);
                true
            }
            (true, found) => {
                let number = cursor.number().ok_or(at(Fault::NumberExpected(Found(found))))?;
                evaluation
                    .values
                    .push(Some(number).filter(|n| n.is_finite()).ok_or(at(Fault::NumberTooLarge))?);
                false
            }
            (false, None) => return evaluation.finish(),
            (false, Some(')')) => {
                evaluation.close(column)?;
                cursor.advance(1);
                false
            }
            (false, Some(character)) => {
                let operator = Operator::from_symbol(character)
                    .ok_or(at(Fault::OperatorExpected(Found(Some(character)))))?;
                evaluation.operator(operator, column)?;
                cursor.advance(1);
                true
            }
        };
    }
}

/// What waits for its right operand, or for its `)`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Parenthesis,
    Operator(Operator),
    Negation,
}

impl Waiting {
    /// Returns how tightly it binds; what binds at least as tightly as a new operator is applied before that.
    fn precedence(self) -> u8 {
        match self {
            Self::Parenthesis => 0,
            Self::Operator(Operator::Add | Operator::Subtract) => 1,
            Self::Operator(Operator::Multiply | Operator::Divide) => 2,
            Self::Negation => 3,
        }
    }
}

/// Something that waits, and where it stands.
#[derive(Clone, Copy)]
struct Pending {
    column: u32,
    what: Waiting,
}

/// The two stacks. Between operands there is one value more than there are operators in `pending`.
#[derive(Default)]
struct Evaluation {
    values: Vec<f64>,
    pending: Vec<Pending>,
    parentheses_open: u32,
}

impl Evaluation {
    /// Applies all that binds at least as tightly as `precedence`, back to the innermost open parenthesis.
    fn apply_down_to(&mut self, precedence: u8) -> Result<(), ExpressionError> {
        while let Some(top) = self.pending.pop_if(|top| top.what.precedence() >= precedence) {
            let right = self.values.pop().expect("an operand was read before this is called");
            let value = match top.what {
                Waiting::Parenthesis => unreachable!("nothing asks for precedence 0"),
                Waiting::Negation => -right,
                Waiting::Operator(operator) => {
                    let left = self.values.pop().expect("an operator comes after its left operand");
                    let column = top.column;
                    operator.apply(left, right).map_err(|fault| ExpressionError { column, fault })?
                }
            };
            self.values.push(value);
        }
        Ok(())
    }

    fn operator(&mut self, operator: Operator, column: u32) -> Result<(), ExpressionError> {
        let what = Waiting::Operator(operator);
        self.apply_down_to(what.precedence())?;
        self.pending.push(Pending { column, what });
        Ok(())
    }

    fn open(&mut self, column: u32) -> Result<(), ExpressionError> {
        if self.parentheses_open == PARENTHESES_DEPTH_MAX {
            return Err(ExpressionError { column, fault: Fault::TooDeep });
        }
        self.parentheses_open += 1;
        self.pending.push(Pending { column, what: Waiting::Parenthesis });
        Ok(())
    }

    fn close(&mut self, column: u32) -> Result<(), ExpressionError> {
        if self.parentheses_open == 0 {
            return Err(ExpressionError { column, fault: Fault::NothingToClose });
        }
        self.apply_down_to(1)?;
        self.pending.pop();
        self.parentheses_open -= 1;
        Ok(())
    }

    fn finish(mut self) -> Result<f64, ExpressionError> {
        if let Some(open) = self.pending.iter().rfind(|pending| pending.what == Waiting::Parenthesis) {
            return Err(ExpressionError { column: open.column, fault: Fault::NeverClosed });
        }
        self.apply_down_to(1)?;
        Ok(self.values.pop().expect("an expression has a value"))
    }
}

/// A place in the message.
struct Cursor<'a> {
    rest: Chars<'a>,
    column: u32,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn advance(&mut self, characters: usize) {
        for _ in self.rest.by_ref().take(characters) {
            self.column += 1;
        }
    }

    fn skip_white_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.advance(1);
        }
    }

    /// Reads the number that starts here, if one does; infinity if it is too large.
    fn number(&mut self) -> Option<f64> {
        let text = self.rest.as_str();
        let len = number_len(text)?;
        // A number is all ASCII, so that it has as many characters as bytes.
        self.advance(len);
        text[..len].parse().ok()
    }
}

/// Returns the bytes of the number that `text` starts with, if it does. An `e` without digits is not part of it.
fn number_len(text: &str) -> Option<usize> {
    let digits = |at: usize| text.as_bytes()[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let whole = digits(0);
    let mut len = whole;
    if byte(len) == Some(b'.') {
        let fraction = digits(len + 1);
        if whole + fraction == 0 {
            return None;
        }
        len += 1 + fraction;
    }
    if len == 0 {
        return None;
    }
    if matches!(byte(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(byte(len + 1), Some(b'+' | b'-')));
        let exponent = digits(len + 1 + sign);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    Some(len)
}

#[cfg(test)]
mod tests;
