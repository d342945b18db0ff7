//! Amounts of money as they are typed.

use alloy_primitives::{
    U256,
    utils::{ParseUnits, parse_units},
};

/// Reads an amount in wei, or with a unit, as in 0.5ether or 3gwei.
pub(super) fn parse_amount(text: &str) -> Result<U256, String> {
    for unit in ["ether", "gwei"] {
        if let Some(number) = text.strip_suffix(unit) {
            return parse_unit(number.trim(), unit);
        }
    }
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
    let wei = is_number.then(|| U256::from_str_radix(digits, radix).ok()).flatten();
    wei.ok_or_else(|| format!("{text:?} is no amount: expected wei, or a number with ether or gwei"))
}

/// Reads an amount in ether.
pub(super) fn parse_ether(text: &str) -> Result<U256, String> {
    parse_unit(text, "ether")
}

fn parse_unit(number: &str, unit: &str) -> Result<U256, String> {
    match parse_units(number, unit) {
        Ok(ParseUnits::U256(wei)) => Ok(wei),
        _ => Err(format!("{number:?} is no amount of {unit}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_units() {
        for (text, wei) in [
            ("0", Some(0u128)),
            ("17", Some(17)),
            ("0x10", Some(16)),
            ("3gwei", Some(3_000_000_000)),
            ("0.5ether", Some(500_000_000_000_000_000)),
            ("1 ether", Some(1_000_000_000_000_000_000)),
            ("-1ether", None),
            ("-1gwei", None),
            ("-1", None),
            ("", None),
            ("0x", None),
            ("1eth", None),
        ] {
            assert_eq!(parse_amount(text).ok(), wei.map(U256::from), "{text}");
        }
    }
}
