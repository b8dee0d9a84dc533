//! The device tree reader: real shapes are understood, hostile bytes are refused

use ternlet_board::{Board, Conduit, ConsoleKind, DeviceTree, Region};

/// Writes a flattened tree (Devicetree Specification v0.4, chapter 5).
#[derive(Default)]
struct Writer {
    structure: Vec<u8>,
    strings: Vec<u8>,
    reservations: Vec<u8>,
}

impl Writer {
    fn open(&mut self, name: &str) -> &mut Self {
        self.word(1);
        self.structure.extend(name.as_bytes());
        self.structure.push(0);
        self.pad()
    }

    fn close(&mut self) -> &mut Self {
        self.word(2)
    }

    fn property(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let name_at = word(self.strings.len());
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        self.word(3).word(word(value.len())).word(name_at);
        self.structure.extend(value);
        self.pad()
    }

    fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.property(name, format!("{value}\0").as_bytes())
    }

    fn words(&mut self, name: &str, value: &[u32]) -> &mut Self {
        let bytes: Vec<u8> = value.iter().flat_map(|word| word.to_be_bytes()).collect();
        self.property(name, &bytes)
    }

    fn word(&mut self, word: u32) -> &mut Self {
        self.structure.extend(word.to_be_bytes());
        self
    }

    fn pad(&mut self) -> &mut Self {
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
        self
    }

    fn reserve(&mut self, address: u64, bytes: u64) -> &mut Self {
        self.reservations.extend(address.to_be_bytes());
        self.reservations.extend(bytes.to_be_bytes());
        self
    }

    fn finish(&mut self) -> Vec<u8> {
        self.word(9).reserve(0, 0);
        let reservations_at = 40;
        let structure_at = reservations_at + self.reservations.len();
        let strings_at = structure_at + self.structure.len();
        let total = strings_at + self.strings.len();
        let header = [
            0xd00d_feed,
            total,
            structure_at,
            strings_at,
            reservations_at,
            17,
            16,
            0,
            self.strings.len(),
            self.structure.len(),
        ];
        let mut tree: Vec<u8> = header.iter().flat_map(|&value| word(value).to_be_bytes()).collect();
        tree.extend(&self.reservations);
        tree.extend(&self.structure);
        tree.extend(&self.strings);
        tree
    }
}

/// A length as a cell of the tree.
fn word(length: usize) -> u32 {
    u32::try_from(length).expect("a small tree")
}

/// A board in the manner of a Raspberry Pi 5: two memory banks, a reservation, a bus that moves
/// addresses, a disabled UART before the real one, an alias with line settings.
fn sample() -> Vec<u8> {
    let mut tree = Writer::default();
    tree.reserve(0x4000_0000, 0x1000);
    tree.open("").words("#address-cells", &[2]).words("#size-cells", &[2]).text("model", "sample board");
    tree.open("chosen")
        .text("stdout-path", "serial10:115200n8")
        .text("bootargs", "ternlet.exit=psci")
        .words("linux,initrd-start", &[0, 0x4800_0000])
        .words("linux,initrd-end", &[0x4810_0000])
        .close();
    tree.open("aliases").text("serial10", "/soc@107c000000/serial@7d001000").close();
    tree.open("memory@0").text("device_type", "memory");
    tree.words("reg", &[0, 0, 0, 0x3fc0_0000, 0, 0x4000_0000, 0, 0x4000_0000]).close();
    tree.open("reserved-memory")
        .words("#address-cells", &[2])
        .words("#size-cells", &[2])
        .property("ranges", &[]);
    tree.open("atf@0").words("reg", &[0, 0, 0, 0x8_0000]).property("no-map", &[]).close();
    tree.open("cma").words("reg", &[0, 0x5000_0000, 0, 0x1000]).property("reusable", &[]).close().close();
    tree.open("psci").text("method", "smc").close();
    tree.open("cpus").words("#address-cells", &[1]).words("#size-cells", &[0]);
    tree.open("cpu@0").text("device_type", "cpu").words("reg", &[0]).close();
    tree.open("cpu@1")
        .text("device_type", "cpu")
        .words("reg", &[1])
        .text("status", "disabled")
        .close()
        .close();
    tree.open("soc@107c000000").words("#address-cells", &[1]).words("#size-cells", &[1]);
    tree.words("ranges", &[0, 0x10, 0, 0x8000_0000]);
    tree.open("serial@7d000000").text("status", "disabled").property("compatible", b"arm,pl011\0");
    tree.words("reg", &[0x7d00_0000, 0x200]).close();
    tree.open("serial@7d001000").text("status", "okay").property("compatible", b"arm,pl011\0arm,primecell\0");
    tree.words("reg", &[0x7d00_1000, 0x200]).close().close();
    tree.close().finish()
}

