//! Tells people of what needs them.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use cloud_sync_core::account::Suspension;
use cloud_sync_core::scope::Scope;
use cloud_sync_core::task::SyncTask;
use thiserror::Error;

use crate::aws::explain;

/// SNS takes subjects shorter than 100 characters, of printable ASCII.
const MOST_SUBJECT_CHARS: usize = 99;

/// At most so many characters of a notice's text are sent.
const MOST_TEXT_CHARS: usize = 2_000;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// A vendor refused an account's credentials; it is synced no more until
    /// they change or an operator resumes it.
    AccountSuspended,
    /// More resources are missing than is plausible; nothing is deleted until
    /// an operator approves or further listings agree.
    DeletionsHeld,
    /// No region of a task completed.
    TaskFailed,
    /// A message was given up.
    DeadLetter,
}

impl NoticeKind {
    /// Returns the name used in logs and, as attribute `kind`, for the filters
    /// of subscriptions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountSuspended => "account_suspended",
            Self::DeletionsHeld => "deletions_held",
            Self::TaskFailed => "task_failed",
            Self::DeadLetter => "dead_letter",
        }
    }
}

/// Something a person should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// The account, where it is about one.
    pub account_id: Option<String>,
    /// The task, where it is about one.
    pub task_id: Option<String>,
    /// What happened and what to do.
    pub text: String,
}

impl Notice {
    /// Returns the notice that an account was suspended.
    #[must_use]
    pub fn account_suspended(account_id: &str, suspension: &Suspension) -> Self {
        let text = format!(
            "The vendor refused the account's credentials: {}: {}. The account is left out of \
             scheduled syncs from {} on. Change the credentials, or resume the account.",
            suspension.code,
            suspension.reason.trim_end_matches('.'),
            suspension.at
        );
        Self {
            kind: NoticeKind::AccountSuspended,
            account_id: Some(account_id.to_owned()),
            task_id: Some(suspension.task_id.clone()).filter(|id| !id.is_empty()),
            text,
        }
    }

    /// Returns the notice that `held` resources of a scope are missing and
    /// were not deleted.
    #[must_use]
    pub fn deletions_held(scope: &Scope, task_id: &str, held: u64) -> Self {
        let text = format!(
            "{held} resources of {scope} are missing at the vendor, more than is plausible. \
             Nothing was deleted. Further complete listings without them, or an operator's \
             approval, will delete them; if they should exist, check the account's permissions, \
             or reject it. `cloud-sync deletions` shows, approves and rejects."
        );
        Self {
            kind: NoticeKind::DeletionsHeld,
            account_id: Some(scope.account_id.clone()),
            task_id: Some(task_id.to_owned()),
            text,
        }
    }

    /// Returns the notice that no region of a task completed.
    #[must_use]
    pub fn task_failed(task: &SyncTask) -> Self {
        let reason = task.error_message.as_deref().unwrap_or("no error was recorded");
        let text = format!(
            "The {} sync of {} failed in all {} regions: {reason}",
            task.mode.as_str(),
            task.resource_type,
            task.regions.len()
        );
        Self {
            kind: NoticeKind::TaskFailed,
            account_id: Some(task.account_id.clone()),
            task_id: Some(task.task_id.clone()),
            text,
        }
    }

    /// Returns the notice that a message was given up.
    #[must_use]
    pub fn dead_letter(task_id: Option<&str>, text: &str) -> Self {
        Self {
            kind: NoticeKind::DeadLetter,
            account_id: None,
            task_id: task_id.map(str::to_owned),
            text: text.to_owned(),
        }
    }

    /// Returns one line of printable ASCII, shorter than 100 characters.
    #[must_use]
    pub fn subject(&self) -> String {
        let what = match self.kind {
            NoticeKind::AccountSuspended => "account suspended",
            NoticeKind::DeletionsHeld => "deletions held",
            NoticeKind::TaskFailed => "task failed",
            NoticeKind::DeadLetter => "message given up",
        };
        let whose = self.account_id.as_deref().or(self.task_id.as_deref());
        let subject = match whose {
            Some(whose) => format!("cloud-sync: {what}: {whose}"),
            None => format!("cloud-sync: {what}"),
        };
        let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        subject.chars().map(printable).take(MOST_SUBJECT_CHARS).collect()
    }
}

impl fmt::Display for Notice {
    /// Writes the body of a message to a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.char_indices().nth(MOST_TEXT_CHARS) {
            Some((end, _)) => writeln!(f, "{}…", &self.text[..end])?,
            None => writeln!(f, "{}", self.text)?,
        }
        writeln!(f, "\nkind: {}", self.kind.as_str())?;
        if let Some(account_id) = &self.account_id {
            writeln!(f, "account: {account_id}")?;
        }
        if let Some(task_id) = &self.task_id {
            writeln!(f, "task: {task_id}")?;
        }
        Ok(())
    }
}

/// A notice was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("notice '{subject}' was not sent to {topic}: {reason}")]
pub struct NotifyError {
    /// What the notice was about.
    pub subject: String,
    /// Where it was to go.
    pub topic: String,
    /// What went wrong.
    pub reason: String,
}

