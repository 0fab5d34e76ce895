//! `BatchService`, once for all services: the calls of a batch are the writing methods that the
//! services serve anyway, run within one write.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use prost_types::Any;
use taizhang_contracts::batch::batch_service_server::{BatchService, BatchServiceServer};
use taizhang_contracts::batch::{BatchCall, BatchWriteRequest, BatchWriteResponse};
use taizhang_contracts::{
    Change, Context, Create, Error, METHODS, Office, Reason, Result, Update, Violations, Write,
};
use tonic::{Request, Response, Status};

use crate::methods::{self, Work};
use crate::write::{Answer, RequestKey, Tx};
use crate::{Ledger, Moment, Record};

/// The most bytes of all answers together; clients take in 4 MiB unless told otherwise.
const MOST_BYTES: usize = 3 << 20;

/// A method that a batch can call.
pub struct Method<S> {
    /// Such as `taizhang.meetings.v1.MeetingService/CreateMeeting`.
    path: &'static str,
    /// Its name alone, which stands in the history.
    name: &'static str,
    scope: &'static str,
    /// The message of its answer.
    answer: &'static str,
    read: Read<S>,
    show: Show<S>,
}

/// Reads a request and says what it does; names what is bad about it.
type Read<S> =
    Box<dyn Fn(&Office, &Any, &mut Violations) -> Result<Option<Work<S, Body>>> + Send + Sync>;

/// Fills in what depends on the time of reading.
type Show<S> =
    for<'l> fn(&'l Ledger<S>, &'l Office, Vec<Vec<u8>>) -> BoxFuture<'l, Result<Vec<Vec<u8>>>>;

/// A record that a call is answered with.
struct Body {
    name: String,
    body: Vec<u8>,
}

/// The answers of a batch.
struct Answers(Vec<Body>);

impl Answer for Answers {
    fn name(&self, call: usize) -> &str {
        self.0.get(call).map_or("", |body| &body.name)
    }

    fn again(bodies: Vec<Vec<u8>>) -> Result<Self> {
        let named = bodies.into_iter().map(|body| Body {
            name: String::new(),
            body,
        });
        Ok(Self(named.collect()))
    }
}

/// Reading is no part of a batch.
pub fn get<S, Q>() -> Option<Method<S>> {
    None
}

/// Reading is no part of a batch.
pub fn list<S, Q>() -> Option<Method<S>> {
    None
}

/// [`Ledger::create`] in a batch.
pub fn create<S: 'static, Q: Create>() -> Option<Method<S>>
where
    Q::Resource: Record<S>,
{
    Some(method(methods::create::<S, Q>))
}

/// [`Ledger::update`] in a batch.
pub fn update<S: 'static, Q: Update>() -> Option<Method<S>>
where
    Q::Resource: Record<S>,
{
    update_with::<S, Q>(|_, _, _| Ok(()))
}

/// [`Ledger::update_with`] in a batch.
pub fn update_with<S: 'static, Q: Update>(
    rule: impl Fn(&Q::Resource, &Q::Resource, Moment) -> Result<()> + Copy + Send + Sync + 'static,
) -> Option<Method<S>>
where
    Q::Resource: Record<S>,
{
    Some(method(move |q: Q| methods::update(q, rule)))
}

/// [`Ledger::delete`] in a batch.
pub fn delete<S: 'static, Q: Change>() -> Option<Method<S>>
where
    Q::Resource: Record<S>,
{
    Some(method(|q: Q| {
        Ok(methods::change_any(q, methods::mark_deleted))
    }))
}

/// [`Ledger::undelete`] in a batch.
pub fn undelete<S: 'static, Q: Change>() -> Option<Method<S>>
where
    Q::Resource: Record<S>,
{
    Some(method(|q: Q| {
        Ok(methods::change_any(q, methods::take_back))
    }))
}

/// [`Ledger::change`] in a batch.
pub fn change<S: 'static, Q: Change>(
    rule: impl Fn(&mut Q::Resource, &Q, Moment) -> Result<()> + Copy + Send + Sync + 'static,
) -> Option<Method<S>>
where
    Q::Resource: Record<S>,
{
    Some(method(move |q: Q| Ok(methods::change(q, rule))))
}

fn method<S: 'static, Q: Write, R: Record<S>>(
    work: impl Fn(Q) -> Result<Work<S, R>> + Send + Sync + 'static,
) -> Method<S> {
    let scope = METHODS.iter().find(|method| method.path == Q::PATH);
    Method {
        path: Q::PATH.trim_start_matches('/'),
        name: Q::METHOD,
        scope: scope.map_or("", |method| method.scope),
        answer: R::MESSAGE,
        read: Box::new(move |office, any, v| {
            let Some(q) = read::<Q>(office, any, v) else {
                return Ok(None);
            };
            let work = work(q)?;
            Ok(Some(Box::new(move |tx| {
                let done = work(tx);
                Box::pin(async move {
                    let record = done.await?;
                    Ok(Body {
                        name: record.stored().name.to_owned(),
                        body: record.encode_to_vec(),
                    })
                })
            })))
        }),
        show: |ledger, office, bodies| Box::pin(shown::<S, R>(ledger, office, bodies)),
    }
}

