//! Tables of expressions, and a property: evaluation equals that of a tree built beforehand.

use super::*;
use proptest::prelude::*;

/// Evaluates without a prior number and shows the outcome.
fn show(message: &str) -> Result<String, String> {
    evaluate(message, None).map(|number| number.to_string()).map_err(|error| error.to_string())
}

#[test]
fn arithmetic_is_answered() {
    for (message, expected) in [
        ("23*63", "1449"),
        ("1+2*3", "7"),
        ("(1+2)*3", "9"),
        ("10-4-3", "3"),
        ("100/10/5", "2"),
        ("2*3+4*5", "26"),
        ("7/2", "3.5"),
        ("0.1+0.2", "0.30000000000000004"),
        (" 1 +\t2 ", "3"),
        ("1\u{a0}+ 2", "3"),
        ("2*-3", "-6"),
        ("2--3", "5"),
        ("2---3", "-1"),
        ("(-2*3)", "-6"),
        ("(-(1+2))*3", "-9"),
        ("2*(3+(4-1)/3)", "8"),
        ("((((7))))", "7"),
        (".5+5.", "5.5"),
        ("1e3+1E-3", "1000.001"),
        ("2e+2", "200"),
        ("1.5e2", "150"),
        ("0*(-1)", "-0"),
        ("1/3", "0.3333333333333333"),
        ("1e21", "1000000000000000000000"),
        ("5e-324/2", "0"),
        ("9007199254740993", "9007199254740992"),
        ("1.7976931348623157e308/1e308", "1.7976931348623157"),
    ] {
        assert_eq!(show(message).as_deref(), Ok(expected), "{message:?}");
    }
}

#[test]
fn a_malformed_message_names_the_column() {
    for (message, expected) in [
        ("", "column 1: expected a number, found the end of the message"),
        ("   ", "column 4: expected a number, found the end of the message"),
        ("23**63", "column 4: expected a number, found `*`"),
        ("1++1", "column 3: expected a number, found `+`"),
        ("1+", "column 3: expected a number, found the end of the message"),
        ("1+ ", "column 4: expected a number, found the end of the message"),
        ("hello", "column 1: expected a number, found `h`"),
        ("1 2", "column 3: expected an operator, found `2`"),
        ("1(2)", "column 2: expected an operator, found `(`"),
        ("1.2.3", "column 4: expected an operator, found `.`"),
        ("1..2", "column 3: expected an operator, found `.`"),
        (".", "column 1: expected a number, found `.`"),
        (".e5", "column 1: expected a number, found `.`"),
        ("2e", "column 2: expected an operator, found `e`"),
        ("2e+", "column 2: expected an operator, found `e`"),
        ("2x3", "column 2: expected an operator, found `x`"),
        ("2\u{d7}3", "column 2: expected an operator, found `\u{d7}`"),
        ("1,5", "column 2: expected an operator, found `,`"),
        ("2^3", "column 2: expected an operator, found `^`"),
        ("0x10", "column 2: expected an operator, found `x`"),
        ("1\u{2003}+\u{2003}\u{fc}", "column 5: expected a number, found `\u{fc}`"),
        ("1\0", "column 2: expected an operator, found U+0000"),
        ("inf", "column 1: expected a number, found `i`"),
        ("NaN", "column 1: expected a number, found `N`"),
        ("()", "column 2: expected a number, found `)`"),
        ("(1+2", "column 1: `(` is never closed"),
        ("(1+(2*3)", "column 1: `(` is never closed"),
        ("((1+2)*(3", "column 8: `(` is never closed"),
        ("1+2)", "column 4: `)` closes nothing"),
        ("(1))+(2", "column 4: `)` closes nothing"),
        ("1/0", "column 2: division by zero"),
        ("5/(3-3)", "column 2: division by zero"),
        ("1/-0", "column 2: division by zero"),
        ("0/0", "column 2: division by zero"),
        ("1+1e999", "column 3: the number is too large"),
        ("1e308*10", "column 6: the result of `*` is too large"),
        ("1e308+1e308", "column 6: the result of `+` is too large"),
        ("(-1e308)-1e308", "column 9: the result of `-` is too large"),
        ("1/1e-320", "column 2: the result of `/` is too large"),
    ] {
        assert_eq!(show(message).as_ref().map_err(String::as_str), Err(expected), "{message:?}");
    }
}

