//! To be written. The lead's code (functions/*, common/dispatch) uses: Notice::account_suspended(&str, &Suspension),
//! Notice::deletions_held(&Scope, task_id: &str, held: u64), Notice::task_failed(&SyncTask), Notice::dead_letter(Option<&str> task_id, text: &str),
//! notice.subject() -> impl Display, LogNotifier (unit struct), SnsNotifier::new(client, topic_arn: &str).
