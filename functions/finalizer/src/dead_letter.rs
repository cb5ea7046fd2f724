//! Messages that nobody could handle.

use cloud_sync_core::message::{ResultMessage, WorkMessage};
use cloud_sync_runtime::notify::Notice;

use crate::{FinalizeError, Finalizer};

/// So much of an unreadable body is shown.
const MOST_BODY_SHOWN: usize = 200;

impl Finalizer {
    /// Takes a message that was given up: a work message is its region's
    /// failure, a result message is looked at once more, and one that cannot
    /// be read is reported with the reason.
    ///
    /// # Errors
    ///
    /// The tables failed; the same message again does the rest.
    pub async fn dead_letter(&self, body: &str) -> Result<(), FinalizeError> {
        let message = match serde_json::from_str::<WorkMessage>(body) {
            Ok(message) => message,
            Err(error) => {
                if let Ok(result) = serde_json::from_str::<ResultMessage>(body) {
                    self.look_at(&result.task_id).await?;
                    return Ok(());
                }
                let shown: String = body.chars().take(MOST_BODY_SHOWN).collect();
                tracing::error!(%error, body = shown, "a message could not be read");
                let text = format!("not a work message: {error}: {shown}");
                self.tell(&Notice::dead_letter(None, &text)).await;
                return Ok(());
            }
        };
        let Some(task) = self.store.task(&message.task_id).await? else {
            tracing::warn!(task_id = message.task_id, "a dead letter of an unknown task; dropped");
            return Ok(());
        };
        let results = self.store.region_results(&task.task_id).await?;
        if task.open_regions(&results).contains(&message.region) {
            let text = "the message was given up after too many deliveries";
            // What the last attempt wrote is to be counted too.
            tokio::time::sleep(self.store.index_lag()).await;
            if !self.give_up(&task, &message.region, "DeadLettered", text).await? {
                return Err(FinalizeError::Busy(message.scope()));
            }
            let text = format!("{}: {text}", message.scope());
            self.tell(&Notice::dead_letter(Some(&task.task_id), &text)).await;
        }
        self.look_at(&task.task_id).await?;
        Ok(())
    }
}
