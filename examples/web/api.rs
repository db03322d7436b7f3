//! What the school answers.
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use es_core::application::{Section, SectionId};
use es_core::{Aggregate, BoxError, Error, Metadata, Version};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::certificate::Certificate;
use crate::desk::Desk;
use crate::problem::Problem;
use crate::school::{Dog, TrainingSchool};

/// How long somebody waits for the office.
const PATIENCE: Duration = Duration::from_secs(5);

/// In characters. A name becomes a part of addresses, and clients do not take any address.
const LONGEST_NAME: usize = 100;

pub fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/dogs", post(register))
        .route("/dogs/{name}", get(look_at))
        .route("/dogs/{name}/tricks", get(tricks).post(add_trick))
        .route("/dogs/{name}/lessons", post(give_lesson))
        .route("/dogs/{name}/history", get(tell))
        .route("/dogs/{name}/certificate", get(certificate))
        .route("/log/{section}", get(section))
        .fallback(async |uri: Uri| {
            let detail = format!("there is nothing at `{}`", uri.path());
            Problem::new(StatusCode::NOT_FOUND, detail)
        })
        .method_not_allowed_fallback(async |method: Method| {
            let detail = format!("{method} is not for this; `allow` says what is");
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        .with_state(desk)
}

/// A body of JSON; what is none is told like everything else.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(body) = Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// What the path names.
struct Named<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::from_request_parts(parts, state).await?;
        Ok(Self(name))
    }
}

/// What is asked besides, behind the `?`.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(asked) = Query::from_request_parts(parts, state).await?;
        Ok(Self(asked))
    }
}