#[test]
fn a_board_is_found_in_its_tree() {
    let bytes = sample();
    let board = Board::discover(DeviceTree::parse(&bytes).expect("a well-formed tree"));
    assert_eq!(board.name, "sample board");
    let uart = Region { address: 0x10_7d00_1000, bytes: 0x200 };
    assert_eq!(board.console, Some((ConsoleKind::Pl011, uart)), "translated through the bus");
    assert_eq!(board.initrd, Some(Region { address: 0x4800_0000, bytes: 0x10_0000 }));
    assert_eq!(board.boot_args, "ternlet.exit=psci");
    assert_eq!(board.psci, Some(Conduit::Smc));
    assert_eq!(board.n_cores, 1, "a disabled core is none");
    assert_eq!(board.ram.iter().collect::<Vec<_>>(), [0x8_0000..0x3fc0_0000, 0x4000_0000..0x8000_0000]);
    assert_eq!(board.free.iter().collect::<Vec<_>>(), [0x8_0000..0x3fc0_0000, 0x4000_1000..0x8000_0000]);
}

#[test]
fn without_a_usable_stdout_path_the_first_enabled_uart_serves() {
    let bytes = sample();
    let text = b"serial10:115200n8";
    let at = bytes.windows(text.len()).position(|window| window == text).expect("the path");
    let mut other = bytes.clone();
    other[at..at + 8].copy_from_slice(b"serial99");
    let board = Board::discover(DeviceTree::parse(&other).expect("a well-formed tree"));
    assert_eq!(board.console.map(|(_, region)| region.address), Some(0x10_7d00_1000));
}

#[test]
fn paths_resolve_with_and_without_unit_addresses() {
    let bytes = sample();
    let tree = DeviceTree::parse(&bytes).expect("a well-formed tree");
    for path in ["/soc@107c000000/serial@7d001000", "/soc/serial@7d001000", "serial10"] {
        assert_eq!(tree.find(path).map(|path| path.node().name()), Some("serial@7d001000"), "{path}");
    }
    for path in ["/soc/none", "serial11", "", "soc"] {
        assert!(tree.find(path).is_none(), "{path}");
    }
}

#[test]
fn a_tree_cut_anywhere_is_refused() {
    let bytes = sample();
    for length in 0..bytes.len() {
        assert!(DeviceTree::parse(&bytes[..length]).is_err(), "accepted {length} of {} bytes", bytes.len());
    }
}

#[test]
fn every_flipped_byte_is_refused_or_read_without_a_panic() {
    let bytes = sample();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x04, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(tree) = DeviceTree::parse(&damaged) {
                let board = Board::discover(tree);
                assert!(board.n_cores <= 2);
            }
        }
    }
}

#[test]
fn nesting_is_bounded_and_must_balance() {
    let mut deep = Writer::default();
    for _ in 0..1000 {
        deep.open("n");
    }
    for _ in 0..1000 {
        deep.close();
    }
    assert!(DeviceTree::parse(&deep.finish()).is_err());
    let mut unbalanced = Writer::default();
    unbalanced.open("").open("child").close();
    assert!(DeviceTree::parse(&unbalanced.finish()).is_err());
    let mut two_roots = Writer::default();
    two_roots.open("").close().open("").close();
    assert!(DeviceTree::parse(&two_roots.finish()).is_err());
    let mut late_property = Writer::default();
    late_property.open("").open("child").close().words("late", &[1]).close();
    assert!(DeviceTree::parse(&late_property.finish()).is_err());
}

#[test]
fn absurd_cells_and_ranges_yield_nothing() {
    for cells in [0, 3, 4, 7, u32::MAX] {
        let mut tree = Writer::default();
        tree.open("").words("#address-cells", &[cells]).words("#size-cells", &[cells]);
        tree.open("memory@0").text("device_type", "memory").words("reg", &[u32::MAX; 12]).close();
        let bytes = tree.close().finish();
        let board = Board::discover(DeviceTree::parse(&bytes).expect("a well-formed tree"));
        assert!(board.ram.iter().all(|bank| bank.start < bank.end), "cells {cells}");
    }
}