/// The request in a call, if nothing is bad about it.
fn read<Q: Write>(office: &Office, any: &Any, v: &mut Violations) -> Option<Q> {
    let before = v.fields().count();
    if any.type_url.rsplit('/').next() != Some(Q::MESSAGE) {
        let message = Q::MESSAGE;
        v.add("", format!("应为{message}"), format!("must be {message}"));
        return None;
    }
    let Ok(mut q) = Q::decode(any.value.as_slice()) else {
        v.add("", "无法解析", "can't be decoded");
        return None;
    };
    q.admit(v);
    if Office::of(q.place()).is_some_and(|of| of != *office) {
        v.add(
            Q::PLACE,
            "应为本批的单位",
            "must lie in the office of the batch",
        );
    }
    if !q.request_id().is_empty() || q.validate_only() {
        v.add(
            "",
            "请求编号和仅校验只能在整批上给出",
            "request_id and validate_only are given for the batch only",
        );
    }
    (v.fields().count() == before).then_some(q)
}

async fn shown<S: 'static, R: Record<S>>(
    ledger: &Ledger<S>,
    office: &Office,
    bodies: Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>> {
    if !R::SHOWS {
        return Ok(bodies);
    }
    let records = bodies.iter().map(|body| R::decode(body.as_slice()));
    let records: Result<Vec<R>, _> = records.collect();
    let mut records = records.map_err(Error::internal)?;
    ledger.show(office, &mut records).await?;
    Ok(records.iter().map(R::encode_to_vec).collect())
}

/// Serves batches of a service's writing methods.
pub struct Batch<S> {
    ledger: Ledger<S>,
    methods: Arc<HashMap<&'static str, Arc<Method<S>>>>,
}

/// A call of a batch, ready to run.
struct Ready<S> {
    method: Arc<Method<S>>,
    work: Work<S, Body>,
}

impl<S: 'static> Batch<S> {
    /// The server of batches of these methods.
    pub fn server(
        ledger: Ledger<S>,
        methods: impl IntoIterator<Item = Vec<Method<S>>>,
    ) -> BatchServiceServer<Self> {
        let methods = methods.into_iter().flatten();
        BatchServiceServer::new(Self {
            ledger,
            methods: Arc::new(
                methods
                    .map(|method| (method.path, Arc::new(method)))
                    .collect(),
            ),
        })
    }

    /// The calls, if nothing is bad about any of them.
    fn ready(&self, context: &Context, calls: &[BatchCall]) -> Result<Vec<Ready<S>>> {
        let mut v = Violations::default();
        let mut ready = Vec::with_capacity(calls.len());
        let mut refused = None;
        for (i, call) in calls.iter().enumerate() {
            let Some(method) = self.methods.get(call.method.as_str()) else {
                v.item("calls", i, |v| {
                    v.add(
                        "method",
                        "不是本服务可批量执行的方法",
                        "is no method of this service that a batch can call",
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
                Ok(Some(work)) => ready.push(Ready {
                    method: method.clone(),
                    work,
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
        let work: Work<S, Answers> = Box::new(move |tx| {
            let calls = calls.clone();
            Box::pin(async move { run(tx, &calls).await })
        });
        let answers: Answers = self.ledger.committed(context, key, |tx| work(tx)).await?;
        let mut bodies: Vec<Vec<u8>> = answers.0.into_iter().map(|body| body.body).collect();
        let mut kinds: HashMap<&str, (Show<S>, Vec<usize>)> = HashMap::new();
        for (i, call) in ready.iter().enumerate() {
            let kind = kinds.entry(call.method.answer);
            kind.or_insert((call.method.show, Vec::new())).1.push(i);
        }
        for (show, places) in kinds.into_values() {
            let mut stored = Vec::with_capacity(places.len());
            for i in &places {
                stored.extend(bodies.get_mut(*i).map(std::mem::take));
            }
            let shown = show(&self.ledger, &context.office, stored).await?;
            for (i, body) in places.into_iter().zip(shown) {
                if let Some(place) = bodies.get_mut(i) {
                    *place = body;
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
async fn run<S: 'static>(tx: &mut Tx<'_, S>, ready: &[Ready<S>]) -> Result<Answers> {
    let mut answers = Vec::with_capacity(ready.len());
    let mut bytes = 0;
    for (i, call) in ready.iter().enumerate() {
        tx.begin_call(i, call.method.name).await;
        let answer = (call.work)(tx)
            .await
            .map_err(|error| match error.reason() {
                // Not this call's fault; see `Ledger::attempt`.
                Reason::LostRace => error,
                _ => error.in_call(i),
            })?;
        bytes += answer.body.len();
        if bytes > MOST_BYTES {
            return Err(Violations::of(
                "calls",
                "结果过大，请分批",
                "have answers that are too large together; send fewer",
            ));
        }
        answers.push(answer);
    }
    Ok(Answers(answers))
}

#[tonic::async_trait]
impl<S: 'static> BatchService for Batch<S> {
    async fn batch_write(
        &self,
        request: Request<BatchWriteRequest>,
    ) -> Result<Response<BatchWriteResponse>, Status> {
        let (context, request) = Context::enter(request)?;
        let answers = self.write(&context, &request).await?;
        Ok(Response::new(BatchWriteResponse { answers }))
    }
}