/// Tells people.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends a notice.
    ///
    /// # Errors
    ///
    /// Nobody was told. The work that the notice is about stands regardless.
    async fn notify(&self, notice: &Notice) -> Result<(), NotifyError>;
}

/// Publishes to a topic of Amazon SNS.
#[derive(Clone, Debug)]
pub struct SnsNotifier {
    client: Client,
    topic_arn: String,
}

impl SnsNotifier {
    /// Returns a notifier for a topic.
    #[must_use]
    pub fn new(client: Client, topic_arn: &str) -> Self {
        Self { client, topic_arn: topic_arn.to_owned() }
    }
}

#[async_trait]
impl Notifier for SnsNotifier {
    async fn notify(&self, notice: &Notice) -> Result<(), NotifyError> {
        let failed = |reason: String| NotifyError {
            subject: notice.subject(),
            topic: self.topic_arn.clone(),
            reason,
        };
        let kind = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(notice.kind.as_str())
            .build()
            .map_err(|error| failed(error.to_string()))?;
        self.client
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(notice.subject())
            .message(notice.to_string())
            .message_attributes("kind", kind)
            .send()
            .await
            .map_err(|error| failed(explain(&error)))?;
        Ok(())
    }
}

/// Writes notices to the log, where no topic is configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogNotifier;

#[async_trait]
impl Notifier for LogNotifier {
    async fn notify(&self, notice: &Notice) -> Result<(), NotifyError> {
        tracing::warn!(
            kind = notice.kind.as_str(),
            account = notice.account_id,
            task_id = notice.task_id,
            "{}",
            notice.text
        );
        Ok(())
    }
}

/// Collects notices, for tests.
#[derive(Debug, Default)]
pub struct MemoryNotifier(Mutex<Vec<Notice>>);

impl MemoryNotifier {
    /// Returns the notices so far, oldest first.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Notifier for MemoryNotifier {
    async fn notify(&self, notice: &Notice) -> Result<(), NotifyError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(notice.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
    use wiremock::matchers::body_string_contains;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn suspended(account_id: &str) -> Notice {
        let suspension = Suspension {
            at: "2026-11-01T08:00:00Z".parse().unwrap(),
            code: "InvalidAccessKeyId.NotFound".into(),
            reason: "Specified access key is not found.".into(),
            task_id: String::new(),
            credentials_digest: "d".into(),
        };
        Notice::account_suspended(account_id, &suspension)
    }

    #[test]
    fn a_notice_says_what_happened_and_what_to_do() {
        let notice = suspended("prod");
        assert_eq!(notice.task_id, None, "an empty id is none");
        assert_eq!(notice.subject(), "cloud-sync: account suspended: prod");
        let body = notice.to_string();
        for part in
            ["InvalidAccessKeyId.NotFound", "2026-11-01T08:00:00Z", "resume", "account: prod"]
        {
            assert!(body.contains(part), "{part} in {body}");
        }
    }

    #[test]
    fn a_subject_is_short_printable_ascii_whatever_it_is_about() {
        let long = "x".repeat(300);
        for account in ["生产", "a\nb\u{7}c", long.as_str()] {
            let subject = suspended(account).subject();
            assert!(subject.len() < 100, "{subject}");
            assert!(subject.bytes().all(|b| (b' '..=b'~').contains(&b)), "{subject}");
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let body = Notice::dead_letter(Some("t1"), &"生".repeat(100_000)).to_string();
        assert!(body.len() < 10_000);
        assert!(body.contains("…\n") && body.ends_with("task: t1\n"), "{body}");
    }

    async fn topic_at(server: &MockServer) -> SnsNotifier {
        let config = aws_sdk_sns::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(server.uri())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .build();
        SnsNotifier::new(Client::from_conf(config), "arn:aws:sns:eu-west-1:0:notices")
    }

    #[tokio::test]
    async fn a_notice_is_published_with_its_kind() {
        let server = MockServer::start().await;
        let answer = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult>\
                      </PublishResponse>";
        Mock::given(body_string_contains("Action=Publish"))
            .and(body_string_contains("Subject=cloud-sync%3A%20account%20suspended%3A%20prod"))
            .and(body_string_contains("account_suspended"))
            .respond_with(ResponseTemplate::new(200).set_body_string(answer))
            .expect(1)
            .mount(&server)
            .await;
        topic_at(&server).await.notify(&suspended("prod")).await.unwrap();
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_that_says_of_what_and_why() {
        let server = MockServer::start().await;
        let answer = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>\
                      <Message>not yours</Message></Error></ErrorResponse>";
        Mock::given(body_string_contains("Action=Publish"))
            .respond_with(ResponseTemplate::new(403).set_body_string(answer))
            .mount(&server)
            .await;
        let error = topic_at(&server).await.notify(&suspended("prod")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "notice 'cloud-sync: account suspended: prod' was not sent to \
             arn:aws:sns:eu-west-1:0:notices: AuthorizationError: not yours"
        );
    }
}
