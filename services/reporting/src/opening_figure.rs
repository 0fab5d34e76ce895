//! Figures of the years before Taizhang, entered by hand (期初数).

use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use taizhang_contracts::reporting::opening_figure_service_server::OpeningFigureService;
use taizhang_contracts::reporting::{
    CreateOpeningFigureRequest, DeleteOpeningFigureRequest, GetOpeningFigureRequest,
    ListOpeningFiguresRequest, ListOpeningFiguresResponse, OpeningFigure,
    UndeleteOpeningFigureRequest, UpdateOpeningFigureRequest,
};
use taizhang_contracts::{Error, Result};
use taizhang_ledger::{Column, Record, Tx, serve};

use crate::Reporting;

impl Record<Reporting> for OpeningFigure {
    const TABLE: &'static str = "opening_figures";

    const COLUMNS: &'static [Column<Self>] = &[
        Column::text("indicator", |f| f.indicator.as_str().into()),
        Column::number("year", |f| i64::from(f.year).into()),
        Column::number("value", |f| f.value.into()),
        Column::text("entered_by", |f| f.entered_by.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.indicator
    }

    /// An indicator has one live opening figure in a year. The writes of an office follow one
    /// another, so what is not there now is not there at the commit either.
    async fn settle(&mut self, _before: Option<&Self>, tx: &mut Tx<'_, Reporting>) -> Result<()> {
        if self.delete_time.is_some() {
            return Ok(());
        }
        let same = Condition::all()
            .add(Expr::col("indicator").eq(self.indicator.as_str()))
            .add(Expr::col("year").eq(self.year));
        let others: Vec<Self> = tx.select(same, 2).await?;
        match others.iter().find(|other| other.name != self.name) {
            None => Ok(()),
            Some(other) => Err(Error::refused(
                "ONE_OPENING_FIGURE_A_YEAR",
                other.name.as_str(),
                format!("{}年的{}已有期初数", self.year, self.indicator),
                format!("{} has an opening figure of {}", self.indicator, self.year),
            )),
        }
    }
}

/// The live opening figures of a year and of the year before.
pub(crate) fn of_years(year: i32) -> Condition {
    Condition::all().add(Expr::col("year").is_in([year, year - 1]))
}

serve! {
    OpeningFigureService for Reporting {
        create_opening_figure(CreateOpeningFigureRequest) -> OpeningFigure: create;
        get_opening_figure(GetOpeningFigureRequest) -> OpeningFigure: get;
        list_opening_figures(ListOpeningFiguresRequest) -> ListOpeningFiguresResponse: list;
        update_opening_figure(UpdateOpeningFigureRequest) -> OpeningFigure: update;
        delete_opening_figure(DeleteOpeningFigureRequest) -> OpeningFigure: delete;
        undelete_opening_figure(UndeleteOpeningFigureRequest) -> OpeningFigure: undelete;
    }
}
