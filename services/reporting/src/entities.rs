//! The tables of the service's records, as sea-orm entities. `migration.rs` creates them.

use taizhang_contracts::reporting::{AnnualReport, AnnualReportState, OpeningFigure, Template};
use taizhang_ledger::entity;

entity! {
    /// Rows of [`AnnualReport`].
    #[sea_orm(table_name = "annual_reports")]
    pub mod annual_reports for AnnualReport {
        year: number,
        state: AnnualReportState,
        gather_time: instant,
        finalize_time: instant,
    }
}

entity! {
    /// Rows of [`OpeningFigure`].
    #[sea_orm(table_name = "opening_figures")]
    pub mod opening_figures for OpeningFigure {
        indicator: text,
        year: number,
        value: number,
        entered_by: text,
    }
}

entity! {
    /// Rows of [`Template`].
    #[sea_orm(table_name = "templates")]
    pub mod templates for Template {
    }
}
