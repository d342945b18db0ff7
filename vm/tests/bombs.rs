//! Modules that are small and try to cost much before a single instruction is paid for.
//!
//! Work is bounded by counting, not by a clock: what the decoder and the translators ask of the allocator, against the
//! length of the module. Each bomb is either refused by the limit that is meant for it, at a price that does not depend on
//! what it claims, or it is accepted, and twice the bomb costs at most twice as much. All of it on a small stack.

#[path = "support/allocations.rs"]
mod allocations;
mod support;

use allocations::{Allocations, counted};
use lathe_vm::{
    Engine, Extern, ExternType, Limit, Machine, Meter, Module, ModuleErrorKind, NoHost, Rules, inspect,
};
use support::{binary, leb, on_small_stack};

/// What a refusal may ask for besides what it was given: the validator's tables, the text of the error.
const REFUSAL_BYTES: u64 = 256 * 1024;
/// What an accepted module may ask for, for each of its bytes, decoding and translation for one engine together. The dearest
/// bytes open blocks, each of which is kept while it is open.
const ACCEPTED_BYTES_PER_BYTE: u64 = 256;
/// What a report on an accepted module may ask for, for each byte: each function has two validators of its own, which are
/// gone when the next one begins.
const REPORTED_BYTES_PER_BYTE: u64 = 512;
/// Bytes of code for each byte of a module, and what small modules may have besides.
const CODE_BYTES_PER_BYTE: usize = 64;
const CODE_SLACK: usize = 1024;
/// How much more than twice a bomb of twice the size may cost: growing vectors double.
const SLACK: u64 = 1 << 20;

/// What becomes of a bomb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Accepted,
    Refused(Limit),
    Invalid,
    Proposal,
}

fn fate(bytes: &[u8], rules: &Rules) -> Fate {
    match Module::new(bytes, rules).as_ref().map_err(|error| error.kind()) {
        Ok(_) => Fate::Accepted,
        Err(ModuleErrorKind::Limit { limit, .. }) => Fate::Refused(*limit),
        Err(ModuleErrorKind::Proposal { .. }) => Fate::Proposal,
        Err(_) => Fate::Invalid,
    }
}

/// Decodes a module, makes an instance and calls everything it exports, which translates it.
fn use_up(bytes: &[u8], rules: &Rules, engine: Engine) {
    let module = Module::with_engine(bytes, rules, engine).unwrap_or_else(|error| panic!("{error}"));
    let mut machine = Machine::new(rules, rules.limits.memory_pages);
    let instance = machine.instantiate(&module, &[], &mut Meter::from_gas(1 << 40));
    let instance = instance.unwrap_or_else(|error| panic!("{error}"));
    for export in module.exports() {
        if let (ExternType::Function(ty), Some(Extern::Function(function))) =
            (&export.ty, machine.export(instance, &export.name))
        {
            let arguments: Vec<_> = ty.params().iter().map(|&ty| lathe_vm::Value::zero(ty)).collect();
            machine.invoke(function, &arguments, &mut Meter::from_gas(1_000_000), &mut NoHost);
        }
    }
}

/// Checks that a bomb is refused as it should, and that this is cheap, also for a report.
fn refused(name: &str, bytes: &[u8], expected: Fate) {
    let (found, decoding) = counted(|| fate(bytes, &Rules::DEVNET));
    assert_eq!(found, expected, "{name}");
    // The name of the function is looked for in the whole module.
    let most = REFUSAL_BYTES + 32 * bytes.len() as u64;
    assert!(decoding.total <= most, "{name}: {decoding:?} for {} bytes", bytes.len());
    let (report, reporting) = counted(|| inspect(bytes, &Rules::DEVNET));
    assert!(!report.is_accepted(), "{name}");
    let most = REFUSAL_BYTES + ACCEPTED_BYTES_PER_BYTE * bytes.len() as u64;
    assert!(reporting.total <= most, "{name}: {reporting:?} for {} bytes", bytes.len());
}

