//! What the device tree says about this board
//!
//! The only room, beside `board/link/`, that may hold addresses. So far every address comes from
//! the tree that the loader hands over; a board that boots without one would add its map here.

use crate::device_tree::{DeviceTree, NodePath, Region};
use crate::driver::{Pl011, Port, Registers};
use crate::ranges::Ranges;

/// The kinds of UART that have a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsoleKind {
    /// Arm PL011.
    Pl011,
}

impl ConsoleKind {
    /// The kind that a device tree node describes.
    fn of(path: &NodePath<'_>) -> Option<Self> {
        path.node().is_compatible("arm,pl011").then_some(Self::Pl011)
    }

    /// Bytes of registers to map.
    #[must_use]
    pub fn window_bytes(self) -> u64 {
        match self {
            Self::Pl011 => Pl011::WINDOW_BYTES as u64,
        }
    }

    /// Takes the device into service.
    #[must_use]
    pub fn open(self, registers: Registers) -> Port {
        match self {
            Self::Pl011 => Port::Pl011(Pl011::new(registers)),
        }
    }
}

/// How PSCI is called (Arm DEN 0022, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduit {
    /// Hypervisor call.
    Hvc,
    /// Secure monitor call.
    Smc,
}

/// A board as its device tree describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board<'a> {
    /// Name for people.
    pub name: &'a str,
    /// The console: what `stdout-path` names, else the first UART with a driver.
    pub console: Option<(ConsoleKind, Region)>,
    /// RAM that may be mapped: all banks without the `no-map` reservations.
    pub ram: Ranges,
    /// RAM that is nobody's yet, before image, device tree and initrd are taken out.
    pub free: Ranges,
    /// The file that the loader put into memory.
    pub initrd: Option<Region>,
    /// The kernel command line.
    pub boot_args: &'a str,
    /// How to call PSCI, if the firmware has it.
    pub psci: Option<Conduit>,
    /// Number of enabled cores.
    pub n_cores: usize,
}

impl<'a> Board<'a> {
    /// Reads what start-up needs from the tree. What is missing or malformed stays empty.
    #[must_use]
    pub fn discover(tree: DeviceTree<'a>) -> Self {
        let root = tree.root();
        let chosen = tree.find("/chosen").map(|path| path.node());
        let (ram, mut free) = memory(tree);
        let initrd = chosen.and_then(|chosen| {
            let start = chosen.number("linux,initrd-start")?;
            let bytes = chosen.number("linux,initrd-end")?.checked_sub(start)?;
            (bytes > 0).then_some(Region { address: start, bytes })
        });
        // Some loaders also list the initrd as reserved: it is reserved for us.
        if let Some(region) = initrd.filter(|region| ram.contains(&region.range())) {
            free.insert(region.range());
        }
        Self {
            name: root
                .and_then(|root| root.text("model").or(root.text("compatible")))
                .unwrap_or("unnamed board"),
            console: console(tree),
            ram,
            free,
            initrd,
            boot_args: chosen.and_then(|chosen| chosen.text("bootargs")).unwrap_or_default(),
            psci: tree.find("/psci").filter(NodePath::is_enabled).and_then(|path| {
                match path.node().text("method") {
                    Some("hvc") => Some(Conduit::Hvc),
                    Some("smc") => Some(Conduit::Smc),
                    _ => None,
                }
            }),
            n_cores: n_cores(tree),
        }
    }
}

/// The node that `stdout-path` names (`serial0:115200n8` or a path), if it is enabled and has a
/// driver; else the first such node in the tree.
fn console(tree: DeviceTree<'_>) -> Option<(ConsoleKind, Region)> {
    let usable = |path: &NodePath<'_>| Some((ConsoleKind::of(path)?, path.reg(0)?));
    let named = tree.find("/chosen").and_then(|path| {
        let wanted = path.node().text("stdout-path")?.split(':').next()?;
        tree.find(wanted).filter(NodePath::is_enabled)
    });
    named
        .as_ref()
        .and_then(usable)
        .or_else(|| tree.find_enabled(|path| usable(path).is_some()).as_ref().and_then(usable))
}

/// RAM to map and RAM to use, from the memory nodes, `/reserved-memory` and the reservation block.
fn memory(tree: DeviceTree<'_>) -> (Ranges, Ranges) {
    let mut ram = Ranges::new();
    tree.for_each_enabled(|path| {
        if path.depth() == 1 && path.node().text("device_type") == Some("memory") {
            for region in regions(path) {
                ram.insert(region.range());
            }
        }
        true
    });
    let mut free = ram.clone();
    tree.for_each_enabled(|path| {
        let is_reservation = path.depth() == 2 && path.parent_name() == Some("reserved-memory");
        if is_reservation {
            let is_unmapped = path.node().property("no-map").is_some();
            let is_reusable = path.node().property("reusable").is_some();
            for region in regions(path) {
                if is_unmapped {
                    ram.remove(region.range());
                }
                if is_unmapped || !is_reusable {
                    free.remove(region.range());
                }
            }
        }
        true
    });
    for region in tree.reservations() {
        free.remove(region.range());
    }
    (ram, free)
}

/// All entries of a node's `reg`.
fn regions<'a>(path: &'a NodePath<'_>) -> impl Iterator<Item = Region> + 'a {
    (0..).map_while(|index| path.reg(index))
}

fn n_cores(tree: DeviceTree<'_>) -> usize {
    let mut n_cores = 0;
    tree.for_each_enabled(|path| {
        n_cores += usize::from(path.depth() == 2 && path.node().text("device_type") == Some("cpu"));
        true
    });
    n_cores
}
