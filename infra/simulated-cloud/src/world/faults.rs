//! Faults: what the cloud does wrong on purpose, and when.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Provider;
use super::id::scatter;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The vendor answers with an error.
    Error {
        /// The HTTP status.
        status: u16,
        /// The vendor's code.
        code: String,
        /// The vendor's message.
        message: String,
    },
    /// The connection is closed before a byte of the answer.
    Drop,
    /// The connection is closed in the middle of the answer.
    CutOff,
    /// The answer is whole as HTTP, but its body is half a document.
    Truncate,
    /// The answer comes so much later.
    Delay(Duration),
    /// One item of the page has a number for its status.
    StatusNumber,
    /// One item of the page has no id.
    NoId,
    /// One item of the page has a tag with a value of so many bytes.
    HugeTag(usize),
    /// One item of the page has a status that nobody knows.
    UnknownStatus(String),
    /// The listing is empty: success, no items, no next page.
    Empty,
    /// A page token is refused, however good.
    RejectToken,
    /// The page holds so many items at most, though there are more.
    ShortPage(usize),
    /// The page begins with so many items of the page before.
    Repeat(usize),
    /// So many items between this page and the next are in neither.
    Skip(usize),
    /// The total is wrong by so many.
    WrongTotal(i64),
}

impl Fault {
    /// Returns an error: `ServiceUnavailable`, status 503.
    pub fn unavailable() -> Self {
        let message = "The request has failed due to a temporary failure of the server.";
        Self::error(503, "ServiceUnavailable", message)
    }

    /// Returns an error: `InternalError`, status 500.
    pub fn internal_error() -> Self {
        let message =
            "The request processing has failed due to some unknown error, exception or failure.";
        Self::error(500, "InternalError", message)
    }

    /// Returns an error: `Throttling.User`, status 400.
    pub fn throttled() -> Self {
        Self::error(400, "Throttling.User", "Request was denied due to user flow control.")
    }

    /// Returns an error: `Forbidden.RAM`, status 403. With [`Rule::after`] a
    /// permission is revoked in mid-walk.
    pub fn forbidden() -> Self {
        let message = "User not authorized to operate on the specified resource, or this API \
                       doesn't support RAM.";
        Self::error(403, "Forbidden.RAM", message)
    }

    /// Returns an error: `RegionUnauthorized`, status 403. The region exists,
    /// but is not open to the account.
    pub fn region_not_opened() -> Self {
        let message = "There is no authority to use the specified region.";
        Self::error(403, "RegionUnauthorized", message)
    }

    /// Returns the error of a vendor for too many calls, as its machines'
    /// listing has it.
    pub fn throttled_by(vendor: Provider) -> Self {
        let message = "Request was denied: there were too many.";
        match vendor {
            Provider::Aliyun => Self::throttled(),
            Provider::Tencent => Self::error(200, "RequestLimitExceeded", message),
            Provider::Huawei => Self::error(429, "APIGW.0308", message),
            Provider::Aws => Self::error(503, "RequestLimitExceeded", message),
        }
    }

    /// Returns the error of a vendor for what is not allowed, likewise.
    pub fn forbidden_by(vendor: Provider) -> Self {
        let message = "You are not authorized to perform this operation.";
        match vendor {
            Provider::Aliyun => Self::forbidden(),
            Provider::Tencent => Self::error(200, "AuthFailure.UnauthorizedOperation", message),
            Provider::Huawei => Self::error(403, "APIGW.0302", message),
            Provider::Aws => Self::error(403, "UnauthorizedOperation", message),
        }
    }

    /// Returns the error of a vendor that cannot answer for now, likewise.
    pub fn unavailable_by(vendor: Provider) -> Self {
        let message = "The service is unavailable. Please try again shortly.";
        match vendor {
            Provider::Aliyun => Self::unavailable(),
            Provider::Tencent => Self::error(200, "InternalError", message),
            Provider::Huawei => Self::error(502, "APIGW.0201", message),
            Provider::Aws => Self::error(503, "Unavailable", message),
        }
    }

    /// Returns an error of the vendor.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error { status, code: code.to_owned(), message: message.to_owned() }
    }
}

/// A fault and when it strikes: at every matching call, unless narrowed.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    account: Option<String>,
    region: Option<String>,
    action: Option<String>,
    is_exact: bool,
    skip: u64,
    times: u64,
    chance: f64,
}

