//! What the service itself says, in the trace of a simulation.

use std::fmt::{self, Write};
use std::sync::{Arc, Weak};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::universe::Universe;

/// Puts what is logged on this thread into a universe's trace, as long as the
/// guard lives.
pub(crate) fn follow(universe: &Arc<Universe>) -> DefaultGuard {
    let layer = Follower(Arc::downgrade(universe));
    tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
}

struct Follower(Weak<Universe>);

impl<S: Subscriber> Layer<S> for Follower {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::DEBUG || metadata.target().starts_with("simulated_cloud") {
            return;
        }
        let Some(universe) = self.0.upgrade() else { return };
        let mut line = Line::default();
        event.record(&mut line);
        let who = metadata.target().rsplit("::").next().unwrap_or_default();
        universe.note(who, || format!("~ {}: {}{}", metadata.level(), line.message, line.fields));
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
        // Writing to a string cannot fail.
        written.unwrap_or_default();
    }
}
