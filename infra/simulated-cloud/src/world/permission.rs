//! What an account may do.

use std::collections::BTreeMap;

/// What the vendor answers to an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// The action is allowed.
    #[default]
    Allowed,
    /// The action is refused: `Forbidden.RAM`.
    Denied,
    /// The action is not allowed, and the vendor answers as if there were
    /// nothing. Alibaba Cloud's older behaviour; a dry run tells the truth.
    SilentlyEmpty,
}

/// Permissions by action.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permissions {
    all: Permission,
    by_action: BTreeMap<String, Permission>,
}

impl Permissions {
    /// Sets one action's, or that of every action.
    pub(crate) fn set(&mut self, action: Option<&str>, permission: Permission) {
        match action {
            Some(action) => {
                self.by_action.insert(action.to_owned(), permission);
            }
            None => *self = Self { all: permission, by_action: BTreeMap::new() },
        }
    }

    /// Returns that of an action. One that is set without a service is that of
    /// every service.
    pub(crate) fn of(&self, action: &str) -> Permission {
        let bare = action.rsplit_once(':').map_or(action, |(_, bare)| bare);
        let set = self.by_action.get(action).or_else(|| self.by_action.get(bare));
        set.copied().unwrap_or(self.all)
    }
}
