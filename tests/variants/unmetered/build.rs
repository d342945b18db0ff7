//! Builds the VM as its own build script does, and with one thing left out.

#[path = "../../../vm/build.rs"]
mod vm;

fn main() {
    vm::main();
    println!("cargo::rustc-cfg=vm_unmetered");
}
