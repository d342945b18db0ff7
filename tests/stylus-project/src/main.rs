//! Tells cargo-stylus what the contract's constructor takes.

fn main() {
    if std::env::args().nth(1).as_deref() == Some("constructor") {
        println!("constructor(uint256 number)");
    }
}