/// Checks that a bomb costs in proportion to its size, on each engine.
fn accepted(name: &str, bomb: impl Fn(usize) -> Vec<u8>, size: usize, rules: &Rules) {
    let (half, whole) = (bomb(size / 2), bomb(size));
    assert_eq!(fate(&whole, rules), Fate::Accepted, "{name}");
    reported(name, &half, &whole, rules);
    for &engine in Engine::ALL {
        let code_bytes = |bytes| {
            let module = Module::with_engine(bytes, rules, engine).unwrap_or_else(|error| panic!("{error}"));
            module.translate();
            module.code_bytes()
        };
        let (small, large) = (code_bytes(&half), code_bytes(&whole));
        assert!(
            large <= CODE_BYTES_PER_BYTE * whole.len() + CODE_SLACK,
            "{name} on {engine}: {large} bytes of code"
        );
        assert!(large <= 2 * small + CODE_SLACK, "{name} on {engine}: {small} bytes of code became {large}");
        let cost = |bytes: &[u8]| counted(|| use_up(bytes, rules, engine)).1;
        // What a machine asks for whatever runs on it: its stack.
        let machine = cost(&support::binary_function(&[0, 0x0b]));
        let (small, large): (Allocations, Allocations) = (cost(&half), cost(&whole));
        let own = large.total.saturating_sub(machine.total);
        let most = ACCEPTED_BYTES_PER_BYTE * whole.len() as u64 + SLACK;
        assert!(own <= most, "{name} on {engine}: {large:?} for {} bytes", whole.len());
        // What is still there is a value stack, kept for the next machine; another test may have taken the one before.
        let spent = |cost: &Allocations| cost.total.saturating_sub(cost.live.max(0).cast_unsigned());
        let twice = 2 * spent(&small) + SLACK;
        assert!(spent(&large) <= twice, "{name} on {engine}: {small:?} became {large:?}");
        assert!(large.count <= 2 * small.count + 1_000, "{name} on {engine}: {small:?} became {large:?}");
    }
}

/// Checks that a report on an accepted module costs in proportion to its size.
fn reported(name: &str, half: &[u8], whole: &[u8], rules: &Rules) {
    let cost = |bytes: &[u8]| counted(|| assert!(inspect(bytes, rules).is_accepted(), "{name}")).1;
    let (small, large) = (cost(half), cost(whole));
    let most = REPORTED_BYTES_PER_BYTE * whole.len() as u64 + SLACK;
    assert!(large.total <= most, "a report on {name}: {large:?} for {} bytes", whole.len());
    assert!(large.total <= 2 * small.total + SLACK, "a report on {name}: {small:?} became {large:?}");
    assert!(large.count <= 2 * small.count + 1_000, "a report on {name}: {small:?} became {large:?}");
}

/// A module with one function type [] -> [] and one exported function of this body.
fn function(body: &[u8]) -> Vec<u8> {
    support::binary_function(body)
}

/// A module of functions with one body each, of the types at these indices; the first is exported.
fn functions(types: &[u8], bodies: &[Vec<u8>], ty: u8) -> Vec<u8> {
    let mut declared = leb(bodies.len());
    declared.extend(vec![ty; bodies.len()]);
    let mut code = leb(bodies.len());
    for body in bodies {
        code.extend(leb(body.len()));
        code.extend(body);
    }
    binary(&[(1, types.to_vec()), (3, declared), (7, vec![1, 1, b'f', 0, 0]), (10, code)])
}

const VOID: [u8; 4] = [1, 0x60, 0, 0];
/// A claim of 2^32 - 1 of something.
const MOST: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x0f];

fn nested(opener: &[u8], depth: usize) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(opener.repeat(depth));
    body.extend(vec![0x0b; depth + 1]);
    function(&body)
}

fn signature(params: usize, results: usize) -> Vec<u8> {
    let mut ty = vec![0x60];
    for count in [params, results] {
        ty.extend(leb(count));
        ty.extend(vec![0x7f; count]);
    }
    ty
}

fn custom(name: &str, contents: &[u8]) -> (u8, Vec<u8>) {
    let mut section = leb(name.len());
    section.extend(name.as_bytes());
    section.extend(contents);
    (0, section)
}

/// A subsection of a name section that names functions.
fn function_names(names: &[u8]) -> Vec<u8> {
    let mut contents = vec![1];
    contents.extend(leb(names.len()));
    contents.extend(names);
    contents
}

