//! The members of an organisation, which become accounts of their own.

use std::collections::BTreeMap;

use cloud_sync_core::account::{Account, AccountRecord, Organization};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::scope::is_key_word;
use cloud_sync_provider::Vendor;

use crate::{DispatchError, Dispatcher, Problem};

/// What came of looking for the members of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Members that were not known.
    pub added: Vec<Account>,
    /// Members that had left, and are back.
    pub enabled: Vec<Account>,
    /// Members that are no longer there. They are disabled: what is stored of
    /// them stays, since not being a member deletes nothing.
    pub disabled: Vec<Account>,
    /// Members that are as they were.
    pub unchanged: usize,
}

impl Dispatcher {
    /// Looks for the members of the organisation that an account heads.
    ///
    /// # Errors
    ///
    /// Tables. A vendor that does not list them, and an account that heads
    /// none, is a problem of the account.
    pub async fn discover(
        &self,
        record: &AccountRecord,
    ) -> Result<Result<Discovery, Problem>, DispatchError> {
        let Some(organization) = &record.account.organization else {
            return Ok(Err(Problem {
                account_id: record.account.id.clone(),
                class: ErrorClass::Internal,
                code: "NoOrganization".to_owned(),
                message: "the account heads no organisation; give it organization = \
                          { role = \"…\" } in the accounts file"
                    .to_owned(),
            }));
        };
        match self.open(record).await? {
            Ok((vendor, _)) => {
                self.discover_with(&record.account, organization, vendor.as_ref()).await
            }
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// Looks for the members of the organisation that an account heads, and
    /// writes them as accounts. What an operator changed of a member's account
    /// stays.
    ///
    /// # Errors
    ///
    /// Tables. A vendor that does not list them is a problem of the account.
    pub(crate) async fn discover_with(
        &self,
        head: &Account,
        organization: &Organization,
        vendor: &dyn Vendor,
    ) -> Result<Result<Discovery, Problem>, DispatchError> {
        let members = match vendor.members().await {
            Ok(members) => members,
            Err(error) => {
                return Ok(Err(Problem {
                    account_id: head.id.clone(),
                    class: error.class,
                    code: error.code,
                    message: format!("{}: {}", error.api, error.message),
                }));
            }
        };
        let known = self.store.accounts().await?.into_iter().map(|record| record.account);
        let known: Vec<_> = known.filter(|account| is_member_of(account, &head.id)).collect();
        if members.is_empty() && !known.is_empty() {
            return Ok(Err(Problem {
                account_id: head.id.clone(),
                class: ErrorClass::Data,
                code: "NoMembers".to_owned(),
                message: "the organisation lists no member at all, and had some; nothing is \
                          changed. Check the permissions of the account's user"
                    .to_owned(),
            }));
        }
        let found = members.iter().filter_map(|member| {
            let role = vendor.role_in(member, &organization.role)?;
            Some(head.member(&member.number, &member.name, role))
        });
        let discovery = compare(known, found.filter(|account| is_key_word(&account.id)).collect());
        let changed =
            [&discovery.added, &discovery.enabled, &discovery.disabled].into_iter().flatten();
        for account in changed {
            let enabled = account.enabled;
            tracing::info!(account = account.id, head = head.id, enabled, "a member changed");
            self.store.put_account(account).await?;
        }
        Ok(Ok(discovery))
    }
}

fn is_member_of(account: &Account, head: &str) -> bool {
    account.membership.as_ref().is_some_and(|membership| membership.head == head)
}

/// Compares the members that are known with those that were found.
fn compare(known: Vec<Account>, found: Vec<Account>) -> Discovery {
    let mut discovery = Discovery::default();
    let mut known: BTreeMap<_, _> =
        known.into_iter().map(|account| (account.id.clone(), account)).collect();
    for account in found {
        match known.remove(&account.id) {
            None => discovery.added.push(account),
            Some(known) if has_left(&known) => discovery.enabled.push(marked(known, false)),
            Some(_) => discovery.unchanged += 1,
        }
    }
    // One that an operator disabled stays so, whether it comes back or not.
    let gone = known.into_values().filter(|account| account.enabled);
    discovery.disabled = gone.map(|account| marked(account, true)).collect();
    discovery
}

fn has_left(account: &Account) -> bool {
    account.membership.as_ref().is_some_and(|membership| membership.has_left)
}

fn marked(mut account: Account, has_left: bool) -> Account {
    account.enabled = !has_left;
    if let Some(membership) = &mut account.membership {
        membership.has_left = has_left;
    }
    account
}

#[cfg(test)]
mod tests {
    use cloud_sync_core::account::CredentialsRef;

    use super::*;

    fn member(number: &str) -> Account {
        let head = Account::new("head", "aliyun", "cn-hangzhou", CredentialsRef::Env("A".into()));
        head.member(number, "", format!("acs:ram::{number}:role/sync"))
    }

    fn ids(accounts: &[Account]) -> Vec<&str> {
        accounts.iter().map(|account| account.id.as_str()).collect()
    }

    #[test]
    fn members_come_go_and_come_back() {
        let first = compare(Vec::new(), vec![member("1"), member("2")]);
        assert_eq!(ids(&first.added), ["head-1", "head-2"]);
        let known = first.added;

        let second = compare(known.clone(), vec![member("1")]);
        assert_eq!((ids(&second.disabled), second.unchanged), (vec!["head-2"], 1));
        assert!(!second.disabled[0].enabled);

        let known = vec![known[0].clone(), second.disabled[0].clone()];
        let third = compare(known.clone(), vec![member("1")]);
        assert_eq!(third, Discovery { unchanged: 1, ..Discovery::default() }, "said once");

        let fourth = compare(known, vec![member("1"), member("2")]);
        assert_eq!((ids(&fourth.enabled), fourth.unchanged), (vec!["head-2"], 1));
        assert_eq!(fourth.enabled[0], member("2"));
    }

    #[test]
    fn what_an_operator_set_stays() {
        let disabled = Account { enabled: false, name: "mine".into(), ..member("1") };
        let there = compare(vec![disabled.clone()], vec![member("1")]);
        assert_eq!(there, Discovery { unchanged: 1, ..Discovery::default() });
        assert_eq!(compare(vec![disabled], Vec::new()), Discovery::default());
    }
}
