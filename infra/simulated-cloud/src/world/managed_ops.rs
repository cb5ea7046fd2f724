//! Everything that can be done to managed resources and to disks by
//! themselves, with the world locked.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::classes;
use super::family::Family;
use super::generate::{self, Birth};
use super::managed::{self, Condition, Managed};
use super::model::{Disk, Eip, State, Tag};
use super::ops::{Done, Place, same_tags};
use super::report::{Change, Happening};
use super::site::NotPossible;

/// A resource of an account in a region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub at: Place,
    pub family: Family,
    pub code: u64,
}

/// What instances do not share with other resources is done to them in `ops`.
impl State {
    pub(super) fn id_of_target(&self, target: Target) -> String {
        let holding = self.holding(target.at);
        let id = holding.map(|holding| match target.family {
            Family::Instance => holding.instance_id(target.code),
            Family::Disk => holding.disk_id(target.code),
            family => holding.managed_id(family, target.code),
        });
        id.unwrap_or_default()
    }

    fn none(&self, target: Target) -> NotPossible {
        NotPossible::NoResource(target.family, self.id_of_target(target))
    }

    fn managed_mut(&mut self, target: Target) -> Done<&mut Managed> {
        let none = self.none(target);
        let of = self.holding_mut(target.at)?.managed.get_mut(&target.family);
        of.and_then(|all| all.get_mut(&target.code)).ok_or(none)
    }

    fn disk_mut(&mut self, target: Target) -> Done<&mut Disk> {
        let none = self.none(target);
        self.holding_mut(target.at)?.disks.get_mut(&target.code).ok_or(none)
    }

    fn happened(&mut self, target: Target, what: Happening) {
        let id = self.id_of_target(target);
        self.note(target.at, target.family, id, what);
    }

    fn has_changed(&mut self, target: Target, change: Change) {
        self.happened(target, Happening::Changed(change));
    }

    /// Creates one and returns its code. A disk hangs nowhere, and an address
    /// is free.
    pub(super) fn create_of(
        &mut self,
        at: Place,
        family: Family,
        rng: &mut ChaCha8Rng,
    ) -> Done<u64> {
        let place = (at.account, at.region);
        let code = match family {
            Family::Instance => return self.create(at, rng),
            Family::Disk => generate::add_loose_disk(self, at.account, at.region, rng),
            family => managed::add(self, place, family, Birth::Now, rng),
        };
        let code = code.ok_or_else(|| NotPossible::NoRegion(at.region.to_owned()))?;
        self.happened(Target { at, family, code }, Happening::Created);
        Ok(code)
    }

    /// Releases one: it vanishes. A disk that is attached and an address that
    /// is bound cannot be.
    pub(super) fn release_of(&mut self, target: Target) -> Done {
        let id = self.id_of_target(target);
        match target.family {
            Family::Instance => return self.release(target.at, target.code),
            Family::Disk => {
                if !self.disk_mut(target)?.attached.is_empty() {
                    return Err(NotPossible::InUse(id));
                }
                self.holding_mut(target.at)?.disks.remove(&target.code);
            }
            family => {
                if self.managed_mut(target)?.bound.is_some() {
                    return Err(NotPossible::InUse(id));
                }
                let of = self.holding_mut(target.at)?.managed.get_mut(&family);
                of.and_then(|all| all.remove(&target.code));
            }
        }
        self.note(target.at, target.family, id, Happening::Released);
        Ok(())
    }

    pub(super) fn rename_of(&mut self, target: Target, name: &str) -> Done {
        let held = match target.family {
            Family::Instance => return self.rename(target.at, target.code, name),
            Family::Bucket => return Err(NotPossible::HasNo(Family::Bucket, "other name")),
            Family::Disk => &mut self.disk_mut(target)?.name,
            _ => &mut self.managed_mut(target)?.name,
        };
        if **held == *name {
            return Err(NotPossible::Already("named so"));
        }
        *held = name.into();
        self.has_changed(target, Change::Renamed);
        Ok(())
    }

    pub(super) fn rename_of_somehow(&mut self, target: Target, rng: &mut ChaCha8Rng) -> Done {
        let serial = self.next_serial();
        self.rename_of(target, &generate::another_name("", serial, rng))
    }

    pub(super) fn retag_of(&mut self, target: Target, tags: Option<Arc<[Tag]>>) -> Done {
        let held = match target.family {
            Family::Instance => return self.retag(target.at, target.code, tags),
            Family::Disk => &mut self.disk_mut(target)?.tags,
            _ => &mut self.managed_mut(target)?.tags,
        };
        if same_tags(held.as_deref(), tags.as_deref()) {
            return Err(NotPossible::Already("tagged so"));
        }
        *held = tags;
        self.has_changed(target, Change::Retagged);
        Ok(())
    }

