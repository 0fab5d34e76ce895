//! `BatchService`, one implementation for all services: the calls of a batch are the writing methods
//! of the service, run within one write.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use prost_types::Any;
use taizhang_contracts::batch::batch_service_server::{BatchService as Api, BatchServiceServer};
use taizhang_contracts::batch::{BatchCall, BatchWriteRequest, BatchWriteResponse};
use taizhang_contracts::{
    Admit, Change, Context, Create, Encoded, Error, METHODS, Office, Reason, Result, Update,
    Violations, Write,
};
use tonic::{Request, Response, Status};

use crate::behavior::{Behavior, show};
use crate::ledger::decode;
use crate::methods::{self, RecordWrite};
use crate::write::{Answer, RequestKey, Tx, Work};
use crate::{Ledger, Moment};

/// The most bytes of all answers together; clients accept messages of 4 MiB by default.
const MOST_BYTES: usize = 3 << 20;

/// A method that a batch can call.
pub struct Method {
    /// Such as `taizhang.meetings.v1.MeetingService/CreateMeeting`.
    path: &'static str,
    /// Its name alone, as recorded in the history.
    name: &'static str,
    scope: &'static str,
    /// The message of its answer.
    answer: &'static str,
    read: Read,
    show: Show,
}

/// Decodes and validates a request; returns the write, or adds violations.
type Read =
    Box<dyn Fn(&Office, &Any, &mut Violations) -> Result<Option<RecordWrite>> + Send + Sync>;

/// Fills in what depends on the time of reading.
type Show = for<'l> fn(&'l Ledger, &'l Office, Vec<Vec<u8>>) -> BoxFuture<'l, Result<Vec<Vec<u8>>>>;

/// A batch has writes only.
pub fn get<E, Q>() -> Option<Method> {
    None
}

/// A batch has writes only.
pub fn list<E, Q>() -> Option<Method> {
    None
}

/// [`Ledger::create`] in a batch.
pub fn create<E: Behavior, Q: Create<Resource = E::Message>>() -> Option<Method> {
    Some(method::<E, Q>(methods::create::<E, Q>))
}

/// [`Ledger::update`] in a batch.
pub fn update<E: Behavior, Q: Update<Resource = E::Message>>() -> Option<Method> {
    update_with::<E, Q>(|_, _, _| Ok(()))
}

/// [`Ledger::update_with`] in a batch.
pub fn update_with<E: Behavior, Q: Update<Resource = E::Message>>(
    rule: impl Fn(&E::Message, &E::Message, Moment) -> Result<()> + Copy + Send + Sync + 'static,
) -> Option<Method> {
    Some(method::<E, Q>(move |q| methods::update::<E, Q>(q, rule)))
}

/// [`Ledger::delete`] in a batch.
pub fn delete<E: Behavior, Q: Change<Resource = E::Message>>() -> Option<Method> {
    Some(method::<E, Q>(methods::delete::<E, Q>))
}

/// [`Ledger::undelete`] in a batch.
pub fn undelete<E: Behavior, Q: Change<Resource = E::Message>>() -> Option<Method> {
    Some(method::<E, Q>(methods::undelete::<E, Q>))
}

/// [`Ledger::change`] in a batch.
pub fn change<E: Behavior, Q: Change<Resource = E::Message>>(
    rule: impl Fn(&mut E::Message, &Q, Moment) -> Result<()> + Copy + Send + Sync + 'static,
) -> Option<Method> {
    Some(method::<E, Q>(move |q| methods::change::<E, Q>(q, rule)))
}

fn method<E: Behavior, Q: Write>(
    write: impl Fn(Q) -> Result<RecordWrite> + Send + Sync + 'static,
) -> Method {
    let scope = METHODS.iter().find(|method| method.path == Q::PATH);
    Method {
        path: Q::PATH.trim_start_matches('/'),
        name: Q::METHOD,
        scope: scope.map_or("", |method| method.scope),
        answer: E::KIND.message(),
        read: Box::new(move |office, any, v| {
            if !is_of(any, Q::MESSAGE, v) {
                return Ok(None);
            }
            let Ok(mut q) = Q::from_bytes(&any.value) else {
                v.add("", "无法解析", "can't be decoded");
                return Ok(None);
            };
            let given = Given {
                office: Office::of(q.place()),
                place: Q::PLACE,
                request_id: !q.request_id().is_empty(),
                validate_only: q.validate_only(),
            };
            if !given.admit(office, &mut q, v) {
                return Ok(None);
            }
            write(q).map(Some)
        }),
        show: |ledger, office, bodies| Box::pin(shown::<E>(ledger, office, bodies)),
    }
}

/// Whether a call's request is of its method's message.
fn is_of(request: &Any, message: &str, v: &mut Violations) -> bool {
    let is_of = request.type_url.rsplit('/').next() == Some(message);
    if !is_of {
        v.add("", format!("应为{message}"), format!("must be {message}"));
    }
    is_of
}

/// The fields of a call's request that the batch itself checks.
struct Given {
    office: Option<Office>,
    /// The field that names the office.
    place: &'static str,
    request_id: bool,
    validate_only: bool,
}

impl Given {
    /// Admits the request; returns whether it is valid.
    fn admit(self, office: &Office, request: &mut dyn Admit, v: &mut Violations) -> bool {
        let before = v.fields().count();
        request.admit(v);
        if self.office.is_some_and(|of| of != *office) {
            v.add(
                self.place,
                "应为本批的单位",
                "must be in the office of the batch",
            );
        }
        if self.request_id || self.validate_only {
            v.add(
                "",
                "请求编号和仅校验只能在整批上给出",
                "set request_id and validate_only on the batch, not on its calls",
            );
        }
        v.fields().count() == before
    }
}