#[test]
fn deep_nesting() {
    on_small_stack(|| {
        for opener in [&[0x02, 0x40][..], &[0x03, 0x40], &[0x41, 0, 0x04, 0x40]] {
            refused(
                "100,000 blocks",
                &nested(opener, 120_000 / opener.len()),
                Fate::Refused(Limit::BodyBytes),
            );
            refused("blocks", &nested(opener, 120_000 / (opener.len() + 1)), Fate::Refused(Limit::Nesting));
            accepted("blocks without limits", |n| nested(opener, n), 100_000, &Rules::UNBOUNDED);
        }
    });
}

#[test]
fn wide_signatures() {
    on_small_stack(|| {
        let types = |count: usize, params: usize, results: usize| {
            let mut section = leb(count);
            (0..count).for_each(|_| section.extend(signature(params, results)));
            section
        };
        let bodies = |count: usize| vec![vec![0, 0x00, 0x0b]; count];
        let bomb = functions(&types(1, 1_000, 1_000), &bodies(10_000), 0);
        refused("10,000 functions of 1,000 to 1,000", &bomb, Fate::Refused(Limit::Params));
        refused(
            "1,000 results",
            &functions(&types(1, 0, 1_000), &bodies(10), 0),
            Fate::Refused(Limit::Results),
        );
        refused("2,000 types", &functions(&types(2_000, 32, 16), &bodies(1), 0), Fate::Refused(Limit::Types));
        accepted("types", |n| functions(&types(n, 32, 16), &bodies(1), 0), 1_024, &Rules::DEVNET);
        accepted(
            "functions of the widest type",
            |n| functions(&types(1, 32, 16), &bodies(n), 0),
            10_000,
            &Rules::DEVNET,
        );
    });
}

#[test]
fn locals() {
    on_small_stack(|| {
        let groups = |groups: &[(&[u8], u8)]| {
            let mut body = leb(groups.len());
            for (count, ty) in groups {
                body.extend(*count);
                body.push(*ty);
            }
            body.push(0x0b);
            function(&body)
        };
        let wraps = groups(&[(&MOST, 0x7f), (&MOST, 0x7e), (&[2], 0x7f)]);
        refused("a sum that wraps around", &wraps, Fate::Refused(Limit::Locals));
        refused("one claim", &groups(&[(&MOST, 0x7b)]), Fate::Refused(Limit::Locals));
        let claimed = [&MOST[..], &[1, 0x7f, 0x0b]].concat();
        refused("a claim of groups", &function(&claimed), Fate::Invalid);
        let alternating = |n: usize| {
            let mut body = leb(n);
            (0..n).for_each(|i| body.extend([1, if i % 2 == 0 { 0x7f } else { 0x7e }]));
            for i in 0..4 * n {
                body.push(0x20);
                body.extend(leb(i * 7 % n));
                body.push(0x1a);
            }
            body.push(0x0b);
            function(&body)
        };
        accepted("alternating groups", alternating, 4_096, &Rules::DEVNET);
        // No group costs more than it says: 4,096 locals in three bytes, which entering the function pays for.
        let empty_groups = |n: usize| {
            let mut body = leb(n);
            (0..n).for_each(|_| body.extend([0, 0x7f]));
            body.push(0x0b);
            function(&body)
        };
        accepted("groups of none", empty_groups, 60_000, &Rules::DEVNET);
    });
}

#[test]
fn branch_tables() {
    on_small_stack(|| {
        // Blocks with `results` values around branch tables to all of them.
        let tables = |tables: usize, targets: usize, results: usize| {
            let mut types = vec![2];
            types.extend(&VOID[1..]);
            types.extend(signature(0, results));
            let mut body = vec![0, 0x02, 0x01];
            for _ in 0..tables {
                body.extend([0x02, 0x01, 0x00, 0x0e]);
                body.extend(leb(targets));
                body.extend((0..=targets).map(|i| u8::from(i % 2 == 0)));
                body.push(0x0b);
                body.extend(vec![0x1a; results]);
            }
            body.extend([0x00, 0x0b]);
            body.extend(vec![0x1a; results]);
            body.push(0x0b);
            functions(&types, &[body], 0)
        };
        refused("60,000 targets", &tables(1, 60_000, 16), Fate::Refused(Limit::BranchTargets));
        refused("tables times values", &tables(20, 4_000, 16), Fate::Refused(Limit::BranchValues));
        let mut claimed = vec![0, 0x41, 0, 0x0e];
        claimed.extend(MOST);
        claimed.extend([0, 0x0b]);
        refused("a claim of targets", &function(&claimed), Fate::Invalid);
        accepted("tables of nothing", |n| tables(n, 1_000, 0), 100, &Rules::DEVNET);
        accepted("tables of values", |n| tables(n, 60, 16), 60, &Rules::DEVNET);
    });
}