impl Rule {
    /// Makes a rule that strikes at every call.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            account: None,
            region: None,
            action: None,
            is_exact: false,
            skip: 0,
            times: u64::MAX,
            chance: 1.0,
        }
    }

    /// Strikes only at calls of an action. Without a service it is that of
    /// every service.
    #[must_use]
    pub fn on(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Strikes only at calls of an action of one service, named as in
    /// [`Call::action`]: other services may have one of the same name.
    #[must_use]
    pub fn on_just(self, action: &str) -> Self {
        Self { is_exact: true, ..self.on(action) }
    }

    /// Strikes only at calls for a region.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// Strikes only at calls of an account.
    #[must_use]
    pub fn for_account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// Spares the first matching calls.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Strikes at most so often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Strikes with a probability between 0 and 1. What is drawn depends on
    /// the world's seed, the rule and how many calls matched before.
    #[must_use]
    pub fn with_chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    fn matches(&self, call: &Call) -> bool {
        let fits = |wanted: &Option<String>, given: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == given)
        };
        let is_of = |wanted| {
            if self.is_exact { call.action == wanted } else { call.is_of(wanted) }
        };
        self.action.as_deref().is_none_or(is_of)
            && fits(&self.region, &call.region)
            && fits(&self.account, &call.account)
    }
}

/// What was called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// The account; empty if the access key is unknown.
    pub account: String,
    /// The region; empty if none was named.
    pub region: String,
    /// The action: `DescribeInstances`. Services of Alibaba Cloud other than
    /// ECS stand before it, since their actions have the same names:
    /// `r-kvstore:DescribeInstances`.
    pub action: String,
}

impl Call {
    /// Tells whether it is of an action, named with its service or without.
    pub fn is_of(&self, action: &str) -> bool {
        let bare = self.action.rsplit_once(':').map(|(_, bare)| bare);
        self.action == action || bare == Some(action)
    }
}

/// Names a rule, so that it can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

struct Armed {
    id: u64,
    rule: Rule,
    matched: u64,
    struck: u64,
}

#[derive(Default)]
struct Rules {
    armed: Vec<Armed>,
    next: u64,
}

/// The rules in force.
pub struct Faults {
    seed: u64,
    rules: Mutex<Rules>,
}

impl Faults {
    /// Makes an empty set.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, rules: Mutex::default() }
    }

    /// Adds a rule. Several may strike at one call.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut rules = self.rules();
        rules.next += 1;
        let id = rules.next;
        rules.armed.push(Armed { id, rule, matched: 0, struck: 0 });
        RuleId(id)
    }

    /// Takes a rule back.
    pub fn remove(&self, rule: RuleId) {
        self.rules().armed.retain(|armed| armed.id != rule.0);
    }

    /// Takes all rules back.
    pub fn clear(&self) {
        self.rules().armed.clear();
    }

    /// Returns how often a rule has struck; 0 once it was taken back.
    pub fn struck(&self, rule: RuleId) -> u64 {
        self.rules().armed.iter().find(|armed| armed.id == rule.0).map_or(0, |armed| armed.struck)
    }

    /// Returns what strikes at a call, and counts the call.
    pub(crate) fn strike(&self, call: &Call) -> Vec<Fault> {
        let mut struck = Vec::new();
        for armed in self.rules().armed.iter_mut().filter(|armed| armed.rule.matches(call)) {
            armed.matched += 1;
            let draw = scatter(self.seed ^ scatter(armed.id) ^ armed.matched);
            // The upper 53 bits, as a number below 1.
            let drawn = (draw >> 11) as f64 / (1_u64 << 53) as f64;
            let rule = &armed.rule;
            if armed.matched > rule.skip && armed.struck < rule.times && drawn < rule.chance {
                armed.struck += 1;
                struck.push(rule.fault.clone());
            }
        }
        struck
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(region: &str) -> Call {
        Call { account: "a".into(), region: region.into(), action: "DescribeInstances".into() }
    }

    #[test]
    fn a_rule_spares_the_first_calls_and_stops_after_its_times() {
        let faults = Faults::new(1);
        let rule = faults.add(Rule::new(Fault::Drop).in_region("here").after(2).times(2));
        let struck: Vec<bool> = (0..6).map(|_| !faults.strike(&call("here")).is_empty()).collect();
        assert_eq!(struck, [false, false, true, true, false, false]);
        assert_eq!(faults.struck(rule), 2);
        assert!(faults.strike(&call("elsewhere")).is_empty());
    }

    #[test]
    fn a_rule_on_just_one_services_action_spares_the_others() {
        let faults = Faults::new(1);
        let every = faults.add(Rule::new(Fault::Drop).on("DescribeInstances"));
        let one = faults.add(Rule::new(Fault::Drop).on_just("DescribeInstances"));
        faults.strike(&call("here"));
        let action = "r-kvstore:DescribeInstances".to_owned();
        faults.strike(&Call { action, ..call("here") });
        assert_eq!((faults.struck(every), faults.struck(one)), (2, 1));
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed_and_about_as_often_as_said() {
        let draw = |seed| {
            let faults = Faults::new(seed);
            faults.add(Rule::new(Fault::Drop).with_chance(0.25));
            (0..4000).map(|_| !faults.strike(&call("r")).is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let struck = draw(7).into_iter().filter(|struck| *struck).count();
        assert!((850..1150).contains(&struck), "{struck} of 4000");
    }
}
