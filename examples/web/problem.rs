//! Errors as HTTP answers: which status, and a body that says what is wrong (RFC 9457).
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use es_core::{BoxError, Error, ErrorKind};
use serde_json::json;

pub struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }

    /// What was asked for makes no sense, though it could be read.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// Nothing that the client can mend: he is told so, and the operator is told why.
    fn ours(status: StatusCode, error: &dyn std::error::Error) -> Self {
        eprintln!("{status}: {}", with_causes(error));
        Self {
            status,
            detail: "this is not your fault; try again later".to_owned(),
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// What the client can mend is told as it is, for it names what to do.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict | ErrorKind::AlreadyExists => StatusCode::CONFLICT,
            ErrorKind::Erased => StatusCode::GONE,
            ErrorKind::Refused | ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            // Whether it is stored is not known. Without a key the same request sent again may do it twice.
            ErrorKind::Unknown => {
                return Self {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    detail: "send it again under the same `idempotency-key`; if it had none, look first whether it was done".to_owned(),
                };
            }
            ErrorKind::Unavailable | ErrorKind::Busy => {
                return Self::ours(StatusCode::SERVICE_UNAVAILABLE, &error);
            }
            _ => return Self::ours(StatusCode::INTERNAL_SERVER_ERROR, &error),
        };
        Self {
            status,
            detail: with_causes(&error),
        }
    }
}

/// The program's own tables.
impl From<BoxError> for Problem {
    fn from(error: BoxError) -> Self {
        Self::ours(StatusCode::SERVICE_UNAVAILABLE, &*error)
    }
}

/// What could not be read: the body, the path, the query.
macro_rules! rejected {
    ($($rejection:ty)*) => {$(
        impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text())
            }
        }
    )*};
}

rejected!(JsonRejection PathRejection QueryRejection);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "status": self.status.as_u16(),
            "title": self.status.canonical_reason(),
            "detail": self.detail,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, kind, Json(body)).into_response()
    }
}
