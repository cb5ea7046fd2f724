//! Everything that can be done to an instance, with the world locked. Each
//! notes what happened; each leaves a difference that a client can see, or
//! says why it cannot be done.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Provider;
use super::catalog::TYPES;
use super::family::Family;
use super::generate::{self, Birth};
use super::model::{GROUPS, Holding, Instance, State, Status, Tag};
use super::report::{Change, Happening};
use super::site::NotPossible;

/// At most so many disks are looked at for a loose one.
const LOOK: usize = 4096;

/// How long what is gone is shown, where it is.
pub(crate) const SHOWN: SignedDuration = SignedDuration::from_hours(1);

pub(super) type Done<T = ()> = Result<T, NotPossible>;

/// An account's holding in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub account: usize,
    pub region: &'static str,
}

/// Tells whether two sets of tags are the same. No tags are no tags, whether
/// or not the vendor writes the field.
pub(super) fn same_tags(a: Option<&[Tag]>, b: Option<&[Tag]>) -> bool {
    let sorted = |tags: Option<&[Tag]>| {
        let mut tags = tags.unwrap_or(&[]).to_vec();
        tags.sort();
        tags
    };
    sorted(a) == sorted(b)
}

impl State {
    pub(super) fn holding(&self, at: Place) -> Option<&Holding> {
        self.accounts.get(at.account)?.holdings.get(at.region)
    }

    pub(super) fn holding_mut(&mut self, at: Place) -> Done<&mut Holding> {
        self.accounts
            .get_mut(at.account)
            .and_then(|account| account.holdings.get_mut(at.region))
            .ok_or_else(|| NotPossible::NoRegion(at.region.to_owned()))
    }

    fn instance_mut(&mut self, at: Place, code: u64) -> Done<&mut Instance> {
        let holding = self.holding_mut(at)?;
        let id = holding.instance_id(code);
        holding.instances.get_mut(&code).ok_or(NotPossible::NoInstance(id))
    }

    fn id_of(&self, at: Place, code: u64) -> String {
        self.holding(at).map(|holding| holding.instance_id(code)).unwrap_or_default()
    }

    fn changed(&mut self, at: Place, code: u64, change: Change) {
        let id = self.id_of(at, code);
        self.note(at, Family::Instance, id, Happening::Changed(change));
    }

    pub(super) fn create(&mut self, at: Place, rng: &mut ChaCha8Rng) -> Done<u64> {
        let code = generate::add_instance(self, at.account, at.region, Birth::Now, rng)
            .ok_or_else(|| NotPossible::NoRegion(at.region.to_owned()))?;
        let id = self.id_of(at, code);
        self.note(at, Family::Instance, id, Happening::Created);
        Ok(code)
    }

    /// Its system disk goes with it; its data disks remain, unattached.
    pub(super) fn release(&mut self, at: Place, code: u64) -> Done {
        let at_time = self.clock.unwrap_or_else(Timestamp::now);
        let instance = self.instance_mut(at, code)?;
        let (disks, eip) = (std::mem::take(&mut instance.disks), instance.eip);
        if let Some(eip) = eip {
            self.rebind(at, eip, None);
        }
        let holding = self.holding_mut(at)?;
        for disk in disks {
            holding.detach(disk, code);
            if holding.disks.get(&disk).is_some_and(|disk| disk.system) {
                holding.disks.remove(&disk);
            }
        }
        if let (Some(mut gone), Provider::Aws) =
            (holding.instances.remove(&code), holding.region.provider)
        {
            gone.disks.clear();
            holding.gone.retain(|_, (_, left)| at_time.duration_since(*left) < SHOWN);
            holding.gone.insert(code, (gone, at_time));
        }
        let id = self.id_of(at, code);
        self.note(at, Family::Instance, id, Happening::Released);
        Ok(())
    }

    pub(super) fn start(&mut self, at: Place, code: u64) -> Done {
        let serial = self.next_serial();
        let now = self.now;
        let instance = self.instance_mut(at, code)?;
        if instance.status == Status::Running {
            return Err(NotPossible::Already("running"));
        }
        instance.status = Status::Running;
        instance.started = now;
        if instance.wants_public && instance.public_ip.is_none() {
            instance.public_ip = Some(generate::public_ip(serial));
        }
        self.changed(at, code, Change::Started);
        Ok(())
    }

    pub(super) fn stop(&mut self, at: Place, code: u64) -> Done {
        let instance = self.instance_mut(at, code)?;
        if instance.status == Status::Stopped {
            return Err(NotPossible::Already("stopped"));
        }
        instance.stop();
        self.changed(at, code, Change::Stopped);
        Ok(())
    }

    /// Starts it or stops it, whichever changes something.
    pub(super) fn toggle(&mut self, at: Place, code: u64) -> Done {
        match self.instance_mut(at, code)?.status {
            Status::Running => self.stop(at, code),
            _ => self.start(at, code),
        }
    }

