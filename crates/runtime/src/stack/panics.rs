//! A panic ends its call and nothing else; its words go to the log only.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use taizhang_contracts::{Error, Result};

/// Runs a call; a panic becomes INTERNAL.
pub(super) async fn caught<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    // What the call changed is dropped with it: transactions roll back.
    let caught = AssertUnwindSafe(call).catch_unwind().await;
    caught.unwrap_or_else(|panic| Err(error(&*panic)))
}

/// The error that a panic is to the caller.
pub(super) fn error(panic: &(dyn Any + Send)) -> Error {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format_args!("panic: {}", said.unwrap_or("without words")))
}
