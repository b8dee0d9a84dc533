//! The smallest device tree that boots the image: one bank of RAM, one UART, PSCI
//!
//! QEMU pads the trees that it passes to megabytes; real ones may be smaller than a page.
//!
//! Source: Devicetree Specification v0.4, chapter 5 (format).

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const END: u32 = 9;

/// Name and value.
type Property<'a> = (&'a str, &'a [u8]);

/// The structure and strings blocks while they grow.
#[derive(Default)]
struct Blocks {
    structure: Vec<u8>,
    strings: Vec<u8>,
}

impl Blocks {
    fn words(&mut self, words: &[u32]) {
        self.structure.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.structure.extend(bytes);
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }

    fn node(&mut self, name: &str, properties: &[Property<'_>]) {
        self.words(&[BEGIN_NODE]);
        self.bytes(format!("{name}\0").as_bytes());
        for (name, value) in properties {
            self.words(&[PROPERTY, length(value), length(&self.strings)]);
            self.strings.extend(format!("{name}\0").as_bytes());
            self.bytes(value);
        }
    }
}

/// A flattened tree of some 500 bytes for QEMU's `virt` with 512 MiB.
#[must_use]
pub fn small_tree(boot_args: &str) -> Vec<u8> {
    let two: &[u8] = &[0, 0, 0, 2];
    let mut blocks = Blocks::default();
    blocks.node("", &[("#address-cells", two), ("#size-cells", two), ("model", b"small\0")]);
    let boot_args = format!("{boot_args}\0");
    let nodes: [(&str, &[Property<'_>]); 4] = [
        ("chosen", &[("bootargs", boot_args.as_bytes()), ("stdout-path", b"/uart\0")]),
        ("memory", &[("device_type", b"memory\0"), ("reg", &region(0x4000_0000, 0x2000_0000))]),
        ("psci", &[("method", b"hvc\0")]),
        ("uart", &[("compatible", b"arm,pl011\0"), ("reg", &region(0x0900_0000, 0x1000))]),
    ];
    for (name, properties) in nodes {
        blocks.node(name, properties);
        blocks.words(&[END_NODE]);
    }
    blocks.words(&[END_NODE, END]);
    // Header, one empty memory reservation, structure, strings.
    let (n_structure, n_strings) = (length(&blocks.structure), length(&blocks.strings));
    let strings_at = 56 + n_structure;
    let header = [0xd00d_feed, strings_at + n_strings, 56, strings_at, 40, 17, 16, 0, n_strings, n_structure];
    let mut tree: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
    tree.extend([0; 16]);
    tree.extend(blocks.structure);
    tree.extend(blocks.strings);
    tree
}

/// Address and size, two cells each.
fn region(address: u64, bytes: u64) -> [u8; 16] {
    (u128::from(address) << 64 | u128::from(bytes)).to_be_bytes()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a short block")
}