#[test]
fn wide_blocks() {
    on_small_stack(|| {
        // Blocks that take and give sixteen values, one behind the other and one in the other.
        let types = [&[2][..], &VOID[1..], &signature(16, 16)].concat();
        let around = |inside: Vec<u8>| {
            let mut body = vec![0];
            body.extend([0x41, 0].repeat(16));
            body.extend(inside);
            body.extend([0x1a; 16]);
            body.push(0x0b);
            functions(&types, &[body], 0)
        };
        accepted("wide blocks in a row", |n| around([0x02, 0x01, 0x0b].repeat(n)), 30_000, &Rules::DEVNET);
        accepted("wide loops in a row", |n| around([0x03, 0x01, 0x0b].repeat(n)), 30_000, &Rules::DEVNET);
        let ifs = |n: usize| around([0x41, 1, 0x04, 0x01, 0x05, 0x0b].repeat(n));
        accepted("wide ifs in a row", ifs, 20_000, &Rules::DEVNET);
        let deep = |n: usize| {
            around((0..n).flat_map(|_| [0x02, 0x01].repeat(200).into_iter().chain([0x0b; 200])).collect())
        };
        accepted("wide blocks in each other", deep, 100, &Rules::DEVNET);
        // Branches that carry sixteen values and are never taken.
        let branches =
            |n: usize| around([&[0x02, 0x01][..], &[0x41, 0, 0x0d, 0].repeat(n), &[0x0b]].concat());
        accepted("wide branches", branches, 30_000, &Rules::DEVNET);
    });
}

#[test]
fn tall_stacks() {
    on_small_stack(|| {
        // A thousand operands that are locals, below writes of another local and of the same one.
        let under = |local: u8| {
            move |n: usize| {
                let mut body = vec![1, 2, 0x7f];
                body.extend([0x20, 0].repeat(1_000));
                body.extend([0x41, 1, 0x21, local].repeat(n));
                body.extend([0x1a; 1_000]);
                body.push(0x0b);
                function(&body)
            }
        };
        accepted("writes of another local", under(1), 30_000, &Rules::DEVNET);
        accepted("writes of the same local", under(0), 30_000, &Rules::DEVNET);
        let refilled = |n: usize| {
            let mut body = vec![1, 1, 0x7f];
            for _ in 0..n {
                body.extend([0x20, 0].repeat(1_000));
                body.extend([0x41, 1, 0x21, 0]);
                body.extend([0x1a; 1_000]);
            }
            body.push(0x0b);
            function(&body)
        };
        accepted("a stack that fills again", refilled, 40, &Rules::DEVNET);
        // Blocks on top of it, which might save what lies below each time.
        let blocks = |n: usize| {
            let mut body = vec![1, 1, 0x7f];
            body.extend([0x20, 0].repeat(1_000));
            body.extend([0x02, 0x40, 0x0b].repeat(n));
            body.extend([0x03, 0x40, 0x0b].repeat(n));
            body.extend([0x1a; 1_000]);
            body.push(0x0b);
            function(&body)
        };
        accepted("blocks over a tall stack", blocks, 15_000, &Rules::DEVNET);
        let mut dead = vec![0, 0x00];
        dead.extend([0x6a].repeat(100_000));
        dead.extend([0x1a, 0x0b]);
        accepted(
            "sums that nothing reaches",
            |n| function(&[&dead[..2], &vec![0x6a; n], &[0x1a, 0x0b]].concat()),
            100_000,
            &Rules::DEVNET,
        );
    });
}

