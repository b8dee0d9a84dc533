//! Which layout each ternary matrix gets: a target's, or a profile's
//!
//! A file's layouts never depend on the machine that packs it. Every mix gives the same bits of every result; what
//! differs is how many bytes are read and how much it takes to decode them.

use core::fmt;

use ternlet_kernels::layout::TernaryLayout;
use ternlet_runtime::HiddenAct;
use ternlet_runtime::format::{Layout, Order, Role};

/// The roles of ternary matrices, in file order.
pub const TERNARY_ROLES: [Role; 7] =
    [Role::Wq, Role::Wk, Role::Wv, Role::Wo, Role::WGate, Role::WUp, Role::WDown];

/// How a ternary matrix lies in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// How its trits are packed.
    pub layout: TernaryLayout,
    /// Whether rows or columns lie together.
    pub order: Order,
}

impl Placement {
    /// Row after row.
    #[must_use]
    pub const fn rows(layout: TernaryLayout) -> Self {
        Self { layout, order: Order::RowMajor }
    }

    /// Column after column.
    #[must_use]
    pub const fn columns(layout: TernaryLayout) -> Self {
        Self { layout, order: Order::ColumnMajor }
    }

    /// The layout as the file has it.
    #[must_use]
    pub fn stored(self) -> (Layout, Order) {
        (self.layout.into(), self.order)
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_column = match self.order {
            Order::RowMajor => "",
            Order::ColumnMajor => " by column",
        };
        write!(f, "{}{by_column}", self.layout.name())
    }
}

/// What a file is packed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Any machine: two bits a weight, the least to compute.
    Any,
    /// Four Cortex-A76 cores that wait for memory: the fewest bytes that they can still decode in time.
    Pi5,
    /// Four Cortex-A72 cores without dot products.
    Pi4,
    /// Four Cortex-A53 cores without dot products.
    Pi3,
    /// A laptop or server with AVX2 or AVX-512.
    X86,
}

/// The layouts of all ternary matrices, by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layouts {
    /// In the order of [`TERNARY_ROLES`], for models with a squared ReLU.
    by_role: [Placement; TERNARY_ROLES.len()],
}

impl Layouts {
    /// The same for every role; columns of `w_down` together, where the skip can use that.
    #[must_use]
    pub const fn all(layout: TernaryLayout) -> Self {
        let mut by_role = [Placement::rows(layout); TERNARY_ROLES.len()];
        if !matches!(layout, TernaryLayout::Tl1) {
            by_role[TERNARY_ROLES.len() - 1] = Placement::columns(layout);
        }
        Self { by_role }
    }

    /// As given, in the order of [`TERNARY_ROLES`].
    #[must_use]
    pub const fn by_role(by_role: [Placement; TERNARY_ROLES.len()]) -> Self {
        Self { by_role }
    }

    /// The mix for `target`, from predicted cycles and bandwidths.
    #[must_use]
    pub const fn for_target(target: Target, hidden_act: HiddenAct) -> Self {
        match (target, hidden_act) {
            (Target::Any | Target::Pi4 | Target::Pi3 | Target::X86, _) => Self::all(TernaryLayout::I2),
            (Target::Pi5, HiddenAct::Silu) => Self::all(TernaryLayout::Tl2),
            // Most rows of w_up and columns of w_down are skipped: what is left is decoded in time even at 1.6 bits.
            (Target::Pi5, HiddenAct::Relu2) => {
                let (tl2, t5) = (Placement::rows(TernaryLayout::Tl2), TernaryLayout::T5);
                Self::by_role([tl2, tl2, tl2, tl2, tl2, Placement::rows(t5), Placement::columns(t5)])
            }
        }
    }

    /// Where a matrix of `role` in a model of `hidden_act` goes. Columns lie together only behind a squared ReLU.
    #[must_use]
    pub fn of(&self, role: Role, hidden_act: HiddenAct) -> Placement {
        let index = TERNARY_ROLES.iter().position(|&other| other == role);
        let placement = self.by_role[index.unwrap_or(0)];
        match hidden_act {
            HiddenAct::Relu2 => placement,
            HiddenAct::Silu => Placement::rows(placement.layout),
        }
    }
}
