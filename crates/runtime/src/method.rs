//! The methods of a service: their names, the scopes that they require, and their metrics.

use std::collections::HashMap;
use std::sync::Arc;

use taizhang_contracts::METHODS;
use taizhang_contracts::descriptors::pool;

use crate::call_metrics::CallMetrics;

/// One method as one service serves it.
#[derive(Debug)]
pub(crate) struct Method {
    /// Its full name, such as `taizhang.history.v1.HistoryService/ListHistory`.
    pub(crate) name: &'static str,
    /// Whether the caller sends a stream of messages.
    pub(crate) client_streams: bool,
    /// The scope that a caller must hold; `None` if the service has no such method.
    pub(crate) scope: Option<String>,
    pub(crate) metrics: CallMetrics,
}

/// The methods of a service by their paths.
#[derive(Debug)]
pub(crate) struct Methods {
    by_path: HashMap<&'static str, Arc<Method>>,
    unknown: Arc<Method>,
}

impl Methods {
    /// Those of the gRPC services that `service` serves.
    pub(crate) fn of(service: &'static str, grpc_services: &[&str]) -> Self {
        let served = METHODS
            .iter()
            .filter(|m| grpc_services.contains(&m.service));
        let by_path = served.map(|m| {
            let name = m.path.trim_start_matches('/');
            let method = Method {
                name,
                client_streams: client_streams(m.service, m.name),
                scope: Some(m.scope.replace("{service}", service)),
                metrics: CallMetrics::of(service, name),
            };
            (m.path, Arc::new(method))
        });
        let unknown = Method {
            name: "unknown",
            client_streams: false,
            scope: None,
            metrics: CallMetrics::of(service, "unknown"),
        };
        Self {
            by_path: by_path.collect(),
            unknown: Arc::new(unknown),
        }
    }

    /// The method of a path; for any other path the method `unknown`, which has no scope.
    pub(crate) fn find(&self, path: &str) -> &Arc<Method> {
        self.by_path.get(path).unwrap_or(&self.unknown)
    }
}

fn client_streams(service: &str, method: &str) -> bool {
    let service = pool().get_service_by_name(service);
    service.is_some_and(|s| {
        s.methods()
            .any(|m| m.name() == method && m.is_client_streaming())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_contract_requires_the_scope_of_the_service_that_serves_it() {
        let path = "/taizhang.history.v1.HistoryService/ListHistory";
        let grpc = ["taizhang.history.v1.HistoryService"];
        for (service, scope) in [
            ("meetings", "meetings.read"),
            ("supervision", "supervision.read"),
        ] {
            let methods = Methods::of(service, &grpc);
            assert_eq!(methods.find(path).scope.as_deref(), Some(scope));
            assert_eq!(methods.by_path.len(), 1);
        }
        let methods = Methods::of("meetings", &grpc);
        for other in [
            "",
            "/",
            "/x/y",
            "/taizhang.meetings.v1.MeetingService/GetMeeting",
        ] {
            assert_eq!(methods.find(other).scope, None, "{other}");
        }
    }

    #[test]
    fn every_method_requires_a_scope_that_can_be_granted() {
        for method in METHODS {
            let methods = Methods::of("meetings", &[method.service]);
            let scope = methods.find(method.path).scope.clone().unwrap();
            assert!(
                !scope.contains(['{', '}', '*']) && scope.contains('.'),
                "{scope}"
            );
        }
    }
}
