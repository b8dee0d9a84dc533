//! A profile: the layouts that one machine wants, as `ternlet tune` prints and `pack` and `repack` take them
//!
//! JSON: a version, where it was measured, and the layout of each ternary matrix by role (`tl2`, or `t5 by column` for
//! `w_down`).

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use ternlet_kernels::layout::TernaryLayout;
use ternlet_runtime::format::{Order, Role};

use super::layouts::{Layouts, Placement, TERNARY_ROLES};
use crate::error::Error;

/// The version that this program writes and reads.
const VERSION: u32 = 1;

/// What stands behind a layout whose columns lie together.
const BY_COLUMN: &str = " by column";

/// The contents of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// [`VERSION`].
    ternlet_profile: u32,
    /// Where it was measured, for people.
    machine: String,
    layouts: LayoutNames,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutNames {
    wq: String,
    wk: String,
    wv: String,
    wo: String,
    w_gate: String,
    w_up: String,
    w_down: String,
}

impl Profile {
    /// The profile of `machine` with these layouts, in the order of [`TERNARY_ROLES`].
    #[must_use]
    pub fn new(machine: String, by_role: [Placement; TERNARY_ROLES.len()]) -> Self {
        let [wq, wk, wv, wo, w_gate, w_up, w_down] = by_role.map(|placement| placement.to_string());
        Self {
            ternlet_profile: VERSION,
            machine,
            layouts: LayoutNames { wq, wk, wv, wo, w_gate, w_up, w_down },
        }
    }

    /// Reads the profile in the file at `path`.
    ///
    /// # Errors
    /// A file that cannot be read, or is no profile.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(|e| Error::unreadable(path.display(), &e))?;
        let hint = "ternlet tune FILE prints a profile";
        let profile: Self = serde_json::from_slice(&text)
            .map_err(|e| Error::new(path.display(), format!("expected a profile, found: {e}")).hint(hint))?;
        if profile.ternlet_profile != VERSION {
            let problem =
                format!("expected a profile of version {VERSION}, found {}", profile.ternlet_profile);
            return Err(Error::new(path.display(), problem).hint(hint));
        }
        profile.layouts().map_err(|problem| Error::new(path.display(), problem).hint(hint))?;
        Ok(profile)
    }

    /// The layouts that it names.
    ///
    /// # Errors
    /// What was expected and found, where a name is none of a layout that the role may have.
    pub fn layouts(&self) -> Result<Layouts, String> {
        let LayoutNames { wq, wk, wv, wo, w_gate, w_up, w_down } = &self.layouts;
        let names = [wq, wk, wv, wo, w_gate, w_up, w_down];
        let mut by_role = [Placement::rows(TernaryLayout::I2); TERNARY_ROLES.len()];
        for ((placement, name), role) in by_role.iter_mut().zip(names).zip(TERNARY_ROLES) {
            *placement = placement_of(name, role)?;
        }
        Ok(Layouts::by_role(by_role))
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// The placement called `name`, if a matrix of `role` may have it.
fn placement_of(name: &str, role: Role) -> Result<Placement, String> {
    let (layout, order) = match name.strip_suffix(BY_COLUMN) {
        Some(layout) => (layout, Order::ColumnMajor),
        None => (name, Order::RowMajor),
    };
    let may_have = |layout: TernaryLayout| {
        order == Order::RowMajor || (role == Role::WDown && layout != TernaryLayout::Tl1)
    };
    match TernaryLayout::from_name(layout).filter(|layout| may_have(*layout)) {
        Some(layout) => Ok(Placement { layout, order }),
        None => {
            let by_column = if role == Role::WDown { ", or i2, tl2 or t5 by column" } else { "" };
            Err(format!("{}: expected i2, tl1, tl2 or t5{by_column}, found \"{name}\"", role.name()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        let [i2, tl1, tl2, t5] = TernaryLayout::ALL.map(Placement::rows);
        let by_role = [i2, tl1, tl2, t5, tl2, t5, Placement::columns(TernaryLayout::T5)];
        Profile::new("a machine".into(), by_role)
    }

    #[test]
    fn what_is_written_is_read() {
        let profile = profile();
        let back: Profile = serde_json::from_str(&profile.to_json()).unwrap();
        assert_eq!(back, profile);
        let layouts = back.layouts().unwrap();
        let relu2 = ternlet_runtime::HiddenAct::Relu2;
        assert_eq!(layouts.of(Role::Wk, relu2), Placement::rows(TernaryLayout::Tl1));
        assert_eq!(layouts.of(Role::WDown, relu2), Placement::columns(TernaryLayout::T5));
    }

    #[test]
    fn what_no_matrix_may_have_is_named() {
        for (role, name) in [("w_up", "t5 by column"), ("w_down", "tl1 by column"), ("wq", "i3"), ("wo", "")]
        {
            let text = profile().to_json();
            let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
            json["layouts"][role] = name.into();
            let problem = serde_json::from_value::<Profile>(json).unwrap().layouts().unwrap_err();
            assert!(problem.contains(role) && problem.contains("expected i2, tl1, tl2 or t5"), "{problem}");
        }
    }
}
