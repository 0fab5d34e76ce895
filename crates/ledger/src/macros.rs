//! The macro that implements a gRPC service over the ledger.

/// Serves a gRPC service by methods of the handler's `ledger`, a line a method:
/// `rpc(Request) -> Answer: method;` or `rpc(Request) -> Answer: method(rule);`. What follows in
/// `and { … }` is served by functions: `rpc(Request) -> Answer = function;` calls
/// `function(handler, context, request)`. What follows in `streams { … }` answers many messages:
/// `rpc(Request) -> Stream of Answer: method;`, where `Stream` is the name of the service's type.
#[macro_export]
macro_rules! serve {
    ($service:ident for $handler:ty, $entity:ident {
        $($rpc:ident($request:ty) -> $answer:ty : $method:ident $(($rule:expr))?;)*
    } $(and {
        $($other:ident($other_request:ty) -> $other_answer:ty = $function:path;)*
    })? $(streams {
        $($stream_rpc:ident($stream_request:ty) -> $stream:ident of $message:ty : $stream_method:ident;)*
    })?) => {
        /// The methods that write, for batches.
        pub(crate) fn writes() -> Vec<$crate::batch_service::Method> {
            [$($crate::batch_service::$method::<$entity::Entity, $request>($($rule)?)),*]
                .into_iter()
                .flatten()
                .collect()
        }

        #[tonic::async_trait]
        impl $service for $handler {
            $(async fn $rpc(
                &self,
                request: tonic::Request<$request>,
            ) -> Result<tonic::Response<$answer>, tonic::Status> {
                self.ledger.$method::<$entity::Entity, _>(request $(, $rule)?).await
            })*
            $($(async fn $other(
                &self,
                request: tonic::Request<$other_request>,
            ) -> Result<tonic::Response<$other_answer>, tonic::Status> {
                let (context, request) = taizhang_contracts::Context::enter(request)?;
                Ok(tonic::Response::new($function(self, &context, &request).await?))
            })*)?
            $($(type $stream = $crate::Messages<$message>;

            async fn $stream_rpc(
                &self,
                request: tonic::Request<$stream_request>,
            ) -> Result<tonic::Response<Self::$stream>, tonic::Status> {
                self.ledger.$stream_method::<$entity::Entity, _>(request).await
            })*)?
        }
    };
}
