//! Deletions that are held back.

use utoipa_axum::router::OpenApiRouter;

use crate::Api;

/// Returns the group's routes.
pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
}
