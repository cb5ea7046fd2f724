//! One account's part of one region, to look at and to change by hand.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use thiserror::Error;

use super::World;
use super::catalog::Catalog;
use super::family::Family;
use super::id;
use super::model::{State, Tag};
use super::ops::{Done, Place};
use super::truth::{self, TruthInstance};

/// Why something cannot be done in the world.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NotPossible {
    /// No such account.
    #[error("the simulated cloud has no account `{0}`")]
    NoAccount(String),
    /// No such region.
    #[error("the simulated cloud does not offer the region `{0}`")]
    NoRegion(String),
    /// No such instance.
    #[error("there is no instance `{0}` here")]
    NoInstance(String),
    /// No such instance type.
    #[error("the simulated cloud has no instance type `{0}`")]
    NoType(String),
    /// No such resource of a family.
    #[error("there is no {0} `{1}` here")]
    NoResource(Family, String),
    /// The family has no such thing.
    #[error("a {0} has no {1}")]
    HasNo(Family, &'static str),
    /// It is attached or bound.
    #[error("`{0}` is in use; detach it first")]
    InUse(String),
    /// It is bound to nothing.
    #[error("the address `{0}` is not bound")]
    NotBound(String),
    /// It is so already.
    #[error("it is already {0}")]
    Already(&'static str),
    /// It has no elastic address to give.
    #[error("the instance `{0}` has no elastic address")]
    HasNoEip(String),
    /// It cannot take an elastic address.
    #[error(
        "the instance `{0}` takes no elastic address: it has a public one or is on the classic \
         network"
    )]
    TakesNoEip(String),
    /// It has no data disk to give.
    #[error("the instance `{0}` has no data disk")]
    NoDataDisk(String),
}

/// One account's part of one region.
#[derive(Clone)]
pub struct Site {
    pub(super) world: World,
    pub(super) place: Place,
}

impl Site {
    pub(super) fn new(world: &World, account: &str, region: &str) -> Done<Self> {
        let state = world.state();
        let found = state
            .accounts
            .iter()
            .position(|found| found.id == account)
            .ok_or_else(|| NotPossible::NoAccount(account.to_owned()))?;
        let region = state.accounts[found]
            .holdings
            .get_key_value(region)
            .map(|(region, _)| *region)
            .ok_or_else(|| NotPossible::NoRegion(region.to_owned()))?;
        Ok(Self { world: world.clone(), place: Place { account: found, region } })
    }

    /// Returns the ids of its instances, in order.
    pub fn live(&self) -> Vec<String> {
        let state = self.world.state();
        state.holding(self.place).map_or_else(Vec::new, |holding| {
            holding.instances.keys().map(|code| holding.instance_id(*code)).collect()
        })
    }

    /// Returns its instances as they are, ordered by id.
    pub fn truth(&self) -> Vec<TruthInstance> {
        let state = self.world.state();
        state.holding(self.place).map_or_else(Vec::new, truth::instances)
    }

    /// Returns an instance as it is.
    pub fn instance(&self, id: &str) -> Option<TruthInstance> {
        let state = self.world.state();
        let holding = state.holding(self.place)?;
        let code = holding.find(id)?;
        let instance = holding.instances.get(&code)?;
        Some(TruthInstance::of(holding, code, instance))
    }

    /// Creates an instance and returns its id.
    ///
    /// # Errors
    ///
    /// Never, unless the world lost the region.
    pub fn create(&self) -> Done<String> {
        let mut state = self.world.change();
        let mut rng = self.rng(&state);
        let code = state.create(self.place, &mut rng)?;
        Ok(id::render("i", self.region(&state)?, code))
    }

    /// Releases an instance: it vanishes. Its data disks remain.
    ///
    /// # Errors
    ///
    /// There is no such instance.
    pub fn release(&self, id: &str) -> Done {
        self.with(id, |state, code, _| state.release(self.place, code))
    }

    /// Starts an instance.
    ///
    /// # Errors
    ///
    /// There is no such instance, or it runs.
    pub fn start(&self, id: &str) -> Done {
        self.with(id, |state, code, _| state.start(self.place, code))
    }

