//! Disks and managed resources of one account in one region, to look at and
//! to change by hand.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use super::family::Family;
use super::managed_ops::Target;
use super::model::{Holding, State, Tag};
use super::ops::Done;
use super::site::{NotPossible, Site};
use super::truth_managed::{self, TruthManaged, TruthVolume};

impl Site {
    /// Returns the ids of its resources of a family.
    pub fn ids_of(&self, family: Family) -> Vec<String> {
        let state = self.world.state();
        let Some(holding) = state.holding(self.place) else { return Vec::new() };
        let code_to_id = |code: &u64| match family {
            Family::Instance => holding.instance_id(*code),
            Family::Disk => holding.disk_id(*code),
            family => holding.managed_id(family, *code),
        };
        match family {
            Family::Instance => holding.instances.keys().map(code_to_id).collect(),
            Family::Disk => holding.disks.keys().map(code_to_id).collect(),
            family => holding.managed(family).keys().map(code_to_id).collect(),
        }
    }

    /// Returns its managed resources of a family as they are.
    pub fn managed(&self, family: Family) -> Vec<TruthManaged> {
        let state = self.world.state();
        let holding = state.holding(self.place);
        holding.map_or_else(Vec::new, |holding| truth_managed::managed(holding, family))
    }

    /// Returns its disks as they are.
    pub fn volumes(&self) -> Vec<TruthVolume> {
        let state = self.world.state();
        state.holding(self.place).map_or_else(Vec::new, truth_managed::volumes)
    }

    /// Creates a resource of a family and returns its id.
    ///
    /// # Errors
    ///
    /// Never, unless the world lost the region.
    pub fn create_of(&self, family: Family) -> Done<String> {
        let mut state = self.world.change();
        let mut rng = self.rng(&state);
        let code = state.create_of(self.place, family, &mut rng)?;
        Ok(state.id_of_target(Target { at: self.place, family, code }))
    }

    /// Releases a resource: it vanishes.
    ///
    /// # Errors
    ///
    /// There is no such resource; or it is a disk that is attached, or an
    /// address that is bound.
    pub fn release_of(&self, family: Family, id: &str) -> Done {
        self.of(family, id, |state, target, _| state.release_of(target))
    }

    /// Renames a resource.
    ///
    /// # Errors
    ///
    /// There is no such resource, it has that name, or it is a bucket.
    pub fn rename_of(&self, family: Family, id: &str, name: &str) -> Done {
        self.of(family, id, |state, target, _| state.rename_of(target, name))
    }

    /// Replaces a resource's tags. With `None` the vendor leaves the field
    /// out.
    ///
    /// # Errors
    ///
    /// There is no such resource, or it has those tags.
    pub fn retag_of(&self, family: Family, id: &str, tags: Option<&[(&str, &str)]>) -> Done {
        let tags: Option<Arc<[Tag]>> = tags.map(|tags| {
            tags.iter().map(|(key, value)| (Box::from(*key), Box::from(*value))).collect()
        });
        self.of(family, id, |state, target, _| state.retag_of(target, tags))
    }

    /// Stops a resource or starts it, whichever changes something.
    ///
    /// # Errors
    ///
    /// There is no such resource, or its family has no power switch.
    pub fn toggle_of(&self, family: Family, id: &str) -> Done {
        self.of(family, id, |state, target, _| state.toggle_of(target))
    }

    /// Gives a resource another class or, where there are none, another size.
    ///
    /// # Errors
    ///
    /// There is no such resource.
    pub fn resize_of(&self, family: Family, id: &str) -> Done {
        self.of(family, id, |state, target, rng| state.resize_of(target, rng))
    }

    /// Binds a free address to an instance.
    ///
    /// # Errors
    ///
    /// There is no such address or instance, the address is not free, or the
    /// instance cannot take one.
    pub fn bind_address(&self, address: &str, instance: &str) -> Done {
        self.of(Family::Address, address, |state, target, _| {
            let holding = state.holding(target.at);
            let found = holding.and_then(|holding| holding.find(instance));
            let found = found.ok_or_else(|| NotPossible::NoInstance(instance.to_owned()))?;
            state.bind(target.at, target.code, found)
        })
    }

    /// Frees an address that is bound to an instance.
    ///
    /// # Errors
    ///
    /// There is no such address, or it is free.
    pub fn free_address(&self, address: &str) -> Done {
        self.of(Family::Address, address, |state, target, _| state.unbind(target.at, target.code))
    }

    fn of<T>(
        &self,
        family: Family,
        id: &str,
        change: impl FnOnce(&mut State, Target, &mut ChaCha8Rng) -> Done<T>,
    ) -> Done<T> {
        let mut state = self.world.change();
        let find = |holding: &Holding| match family {
            Family::Instance => holding.find(id),
            Family::Disk => holding.find_disk(id),
            family => holding.find_managed(family, id),
        };
        let code = state.holding(self.place).and_then(find);
        let code = code.ok_or_else(|| NotPossible::NoResource(family, id.to_owned()))?;
        let mut rng = self.rng(&state);
        change(&mut state, Target { at: self.place, family, code }, &mut rng)
    }
}