#[test]
fn parentheses_nest_to_the_limit_and_no_deeper() {
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(show(&nested(64)).as_deref(), Ok("1"));
    assert_eq!(show(&nested(65)), Err("column 65: parentheses nest deeper than 64".into()));
    // Depth counts what is open, not what was.
    assert_eq!(show(&["(1)"; 100].join("+")).as_deref(), Ok("100"));
    assert_eq!(show(&format!("0{}1", "-".repeat(4000))).as_deref(), Ok("1"));
}

/// An expression as a tree, to compare with.
#[derive(Debug, Clone)]
enum Tree {
    Number(u32),
    Negation(Box<Tree>),
    Operation(Operator, Box<Tree>, Box<Tree>),
}

impl Tree {
    /// Returns the value, or nothing if some result is not finite.
    fn value(&self) -> Option<f64> {
        match self {
            Self::Number(quarters) => Some(f64::from(*quarters) / 4.0),
            Self::Negation(of) => of.value().map(|value| -value),
            Self::Operation(operator, left, right) => {
                let (left, right) = (left.value()?, right.value()?);
                let value = match operator {
                    Operator::Add => left + right,
                    Operator::Subtract => left - right,
                    Operator::Multiply => left * right,
                    Operator::Divide => left / right,
                };
                Some(value).filter(|value| value.is_finite())
            }
        }
    }

    /// Writes it with no more parentheses than it needs where it stands: right of an operator (or of a negation) all that
    /// does not bind tighter, left of one all that binds looser.
    fn text(&self, binding_min: u8, space: &str) -> String {
        let (binding, text) = match self {
            Self::Number(quarters) => (4, format!("{}", f64::from(*quarters) / 4.0)),
            Self::Negation(of) => (3, format!("-{space}{}", of.text(3, space))),
            Self::Operation(operator, left, right) => {
                let binding = Waiting::Operator(*operator).precedence();
                let (left, right) = (left.text(binding, space), right.text(binding + 1, space));
                (binding, format!("{left}{space}{}{space}{right}", operator.symbol()))
            }
        };
        if binding < binding_min { format!("({space}{text})") } else { text }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let operators =
        prop::sample::select(vec![Operator::Add, Operator::Subtract, Operator::Multiply, Operator::Divide]);
    (0u32..1000).prop_map(Tree::Number).prop_recursive(6, 60, 2, move |inner| {
        prop_oneof![
            inner.clone().prop_map(|of| Tree::Negation(Box::new(of))),
            (operators.clone(), inner.clone(), inner).prop_map(|(operator, left, right)| Tree::Operation(
                operator,
                Box::new(left),
                Box::new(right)
            )),
        ]
    })
}

proptest! {
    #[test]
    fn evaluation_equals_that_of_the_tree(tree in trees(), space in prop::sample::select(vec!["", " ", "\t "])) {
        // A leading minus is read as an operand here: whether a message continues is decided before `evaluate`.
        let value = evaluate(&tree.text(0, space), None).ok();
        prop_assert_eq!(value.map(f64::to_bits), tree.value().map(f64::to_bits));
    }

    #[test]
    fn any_text_is_answered_or_refused_at_a_column_within_it(message in "[-+*/()0-9.eE x\u{d7}]{0,40}", prior in any::<Option<i8>>()) {
        if let Err(error) = evaluate(&message, prior.map(f64::from)) {
            let columns = 1..=u32::try_from(message.chars().count()).expect("short") + 1;
            prop_assert!(columns.contains(&error.column), "{message:?}: {error}");
        }
    }

    #[test]
    fn a_printed_number_is_read_back(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        let read = parse_number(&number.to_string());
        prop_assert_eq!(read.map(f64::to_bits), Some(bits).filter(|_| number.is_finite()));
    }
}