    /// Stops an instance. One that costs nothing while stopped loses its own
    /// public address until it starts again.
    ///
    /// # Errors
    ///
    /// There is no such instance, or it is stopped.
    pub fn stop(&self, id: &str) -> Done {
        self.with(id, |state, code, _| state.stop(self.place, code))
    }

    /// Renames an instance.
    ///
    /// # Errors
    ///
    /// There is no such instance, or it has that name.
    pub fn rename(&self, id: &str, name: &str) -> Done {
        self.with(id, |state, code, _| state.rename(self.place, code, name))
    }

    /// Replaces an instance's tags. With `None` the vendor leaves the field
    /// out.
    ///
    /// # Errors
    ///
    /// There is no such instance, or it has those tags.
    pub fn retag(&self, id: &str, tags: Option<&[(&str, &str)]>) -> Done {
        let tags: Option<Arc<[Tag]>> = tags.map(|tags| {
            tags.iter().map(|(key, value)| (Box::from(*key), Box::from(*value))).collect()
        });
        self.with(id, |state, code, _| state.retag(self.place, code, tags))
    }

    /// Moves an elastic address from one instance to another.
    ///
    /// # Errors
    ///
    /// There is no such instance, the one has no elastic address, or the
    /// other cannot take one.
    pub fn move_eip(&self, from: &str, to: &str) -> Done {
        self.with(from, |state, code, _| {
            let to = find(state, self.place, to)?;
            state.move_eip(self.place, code, to)
        })
    }

    /// Attaches one more data disk and returns its id.
    ///
    /// # Errors
    ///
    /// There is no such instance.
    pub fn attach_disk(&self, id: &str) -> Done<String> {
        self.with(id, |state, code, rng| {
            let disk = state.attach_disk(self.place, code, rng)?;
            Ok(id::render("d", self.region(state)?, disk))
        })
    }

    /// Detaches a data disk and returns its id.
    ///
    /// # Errors
    ///
    /// There is no such instance, or it has no data disk.
    pub fn detach_disk(&self, id: &str) -> Done<String> {
        self.with(id, |state, code, _| {
            let disk = state.detach_disk(self.place, code)?;
            Ok(id::render("d", self.region(state)?, disk))
        })
    }

    /// Puts another security group in the place of one the instance is in.
    ///
    /// # Errors
    ///
    /// There is no such instance.
    pub fn swap_security_group(&self, id: &str) -> Done {
        self.with(id, |state, code, rng| state.swap_group(self.place, code, rng))
    }

    /// Gives an instance another type.
    ///
    /// # Errors
    ///
    /// There is no such instance or no such type, or it has that type.
    pub fn change_type(&self, id: &str, instance_type: &str) -> Done {
        let spec = self
            .catalog()?
            .types
            .iter()
            .position(|known| known.id == instance_type)
            .and_then(|index| u8::try_from(index).ok())
            .ok_or_else(|| NotPossible::NoType(instance_type.to_owned()))?;
        self.with(id, |state, code, _| state.change_type(self.place, code, spec))
    }

    fn with<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut State, u64, &mut ChaCha8Rng) -> Done<T>,
    ) -> Done<T> {
        let mut state = self.world.change();
        let code = find(&state, self.place, id)?;
        let mut rng = self.rng(&state);
        change(&mut state, code, &mut rng)
    }

    /// What is drawn for a change depends on the seed and what went before.
    pub(super) fn rng(&self, state: &State) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(id::scatter(state.seed ^ id::scatter(state.serial)))
    }

    fn catalog(&self) -> Done<&'static Catalog> {
        self.region(&self.world.state()).map(|region| Catalog::of(region.provider))
    }

    fn region(&self, state: &State) -> Done<&'static super::RegionFacts> {
        let holding = state.holding(self.place);
        holding
            .map(|holding| holding.region)
            .ok_or_else(|| NotPossible::NoRegion(self.place.region.to_owned()))
    }
}

fn find(state: &State, place: Place, id: &str) -> Done<u64> {
    state
        .holding(place)
        .and_then(|holding| holding.find(id))
        .ok_or_else(|| NotPossible::NoInstance(id.to_owned()))
}