    pub(super) fn rename(&mut self, at: Place, code: u64, name: &str) -> Done {
        let instance = self.instance_mut(at, code)?;
        if *instance.name == *name {
            return Err(NotPossible::Already("named so"));
        }
        instance.name = name.into();
        self.changed(at, code, Change::Renamed);
        Ok(())
    }

    pub(super) fn rename_somehow(&mut self, at: Place, code: u64, rng: &mut ChaCha8Rng) -> Done {
        let serial = self.next_serial();
        let name = generate::another_name(&self.instance_mut(at, code)?.name, serial, rng);
        self.rename(at, code, &name)
    }

    pub(super) fn retag(&mut self, at: Place, code: u64, tags: Option<Arc<[Tag]>>) -> Done {
        let instance = self.instance_mut(at, code)?;
        if same_tags(instance.tags.as_deref(), tags.as_deref()) {
            return Err(NotPossible::Already("tagged so"));
        }
        instance.tags = tags;
        self.changed(at, code, Change::Retagged);
        Ok(())
    }

    pub(super) fn retag_somehow(&mut self, at: Place, code: u64, rng: &mut ChaCha8Rng) -> Done {
        let serial = self.next_serial();
        let tags = generate::other_tags(self.instance_mut(at, code)?.tags.as_deref(), serial, rng);
        self.retag(at, code, Some(tags))
    }

    /// Both instances change.
    pub(super) fn move_eip(&mut self, at: Place, from: u64, to: u64) -> Done {
        if from == to {
            return Err(NotPossible::Already("holding the address"));
        }
        if !self.instance_mut(at, to)?.takes_eip() {
            return Err(NotPossible::TakesNoEip(self.id_of(at, to)));
        }
        let Some(eip) = self.instance_mut(at, from)?.eip.take() else {
            return Err(NotPossible::HasNoEip(self.id_of(at, from)));
        };
        self.instance_mut(at, to)?.eip = Some(eip);
        self.rebind(at, eip, Some(to));
        self.changed(at, from, Change::EipMoved);
        self.changed(at, to, Change::EipMoved);
        Ok(())
    }

    /// Takes a loose disk of the instance's zone, or buys one.
    pub(super) fn attach_disk(&mut self, at: Place, code: u64, rng: &mut ChaCha8Rng) -> Done<u64> {
        let zone = self.instance_mut(at, code)?.zone;
        let loose = self.holding_mut(at)?.disks.iter().take(LOOK).find_map(|(code, disk)| {
            (disk.zone == zone && disk.attached.is_empty()).then_some(*code)
        });
        let disk = match loose {
            Some(disk) => disk,
            None => generate::add_loose_disk(self, at.account, at.region, rng)
                .ok_or_else(|| NotPossible::NoRegion(at.region.to_owned()))?,
        };
        let now = self.now;
        let holding = self.holding_mut(at)?;
        if let Some(found) = holding.disks.get_mut(&disk) {
            found.zone = zone;
        }
        holding.attach(disk, code, now);
        self.changed(at, code, Change::DiskAttached);
        Ok(disk)
    }

    /// Takes off its last data disk.
    pub(super) fn detach_disk(&mut self, at: Place, code: u64) -> Done<u64> {
        let id = self.id_of(at, code);
        let disks = self.instance_mut(at, code)?.disks.clone();
        let holding = self.holding_mut(at)?;
        let is_data = |disk: &&u64| holding.disks.get(disk).is_some_and(|disk| !disk.system);
        let Some(disk) = disks.iter().rev().find(is_data).copied() else {
            return Err(NotPossible::NoDataDisk(id));
        };
        holding.detach(disk, code);
        self.changed(at, code, Change::DiskDetached);
        Ok(disk)
    }

    /// Puts a group in the place of one of its groups: as many as before.
    pub(super) fn swap_group(&mut self, at: Place, code: u64, rng: &mut ChaCha8Rng) -> Done {
        let instance = self.instance_mut(at, code)?;
        let others: Vec<u8> =
            (0..GROUPS).filter(|group| !instance.groups.contains(group)).collect();
        let (Some(group), Some(place)) =
            (others.get(rng.random_range(0..others.len().max(1))), instance.groups.first_mut())
        else {
            return Err(NotPossible::Already("in every security group"));
        };
        *place = *group;
        self.changed(at, code, Change::SecurityGroupSwapped);
        Ok(())
    }

    pub(super) fn change_type(&mut self, at: Place, code: u64, spec: u8) -> Done {
        let instance = self.instance_mut(at, code)?;
        if instance.spec == spec {
            return Err(NotPossible::Already("of that type"));
        }
        instance.spec = spec;
        self.changed(at, code, Change::TypeChanged);
        Ok(())
    }

    pub(super) fn change_type_somehow(
        &mut self,
        at: Place,
        code: u64,
        rng: &mut ChaCha8Rng,
    ) -> Done {
        let old = self.instance_mut(at, code)?.spec;
        let step = generate::index(rng, 1, TYPES.len());
        let count = u8::try_from(TYPES.len()).unwrap_or(u8::MAX);
        self.change_type(at, code, (old + step) % count)
    }
}