#[test]
fn claims_of_sections() {
    on_small_stack(|| {
        for (section, expected) in [
            (1, Fate::Refused(Limit::Types)),
            (2, Fate::Refused(Limit::Imports)),
            (3, Fate::Refused(Limit::Functions)),
            (4, Fate::Refused(Limit::Tables)),
            (5, Fate::Proposal),
            (6, Fate::Refused(Limit::Globals)),
            (7, Fate::Refused(Limit::Exports)),
            (9, Fate::Refused(Limit::Segments)),
            (10, Fate::Invalid),
            (11, Fate::Refused(Limit::Segments)),
            (12, Fate::Refused(Limit::Segments)),
        ] {
            refused(&format!("section {section}"), &binary(&[(section, MOST.to_vec())]), expected);
        }
        let inside = |section: u8, contents: &[u8]| binary(&[(section, [contents, &MOST].concat())]);
        refused("parameters of a type", &inside(1, &[1, 0x60]), Fate::Invalid);
        refused("types of a group", &inside(1, &[1, 0x4e]), Fate::Invalid);
        refused("bytes of a name", &inside(7, &[1]), Fate::Invalid);
        refused("elements of a segment", &inside(9, &[1, 1, 0]), Fate::Invalid);
        refused("bytes of a segment", &inside(11, &[1, 1]), Fate::Invalid);
        refused(
            "bytes of a body",
            &binary(&[(1, VOID.to_vec()), (3, vec![1, 0]), (10, [&[1][..], &MOST].concat())]),
            Fate::Invalid,
        );
        refused("bytes of a section", &[&b"\0asm\x01\0\0\0\x01"[..], &MOST].concat(), Fate::Invalid);
    });
}

#[test]
fn minima() {
    on_small_stack(|| {
        let minimum = |ty: &[u8]| [ty, &MOST].concat();
        refused("2^32 - 1 pages", &binary(&[(5, minimum(&[1, 0]))]), Fate::Invalid);
        refused(
            "65,536 pages",
            &binary(&[(5, vec![1, 0, 0x80, 0x80, 4])]),
            Fate::Refused(Limit::MemoryPages),
        );
        refused(
            "2^32 - 1 elements",
            &binary(&[(4, minimum(&[1, 0x70, 0]))]),
            Fate::Refused(Limit::TableElements),
        );
        let ten_million = [&[1, 0x70, 0][..], &leb(10_000_000)].concat();
        refused("10,000,000 elements", &binary(&[(4, ten_million)]), Fate::Refused(Limit::TableElements));
    });
}

#[test]
fn names_of_functions() {
    on_small_stack(|| {
        let named = |contents: Vec<u8>| binary(&[custom("name", &function_names(&contents))]);
        // Indices must rise, so there is one for each.
        let each = |n: usize, name: &[u8]| {
            let mut names = leb(n);
            for index in 0..n {
                names.extend(leb(index));
                names.extend(name);
            }
            names
        };
        let short = |n: usize| named(each(n, &[1, b'n']));
        accepted("short names", short, 80_000, &Rules::DEVNET);
        let empty = |n: usize| named(each(n, &[0]));
        accepted("empty names", empty, 100_000, &Rules::DEVNET);
        let sections = |n: usize| {
            let names = custom("name", &function_names(&[1, 0, 1, b'n']));
            binary(&vec![names; n])
        };
        accepted("name sections", sections, 20_000, &Rules::DEVNET);
        let subsections = |n: usize| binary(&[custom("name", &function_names(&[1, 0, 1, b'n']).repeat(n))]);
        accepted("subsections", subsections, 50_000, &Rules::DEVNET);
        // No more names are kept than there may be functions.
        let most = short(10_128);
        let (held, more) =
            [&most, &short(80_000)].map(|bytes| counted(|| Module::new(bytes, &Rules::DEVNET))).into();
        assert!(held.0.is_ok() && more.0.is_ok());
        assert!(held.1.live > 0 && more.1.live < held.1.live + 4_096, "{:?} became {:?}", held.1, more.1);
        let long = |n: usize| named([&[1, 0][..], &leb(n), &vec![b'n'; n]].concat());
        accepted("a long name", long, 400_000, &Rules::DEVNET);
        assert_eq!(
            fate(&named(MOST.to_vec()), &Rules::DEVNET),
            Fate::Accepted,
            "a claim of names is nothing"
        );
        let (_, claim) = counted(|| fate(&named(MOST.to_vec()), &Rules::DEVNET));
        assert!(claim.total < REFUSAL_BYTES, "{claim:?}");
        // Refusing a function looks for its name.
        let bad = |n: usize| {
            let names = function_names(&each(n, &[1, b'n']));
            binary(&[
                (1, VOID.to_vec()),
                (3, vec![1, 0]),
                (10, vec![1, 3, 0, 0x1a, 0x0b]),
                custom("name", &names),
            ])
        };
        refused("names of a function that is refused", &bad(80_000), Fate::Invalid);
    });
}