async fn shown<E: Behavior>(
    ledger: &Ledger,
    office: &Office,
    bodies: Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>> {
    if !E::SHOWS {
        return Ok(bodies);
    }
    let records = bodies.iter().map(|body| decode(body));
    let mut records = records.collect::<Result<Vec<E::Message>>>()?;
    show::<E>(ledger, office, &mut records).await?;
    Ok(records.iter().map(Encoded::to_bytes).collect())
}

/// Serves batches of a service's writing methods.
pub struct BatchService {
    ledger: Ledger,
    methods: Arc<HashMap<&'static str, Arc<Method>>>,
}

/// A call of a batch, ready to run.
struct Ready {
    method: Arc<Method>,
    write: RecordWrite,
}

impl BatchService {
    /// The server of batches of these methods.
    pub fn server(ledger: Ledger, methods: Vec<Method>) -> BatchServiceServer<Self> {
        let methods = methods.into_iter();
        let methods = methods.map(|method| (method.path, Arc::new(method)));
        BatchServiceServer::new(Self {
            ledger,
            methods: Arc::new(methods.collect()),
        })
    }

    /// Validates all calls; the error has the violations of all of them.
    fn ready(&self, context: &Context, calls: &[BatchCall]) -> Result<Vec<Ready>> {
        let mut v = Violations::default();
        let mut ready = Vec::with_capacity(calls.len());
        let mut refused = None;
        for (i, call) in calls.iter().enumerate() {
            let Some(method) = self.methods.get(call.method.as_str()) else {
                v.item("calls", i, |v| {
                    v.add(
                        "method",
                        "不是本服务可批量执行的方法",
                        "is not a method of this service that a batch can call",
                    );
                });
                continue;
            };
            if !context.caller.scopes.iter().any(|s| s == method.scope) {
                let (zh, en) = ("令牌没有权限", "the token lacks the scope");
                return Err(Error::new(Reason::ScopeMissing)
                    .saying(
                        format!("{zh} {}", method.scope),
                        format!("{en} {}", method.scope),
                    )
                    .with("scope", method.scope)
                    .in_call(i));
            }
            let request = call.request.clone().unwrap_or_default();
            let mut read = Ok(None);
            v.item("calls", i, |v| {
                v.within("request", |v| {
                    read = (method.read)(&context.office, &request, v);
                });
            });
            match read {
                Ok(Some(write)) => ready.push(Ready {
                    method: method.clone(),
                    write,
                }),
                Ok(None) => {}
                Err(error) => refused = refused.or(Some(error.in_call(i))),
            }
        }
        v.finish()?;
        refused.map_or(Ok(ready), Err)
    }

    async fn write(&self, context: &Context, q: &BatchWriteRequest) -> Result<Vec<Any>> {
        let ready = Arc::new(self.ready(context, &q.calls)?);
        let key = RequestKey::of_batch(q, ready.len());
        let calls = ready.clone();
        let work: Box<Work<'_>> = Box::new(move |tx| {
            let calls = calls.clone();
            Box::pin(async move { run(tx, &calls).await })
        });
        let answers = self.ledger.commit(context, key, &work).await?.into_iter();
        let mut bodies: Vec<Vec<u8>> = answers.map(|answer| answer.body).collect();
        let mut answers: HashMap<&str, (Show, Vec<usize>)> = HashMap::new();
        for (i, call) in ready.iter().enumerate() {
            let same = answers.entry(call.method.answer);
            same.or_insert((call.method.show, Vec::new())).1.push(i);
        }
        for (show, indexes) in answers.into_values() {
            let mut stored = Vec::with_capacity(indexes.len());
            for i in &indexes {
                stored.extend(bodies.get_mut(*i).map(std::mem::take));
            }
            let shown = show(&self.ledger, &context.office, stored).await?;
            for (i, body) in indexes.into_iter().zip(shown) {
                if let Some(slot) = bodies.get_mut(i) {
                    *slot = body;
                }
            }
        }
        let answers = ready.iter().zip(bodies).map(|(call, value)| Any {
            type_url: format!("type.googleapis.com/{}", call.method.answer),
            value,
        });
        Ok(answers.collect())
    }
}

/// Runs the calls one after another.
async fn run(tx: &mut Tx<'_>, ready: &[Ready]) -> Result<Vec<Answer>> {
    let mut answers = Vec::with_capacity(ready.len());
    let mut bytes = 0;
    for (i, call) in ready.iter().enumerate() {
        tx.begin_call(i, call.method.name).await;
        let answer = call
            .write
            .run(tx)
            .await
            .map_err(|error| match error.reason() {
                // Not caused by this call: the whole write is retried.
                Reason::LostRace => error,
                _ => error.in_call(i),
            })?;
        bytes += answer.body.len();
        if bytes > MOST_BYTES {
            return Err(Violations::of(
                "calls",
                "结果过大，请分批",
                "have answers that are too large in total; send fewer calls",
            ));
        }
        answers.push(answer);
    }
    Ok(answers)
}

#[tonic::async_trait]
impl Api for BatchService {
    async fn batch_write(
        &self,
        request: Request<BatchWriteRequest>,
    ) -> Result<Response<BatchWriteResponse>, Status> {
        let (context, request) = Context::enter(request)?;
        let answers = self.write(&context, &request).await?;
        Ok(Response::new(BatchWriteResponse { answers }))
    }
}
