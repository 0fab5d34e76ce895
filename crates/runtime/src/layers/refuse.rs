//! The future of a layer that may refuse a call instead of calling the service below.

use futures::future::{Either, Ready, ready};
use http::Response;
use taizhang_contracts::{Error, Result};

/// The future `F` of the service below, or an error that is there already.
pub(super) type OrRefused<F, B> = Either<F, Ready<Result<Response<B>>>>;

/// Refuses a call.
pub(super) fn refuse<F, B>(error: Error) -> OrRefused<F, B> {
    Either::Right(ready(Err(error)))
}
