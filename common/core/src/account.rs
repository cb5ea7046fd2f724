//! Accounts at vendors, as configured and as known.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::budget::{BudgetPolicy, Spent};
use crate::credentials::Credentials;
use crate::deletion::DeletionPolicy;
use crate::identity::KnownIdentity;
use crate::pace::RatePolicy;
use crate::schedule::SchedulePolicy;
use crate::scope::{GLOBAL_REGION, Kind, is_key_word};

/// Where an account's credentials are. Never the credentials themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CredentialsRef {
    /// In the environment: `PREFIX_ACCESS_KEY_ID`, `PREFIX_ACCESS_KEY_SECRET`
    /// and, for temporary ones, `PREFIX_SECURITY_TOKEN`.
    Env(String),
    /// In AWS Secrets Manager, as a JSON object with `access_key_id`,
    /// `access_key_secret` and, optionally, `security_token`.
    SecretArn(String),
    /// Those of this process itself, for an account of AWS: its function's
    /// role, or what the environment and files of the AWS CLI say.
    Own,
}

impl CredentialsRef {
    /// Returns what is wrong with it for an account of a vendor, if anything.
    fn problem(&self, provider: &str) -> Option<String> {
        match self {
            Self::Env(reference) | Self::SecretArn(reference) => {
                reference.is_empty().then(|| "the reference is empty".to_owned())
            }
            Self::Own => (provider != "aws").then(|| {
                format!(
                    "\"own\" are credentials of AWS, which '{provider}' does not know; use \
                     {{ env = … }} or {{ secret_arn = … }}"
                )
            }),
        }
    }
}

/// Where the secret is that the vendor's events of an account are sent with.
/// Never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HookRef {
    /// In the environment, in the variable of this name.
    Env(String),
    /// In AWS Secrets Manager, as the whole text of a secret.
    SecretArn(String),
}

impl HookRef {
    /// Returns what is wrong with it, if anything.
    fn problem(&self) -> Option<String> {
        let (Self::Env(reference) | Self::SecretArn(reference)) = self;
        let is_right = (1..=MOST_ARN).contains(&reference.len());
        (!is_right).then(|| format!("expected a reference of 1 to {MOST_ARN} bytes"))
    }
}

/// A role to be taken on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The vendor's name of it: `acs:ram::1234567890123456:role/cloud-sync`.
    pub arn: String,
    /// What the role's owner wants to be told, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// How the members of an organisation are got at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// The name of the role to take on in each member.
    pub role: String,
}

/// That an account was found as a member of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The account that heads the organisation.
    pub head: String,
    /// Whether it was disabled because it is listed there no longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_left: bool,
}

/// A vendor account, as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The id in this service: letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// For people; the id where empty.
    #[serde(default)]
    pub name: String,
    /// The vendor: `aliyun`.
    pub provider: String,
    /// The region whose endpoint answers account-wide questions.
    pub default_region: String,
    /// The regions to sync; empty means all that the vendor offers.
    #[serde(default)]
    pub regions: Vec<String>,
    /// The kinds to sync; empty means the vendor's machines.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// Whether scheduled runs include it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Replaces the vendor's hosts: a proxy, a private gateway, a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How requests are signed, where the vendor takes several signatures;
    /// in the vendor's usual way where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Whether an incremental sync asks the vendor's change feed what was
    /// touched, instead of walking the list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub change_feed: bool,
    /// Where the credentials are.
    pub credentials: CredentialsRef,
    /// Where the secret is that the vendor's events are sent with; without it
    /// none are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookRef>,
    /// The roles that are taken on with the credentials, each by the one
    /// before, until one is of this account; none where the credentials are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Where the account heads an organisation whose members are to be synced
    /// too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// Whose member it was found as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<Membership>,
    /// When a missing resource is a deleted one.
    #[serde(default)]
    pub deletion: DeletionPolicy,
    /// How often to sync.
    #[serde(default)]
    pub schedule: SchedulePolicy,
    /// How many API calls to spend.
    #[serde(default)]
    pub budget: BudgetPolicy,
    /// How fast to ask.
    #[serde(default)]
    pub rates: RatePolicy,
}

const fn yes() -> bool {
    true
}

/// A field of an account's configuration is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("account '{account}': {field}: {reason}")]
pub struct InvalidAccount {
    /// The account's id, as given.
    pub account: String,
    /// The field.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub reason: String,
}

/// Vendors end chains of roles after some few.
const MOST_ROLES: usize = 5;

const MOST_ARN: usize = 2048;

impl Account {
    /// Returns an account of which everything is synced, with nothing else
    /// configured.
    #[must_use]
    pub fn new(
        id: &str,
        provider: &str,
        default_region: &str,
        credentials: CredentialsRef,
    ) -> Self {
        Self {
            id: id.to_owned(),
            name: String::new(),
            provider: provider.to_owned(),
            default_region: default_region.to_owned(),
            regions: Vec::new(),
            kinds: Vec::new(),
            enabled: true,
            endpoint: None,
            signature: None,
            change_feed: false,
            credentials,
            hook: None,
            roles: Vec::new(),
            organization: None,
            membership: None,
            deletion: DeletionPolicy::default(),
            schedule: SchedulePolicy::default(),
            budget: BudgetPolicy::default(),
            rates: RatePolicy::default(),
        }
    }

    /// Returns the account of a member of the organisation that this one
    /// heads: with the same credentials, through a role in it.
    #[must_use]
    pub fn member(&self, number: &str, name: &str, role_arn: String) -> Self {
        let mut roles = self.roles.clone();
        roles.push(Role { arn: role_arn, external_id: None });
        Self {
            id: format!("{}-{number}", self.id),
            name: name.to_owned(),
            enabled: true,
            roles,
            organization: None,
            membership: Some(Membership { head: self.id.clone(), has_left: false }),
            ..self.clone()
        }
    }