#[test]
fn segments() {
    on_small_stack(|| {
        let data = |n: usize| binary(&[(11, [leb(n), [1, 1, b'x'].repeat(n)].concat())]);
        accepted("data segments", data, 1_024, &Rules::DEVNET);
        refused("2,000 data segments", &data(2_000), Fate::Refused(Limit::Segments));
        let bytes = |n: usize| binary(&[(11, [&[1, 1][..], &leb(n), &vec![0; n]].concat())]);
        accepted("a large data segment", bytes, 500_000, &Rules::DEVNET);
        let around = |elements: Vec<u8>| {
            binary(&[
                (1, VOID.to_vec()),
                (3, vec![1, 0]),
                (4, vec![1, 0x70, 0, 0]),
                (9, elements),
                (10, vec![1, 2, 0, 0x0b]),
            ])
        };
        let indices = |n: usize| around([&[1, 1, 0][..], &leb(n), &vec![0; n]].concat());
        accepted("indices of functions", indices, 10_000, &Rules::DEVNET);
        refused("500,000 indices of functions", &indices(500_000), Fate::Refused(Limit::ElementItems));
        let expressions =
            |n: usize| around([&[1, 5, 0x70][..], &leb(n), &[0xd2, 0, 0x0b].repeat(n)].concat());
        accepted("element expressions", expressions, 10_000, &Rules::DEVNET);
        refused("150,000 element expressions", &expressions(150_000), Fate::Refused(Limit::ElementItems));
        // Each segment takes a part, all together count.
        let parts = |n: usize| {
            let segment = [&[1, 0][..], &leb(n), &vec![0; n]].concat();
            around([leb(1_000), segment.repeat(1_000)].concat())
        };
        accepted("segments of some indices", parts, 10, &Rules::DEVNET);
        refused("segments of many indices", &parts(100), Fate::Refused(Limit::ElementItems));
        let mut long = vec![1, 5, 0x70, 1];
        long.extend([0x41, 0]);
        long.extend([0x41, 0, 0x6a].repeat(100_000));
        long.push(0x0b);
        refused("an endless element expression", &around(long), Fate::Invalid);
        let mut global = vec![1, 0x7f, 0, 0x41, 0];
        global.extend([0x41, 0, 0x6a].repeat(100_000));
        global.push(0x0b);
        refused("an endless initial value", &binary(&[(6, global)]), Fate::Refused(Limit::ConstInstructions));
        refused("a claim of data segments", &binary(&[(12, MOST.to_vec())]), Fate::Refused(Limit::Segments));
    });
}

#[test]
fn imports_exports_globals_and_custom_sections() {
    on_small_stack(|| {
        let text = |bytes: &[u8]| [leb(bytes.len()), bytes.to_vec()].concat();
        // Names that differ in their beginning.
        let name = |place: usize, len: usize| {
            text(&[format!("{place:06}").as_bytes(), &vec![b'n'; len - 6]].concat())
        };
        let exports = |n: usize, len: usize| {
            let each = (0..n).flat_map(|place| [name(place, len), vec![0, 0]].concat()).collect();
            let exports = [leb(n), each].concat();
            binary(&[(1, VOID.to_vec()), (3, vec![1, 0]), (7, exports), (10, vec![1, 2, 0, 0x0b])])
        };
        accepted("exports", |n| exports(n, 256), 128, &Rules::DEVNET);
        refused("2,000 exports", &exports(2_000, 7), Fate::Refused(Limit::Exports));
        refused("a long export", &exports(1, 257), Fate::Refused(Limit::NameBytes));
        let imports = |n: usize, len: usize| {
            let each =
                (0..n).flat_map(|place| [name(place, len), name(place, len), vec![0, 0]].concat()).collect();
            binary(&[(1, VOID.to_vec()), (2, [leb(n), each].concat())])
        };
        assert_eq!(fate(&imports(128, 256), &Rules::DEVNET), Fate::Accepted);
        reported("imports", &imports(64, 256), &imports(128, 256), &Rules::DEVNET);
        let [small, large] =
            [64, 128].map(|n| imports(n, 256)).map(|bytes| counted(|| fate(&bytes, &Rules::DEVNET)).1);
        assert!(large.total <= 2 * small.total + REFUSAL_BYTES, "{small:?} became {large:?}");
        refused("2,000 imports", &imports(2_000, 7), Fate::Refused(Limit::Imports));
        refused("a long import", &imports(1, 257), Fate::Refused(Limit::NameBytes));
        // Initial values as long as they may be.
        let globals = |n: usize| {
            let value = [&[0x41, 1][..], &[0x41, 1, 0x6a].repeat(7), &[0x0b]].concat();
            let global = [&[0x7f, 0][..], &value].concat();
            binary(&[(6, [leb(n), global.repeat(n)].concat())])
        };
        accepted("globals", globals, 1_024, &Rules::DEVNET);
        refused("2,000 globals", &globals(2_000), Fate::Refused(Limit::Globals));
        let sections = |n: usize| binary(&vec![custom("", &[]); n]);
        accepted("custom sections", sections, 150_000, &Rules::DEVNET);
    });
}