    pub(super) fn retag_of_somehow(&mut self, target: Target, rng: &mut ChaCha8Rng) -> Done {
        let serial = self.next_serial();
        let held = match target.family {
            Family::Instance => return self.retag_somehow(target.at, target.code, rng),
            Family::Disk => self.disk_mut(target)?.tags.clone(),
            _ => self.managed_mut(target)?.tags.clone(),
        };
        self.retag_of(target, Some(generate::other_tags(held.as_deref(), serial, rng)))
    }

    /// Stops it or starts it, whichever changes something.
    pub(super) fn toggle_of(&mut self, target: Target) -> Done {
        match target.family {
            Family::Instance => return self.toggle(target.at, target.code),
            family @ (Family::Disk | Family::Bucket | Family::Address) => {
                return Err(NotPossible::HasNo(family, "power switch"));
            }
            _ => {}
        }
        let managed = self.managed_mut(target)?;
        let (condition, change) = match managed.condition {
            Condition::Running => (Condition::Stopped, Change::Stopped),
            _ => (Condition::Running, Change::Started),
        };
        managed.condition = condition;
        self.has_changed(target, change);
        Ok(())
    }

    /// Gives it another class or, where there are none, another size. A disk
    /// grows, which the instances that it hangs on show too.
    pub(super) fn resize_of(&mut self, target: Target, rng: &mut ChaCha8Rng) -> Done {
        let count = classes::classes(target.family).len();
        match target.family {
            Family::Instance => return self.change_type_somehow(target.at, target.code, rng),
            Family::Disk => self.disk_mut(target)?.size_gib += 10,
            Family::Address => {
                let managed = self.managed_mut(target)?;
                managed.size += 1;
                let (size, bound) = (managed.size, managed.bound);
                let holder = bound.and_then(|code| {
                    let holding = self.holding_mut(target.at).ok()?;
                    holding.instances.get_mut(&code)?.eip.as_mut()
                });
                if let Some(eip) = holder {
                    eip.bandwidth = u16::try_from(size).unwrap_or(u16::MAX);
                }
            }
            _ => {
                let step = rng.random_range(1..count.max(2));
                let managed = self.managed_mut(target)?;
                let class = (usize::from(managed.class) + step) % count.max(1);
                managed.class = u8::try_from(class).unwrap_or(0);
            }
        }
        self.has_changed(target, Change::Resized);
        Ok(())
    }

    /// Binds a free address to an instance that can take one.
    pub(super) fn bind(&mut self, at: Place, address: u64, instance: u64) -> Done {
        let target = Target { at, family: Family::Address, code: address };
        let id = self.id_of_target(target);
        let instance_id =
            self.id_of_target(Target { at, family: Family::Instance, code: instance });
        let taken = self.holding(at).and_then(|holding| holding.instances.get(&instance));
        if !taken.is_some_and(super::model::Instance::takes_eip) {
            return Err(NotPossible::TakesNoEip(instance_id));
        }
        let managed = self.managed_mut(target)?;
        let (Some(ip), None) = (managed.public_ip, managed.bound) else {
            return Err(NotPossible::InUse(id));
        };
        managed.bound = Some(instance);
        let bandwidth = u16::try_from(managed.size).unwrap_or(u16::MAX);
        self.set_eip(at, instance, Some(Eip { ip, code: address, bandwidth }));
        self.note(at, Family::Instance, instance_id, Happening::Changed(Change::EipMoved));
        self.has_changed(target, Change::EipMoved);
        Ok(())
    }

    /// Frees an address of the instance that it is bound to.
    pub(super) fn unbind(&mut self, at: Place, address: u64) -> Done {
        let target = Target { at, family: Family::Address, code: address };
        let id = self.id_of_target(target);
        let instance = self.managed_mut(target)?.bound.take();
        let Some(instance) = instance else { return Err(NotPossible::NotBound(id)) };
        self.set_eip(at, instance, None);
        let holder = Target { at, family: Family::Instance, code: instance };
        self.has_changed(holder, Change::EipMoved);
        self.has_changed(target, Change::EipMoved);
        Ok(())
    }

    fn set_eip(&mut self, at: Place, instance: u64, eip: Option<Eip>) {
        let holding = self.holding_mut(at).ok();
        if let Some(found) = holding.and_then(|holding| holding.instances.get_mut(&instance)) {
            found.eip = eip;
        }
    }

    /// Notes in an address's entry what it is bound to. What an instance's
    /// events say of its address is not said again of the address.
    pub(super) fn rebind(&mut self, at: Place, eip: Eip, instance: Option<u64>) {
        let target = Target { at, family: Family::Address, code: eip.code };
        if let Ok(entry) = self.managed_mut(target) {
            entry.bound = instance;
        }
    }
}
