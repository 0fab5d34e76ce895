//! The gRPC services that are common to all services.

use tonic::service::Routes;

use crate::batch_service::{BatchService, Method};
use crate::figures::Indicator;
use crate::history_service::HistoryService;
use crate::statistics_service::StatisticsService;
use crate::{Ledger, RecordKind};

/// Serves batches of a service's writing methods, the history of its kinds of record, and its
/// indicators if it counts anything.
pub fn routes<const N: usize>(
    ledger: &Ledger,
    kinds: &[RecordKind],
    methods: [Vec<Method>; N],
    indicators: Vec<Indicator>,
) -> Routes {
    build(
        ledger,
        kinds,
        methods.into_iter().flatten().collect(),
        indicators,
    )
}

fn build(
    ledger: &Ledger,
    kinds: &[RecordKind],
    methods: Vec<Method>,
    indicators: Vec<Indicator>,
) -> Routes {
    let routes = Routes::new(BatchService::server(ledger.clone(), methods))
        .add_service(HistoryService::server(ledger.clone(), kinds));
    if indicators.is_empty() {
        return routes;
    }
    routes.add_service(StatisticsService::server(ledger.clone(), indicators))
}