/// Who asks, and in the course of what: kept with every event of the request.
struct Who(Metadata);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut metadata = Metadata::new().with("path", parts.uri.path());
        if let Some(actor) = text(&parts.headers, "x-actor")? {
            metadata = metadata.actor(actor);
        }
        let correlation = match text(&parts.headers, "x-correlation-id")? {
            None => Uuid::now_v7(),
            Some(id) => id
                .parse()
                .map_err(|_| Problem::unprocessable("`x-correlation-id` is no UUID"))?,
        };
        Ok(Self(metadata.correlation(correlation)))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str();
    text.map(Some)
        .map_err(|_| Problem::unprocessable(format!("`{name}` is no plain text")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDog {
    name: String,
}

async fn register(
    State(desk): State<Desk>,
    Who(who): Who,
    Body(dog): Body<NewDog>,
) -> Result<impl IntoResponse, Problem> {
    let name = said("name", &dog.name)?;
    if name.chars().count() > LONGEST_NAME {
        let detail = format!("`name` has more than {LONGEST_NAME} characters");
        return Err(Problem::unprocessable(detail));
    }
    let school = TrainingSchool::new(desk.school.with(who));
    school.register(name).await?;
    let place = format!("/dogs/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
    Ok((StatusCode::CREATED, [(header::LOCATION, place)]))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTrick {
    trick: String,
}

/// What a client sends again under the same `idempotency-key`, as where it got no answer, is done once.
async fn add_trick(
    State(desk): State<Desk>,
    Who(who): Who,
    headers: HeaderMap,
    Named(name): Named<String>,
    Body(new): Body<NewTrick>,
) -> Result<StatusCode, Problem> {
    let trick = said("trick", &new.trick)?;
    let app = desk.school.with(who);
    match text(&headers, "idempotency-key")? {
        None => TrainingSchool::new(app).add_trick(&name, trick).await?,
        Some(sent) => {
            let id = Dog::id_for(&name);
            let actor = text(&headers, "x-actor")?.unwrap_or_default();
            let sent = said("idempotency-key", sent)?;
            // Of what is asked for, too: under the same key, another trick is another command. No header has line breaks.
            let key = Uuid::new_v5(&id, format!("{actor}\n{sent}\nadd {trick}").as_bytes());
            let add = |dog: &mut Dog| dog.add_trick(trick);
            app.once(key).update(id, add).await.map_err(Error::from)?;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn tricks(
    State(desk): State<Desk>,
    Named(name): Named<String>,
) -> Result<Json<Vec<String>>, Problem> {
    Ok(Json(TrainingSchool::new(desk.school).tricks(&name).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lesson {
    trick: String,
    cents: u32,
}

/// What the dog learned, and the invoice for it: both, or neither.
async fn give_lesson(
    State(desk): State<Desk>,
    Who(who): Who,
    Named(name): Named<String>,
    Body(lesson): Body<Lesson>,
) -> Result<StatusCode, Problem> {
    let trick = said("trick", &lesson.trick)?;
    let app = desk.school.with(who);
    let mut dog = app.get::<Dog>(Dog::id_for(&name)).await?;
    dog.add_trick(trick);

    let mut client = desk.pool.get().await.map_err(BoxError::from)?;
    let transaction = client.transaction().await.map_err(BoxError::from)?;
    let invoice = "INSERT INTO invoices (dog, trick, cents) VALUES ($1, $2, $3)";
    transaction
        .execute(invoice, &[&dog.id(), &trick, &i64::from(lesson.cents)])
        .await
        .map_err(BoxError::from)?;
    let staged = app.stage(&mut dog)?;
    let committed = desk.store.commit_with(transaction, staged).await;
    committed.map_err(Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct AsOf {
    version: Option<u64>,
}

#[derive(Serialize)]
struct Seen {
    name: String,
    version: u64,
    tricks: Vec<String>,
}

impl From<&Dog> for Seen {
    fn from(dog: &Dog) -> Self {
        Self {
            name: dog.name().to_owned(),
            version: dog.version().get(),
            tricks: dog.tricks().to_vec(),
        }
    }
}

async fn look_at(
    State(desk): State<Desk>,
    Named(name): Named<String>,
    Asked(as_of): Asked<AsOf>,
) -> Result<Json<Seen>, Problem> {
    let id = Dog::id_for(&name);
    let seen = match as_of.version {
        None => Seen::from(&desk.school.get::<Dog>(id).await?),
        Some(version) => {
            let past = desk
                .school
                .get_at::<Dog>(id, Version::from(version))
                .await?;
            Seen::from(&*past)
        }
    };
    Ok(Json(seen))
}

#[derive(Serialize)]
struct Told {
    version: u64,
    position: u64,
    event: String,
    actor: Option<String>,
    correlation: Option<Uuid>,
}

async fn tell(
    State(desk): State<Desk>,
    Named(name): Named<String>,
) -> Result<Json<Vec<Told>>, Problem> {
    let mut history = desk.school.history::<Dog>(Dog::id_for(&name));
    let mut story = Vec::new();
    while let Some(recorded) = history.next().await {
        let recorded = recorded?;
        story.push(Told {
            version: recorded.version.get(),
            position: recorded.position.get(),
            event: format!("{:?}", recorded.event),
            actor: recorded.metadata.get_actor().map(str::to_owned),
            correlation: recorded.metadata.get_correlation(),
        });
    }
    Ok(Json(story))
}

#[derive(Serialize)]
struct Counted {
    tricks: u32,
}

/// What the office has counted, of all that the school knew when this was asked: the office follows, so it may have to be waited for.
async fn certificate(
    State(desk): State<Desk>,
    Named(name): Named<String>,
) -> Result<Json<Counted>, Problem> {
    let head = desk.school.log().head().await?;
    desk.certificates.wait_for(head, PATIENCE).await?;
    let id = Certificate::id_for(Dog::id_for(&name));
    let tricks = desk.office.get::<Certificate>(id).await?.tricks;
    Ok(Json(Counted { tricks }))
}

/// All that happened, in pieces that say where the next one is: for followers elsewhere, in whatever language.
async fn section(
    State(desk): State<Desk>,
    Named(section): Named<SectionId>,
) -> Result<Json<Section>, Problem> {
    Ok(Json(desk.school.log().section(section).await?))
}

fn said<'t>(what: &str, text: &'t str) -> Result<&'t str, Problem> {
    match text.trim() {
        "" => Err(Problem::unprocessable(format!("`{what}` is empty"))),
        // Postgres takes it in no text.
        text if text.contains('\0') => Err(Problem::unprocessable(format!(
            "`{what}` contains the character NUL"
        ))),
        text => Ok(text),
    }
}