#[test]
fn texts_of_refusals() {
    on_small_stack(|| {
        // An export twice, whose name goes into the reason.
        let name = |byte: u8| [&leb(100_000)[..], &vec![byte; 100_000], &[0, 0]].concat();
        for byte in [b'n', 0x1b] {
            let exports = [&[2][..], &name(byte), &name(byte)].concat();
            let bomb =
                binary(&[(1, VOID.to_vec()), (3, vec![1, 0]), (7, exports), (10, vec![1, 2, 0, 0x0b])]);
            let error =
                Module::new(&bomb, &Rules::DEVNET).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.len() < 1_000, "{} bytes", error.len());
            assert!(!error.contains('\u{1b}'), "{error}");
        }
    });
}

#[test]
fn bodies() {
    on_small_stack(|| {
        let bodies = |n: usize| functions(&VOID, &vec![vec![0, 0x0b]; n], 0);
        accepted("empty functions", bodies, 10_000, &Rules::DEVNET);
        refused("20,000 functions", &bodies(20_000), Fate::Refused(Limit::Functions));
        let constants = |n: usize| function(&[&[0][..], &[0x41, 0, 0x1a].repeat(n), &[0x0b]].concat());
        accepted("constants", constants, 40_000, &Rules::DEVNET);
        let mut vector = vec![0xfd, 12];
        vector.extend([7; 16]);
        vector.push(0x1a);
        let vectors = |n: usize| function(&[&[0][..], &vector.repeat(n), &[0x0b]].concat());
        accepted("vector constants", vectors, 6_000, &Rules::DEVNET);
        let calls = |n: usize| {
            function(&[&[0][..], &[0x41, 0, 0x04, 0x40, 0x10, 0, 0x0b].repeat(n), &[0x0b]].concat())
        };
        accepted("calls", calls, 15_000, &Rules::DEVNET);
        let returns = |n: usize| function(&[&[0][..], &[0x02, 0x40, 0x0f, 0x0b].repeat(n), &[0x0b]].concat());
        accepted("returns", returns, 30_000, &Rules::DEVNET);
    });
}

/// What finding the name behind a symbol of at most 1,024 bytes may ask for: each byte may copy a text of 2 KiB.
const SYMBOL_BYTES: u64 = 4 * 1024 * 1024;

#[test]
fn symbols() {
    on_small_stack(|| {
        // Types made of two of the one before, in C++ and in Rust; pointers to pointers; a reference to itself.
        let pairs: String = (0..60).map(|i| format!("1BIS{i:X}_S{i:X}_E")).collect();
        let symbols = [
            format!("_Z1f1A{pairs}"),
            format!("_Z1f1A{}", "S_S_".repeat(250)),
            format!("_Z1f{}i", "P".repeat(1_000)),
            format!("_Z1fI{}EvT_", "1AI".repeat(100)),
            format!("_Z1fI{}EvDpT_", "iJ".repeat(300)),
            format!("_RINvC1a1b{}E", "TB7_B7_E".repeat(100)),
            "_RMC0RB2_".to_owned(),
            "_RMC0FGZZZZZZZZZ_Eu".to_owned(),
            "n".repeat(1_000_000),
        ];
        for symbol in symbols {
            let (name, cost) = counted(|| lathe_vm::demangle(&symbol));
            assert!(name.len() <= 256 + 3, "{name}");
            assert!(cost.total <= SYMBOL_BYTES, "{symbol}: {cost:?}");
        }
    });
}
