//! What routes are put on: a router that answers them, or a document that
//! describes them. A function that only answers has nothing of what describes
//! in it.

use axum::Router;
use axum::routing::MethodRouter;
use utoipa::openapi::path::HttpMethod;
use utoipa_axum::PathItemExt;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::Api;

/// What routes are put on.
pub(crate) trait Surface: Sized {
    /// Puts handlers of one path on it, of which either form is made only
    /// where it is wanted.
    fn put(
        self,
        described: impl FnOnce() -> UtoipaMethodRouter<Api>,
        plain: impl FnOnce() -> (String, MethodRouter<Api>),
    ) -> Self;
}

impl Surface for Router<Api> {
    fn put(
        self,
        _: impl FnOnce() -> UtoipaMethodRouter<Api>,
        plain: impl FnOnce() -> (String, MethodRouter<Api>),
    ) -> Self {
        let (path, methods) = plain();
        self.route(&path, methods)
    }
}

impl Surface for OpenApiRouter<Api> {
    fn put(
        self,
        described: impl FnOnce() -> UtoipaMethodRouter<Api>,
        _: impl FnOnce() -> (String, MethodRouter<Api>),
    ) -> Self {
        self.routes(described())
    }
}

/// Has a handler answer to the methods that it is declared with.
pub(crate) fn on<H, T>(
    router: MethodRouter<Api>,
    methods: &[HttpMethod],
    handler: H,
) -> MethodRouter<Api>
where
    H: axum::handler::Handler<T, Api>,
    T: 'static,
{
    methods
        .iter()
        .fold(router, |router, method| router.on(method.to_method_filter(), handler.clone()))
}

/// Puts handlers of one path, declared by `utoipa::path`, on a surface.
macro_rules! put {
    ($surface:expr, $first:ident $(, $more:ident)*) => {
        $crate::surface::Surface::put(
            $surface,
            || utoipa_axum::routes!($first $(, $more)*),
            || utoipa_axum::paste! {{
                use utoipa::Path as _;
                let router = axum::routing::MethodRouter::new();
                let router = $crate::surface::on(router, &[<__path_ $first>]::methods(), $first);
                $(
                    let methods = [<__path_ $more>]::methods();
                    let router = $crate::surface::on(router, &methods, $more);
                )*
                ([<__path_ $first>]::path(), router)
            }},
        )
    };
}

pub(crate) use put;