    /// Returns a digest of the credentials and of what they are used for,
    /// which tells these from others and nothing else about them.
    #[must_use]
    pub fn digest(&self, credentials: &Credentials) -> String {
        let roles = self
            .roles
            .iter()
            .flat_map(|role| [role.arn.as_str(), role.external_id.as_deref().unwrap_or_default()]);
        credentials.digest(roles)
    }

    /// Checks what can be checked without knowing the vendors.
    ///
    /// # Errors
    ///
    /// Names the first field that is wrong.
    pub fn validate(&self) -> Result<(), InvalidAccount> {
        let check = |holds: bool, field: &'static str, reason: String| {
            if holds {
                return Ok(());
            }
            let account = self.id.chars().take(80).collect();
            Err(InvalidAccount { account, field, reason })
        };
        let word = "1 to 64 letters, digits, '-', '_' or '.'";
        check(is_key_word(&self.id), "id", format!("expected {word}"))?;
        check(is_key_word(&self.default_region), "default_region", format!("expected {word}"))?;
        for region in &self.regions {
            check(is_key_word(region), "regions", format!("'{region}' is not {word}"))?;
        }
        for kind in &self.kinds {
            check(
                kind.provider() == self.provider,
                "kinds",
                format!("{kind} is not a kind of provider '{}'", self.provider),
            )?;
        }
        if let Some(endpoint) = &self.endpoint {
            check(
                endpoint.starts_with("https://") || endpoint.starts_with("http://"),
                "endpoint",
                format!("'{endpoint}' is not a URL: expected https://host[:port]"),
            )?;
        }
        let schedule = &self.schedule;
        check(
            schedule.min_interval_minutes <= schedule.max_interval_minutes,
            "schedule",
            format!(
                "min_interval_minutes is {}, more than max_interval_minutes, {}",
                schedule.min_interval_minutes, schedule.max_interval_minutes
            ),
        )?;
        check(
            schedule.calls_per_change_hour > 0,
            "schedule",
            "calls_per_change_hour is 0: expected 1 or more".to_owned(),
        )?;
        check(
            (1..=100).contains(&self.rates.percent) && self.rates.most_per_second != Some(0),
            "rates",
            "expected percent from 1 to 100 and most_per_second of 1 or more".to_owned(),
        )?;
        let (soft, hard) = (self.budget.soft_calls_a_day, self.budget.hard_calls_a_day);
        check(
            soft.is_none_or(|soft| hard.is_none_or(|hard| soft <= hard)),
            "budget",
            "soft_calls_a_day is more than hard_calls_a_day".to_owned(),
        )?;
        check(
            self.roles.len() <= MOST_ROLES
                && self.roles.iter().all(|role| (1..=MOST_ARN).contains(&role.arn.len())),
            "roles",
            format!("expected up to {MOST_ROLES} roles, each with an arn"),
        )?;
        check(
            self.organization.as_ref().is_none_or(|head| is_key_word(&head.role)),
            "organization",
            format!("role: expected {word}"),
        )?;
        let problem = self.hook.as_ref().and_then(HookRef::problem);
        check(problem.is_none(), "hook", problem.unwrap_or_default())?;
        let problem = self.credentials.problem(&self.provider);
        check(problem.is_none(), "credentials", problem.unwrap_or_default())
    }
}

/// A region that a vendor offers to an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Region {
    /// The vendor's region id.
    pub id: String,
    /// The host that serves it, where the vendor says so.
    #[serde(default)]
    pub endpoint: String,
    /// What the account's part of it is called, where the vendor divides its
    /// regions into projects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
}

impl Region {
    /// Returns a region of which nothing but its id is known.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    /// Returns the region of account-wide scopes.
    #[must_use]
    pub fn global() -> Self {
        Self::new(GLOBAL_REGION)
    }

    /// Tells whether it is that one.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.id == GLOBAL_REGION
    }
}

/// The regions an account has, as last asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegionCache {
    /// When they were asked for.
    pub fetched_at: Timestamp,
    /// The regions.
    pub regions: Vec<Region>,
}

/// Why an account is not synced on schedule for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Suspension {
    /// Since when.
    pub at: Timestamp,
    /// The vendor's error code.
    pub code: String,
    /// The vendor's message.
    pub reason: String,
    /// The task that met it.
    pub task_id: String,
    /// A digest of the credentials that were refused: other ones end the
    /// suspension.
    pub credentials_digest: String,
}

/// An account as stored: its configuration and what was learnt of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountRecord {
    /// As configured.
    pub account: Account,
    /// Set after the vendor refused its credentials.
    #[serde(default)]
    pub suspended: Option<Suspension>,
    /// The regions it has.
    #[serde(default)]
    pub regions: Option<RegionCache>,
    /// The API calls it has spent; counted only where it has a budget.
    #[serde(default)]
    pub spent: Option<Spent>,
    /// Whose credentials it has, by the vendor's word.
    #[serde(default)]
    pub identity: Option<KnownIdentity>,
    /// Counts the times that the configuration was written.
    #[serde(default)]
    pub revision: u64,
}

impl AccountRecord {
    /// Returns the record of an account of which nothing was learnt yet.
    #[must_use]
    pub const fn new(account: Account) -> Self {
        Self { account, suspended: None, regions: None, spent: None, identity: None, revision: 1 }
    }
}
