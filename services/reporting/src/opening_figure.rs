//! Figures of the years before Taizhang, entered by hand (期初数).

use sea_orm::sea_query::Condition;
use taizhang_contracts::reporting::opening_figure_service_server::OpeningFigureService;
use taizhang_contracts::reporting::{
    CreateOpeningFigureRequest, DeleteOpeningFigureRequest, GetOpeningFigureRequest,
    ListOpeningFiguresRequest, ListOpeningFiguresResponse, OpeningFigure,
    UndeleteOpeningFigureRequest, UpdateOpeningFigureRequest,
};
use taizhang_contracts::{Error, Result};
use taizhang_ledger::{Behavior, Record, Tx, serve};

use crate::Reporting;
use crate::entities::opening_figures;

impl Record for opening_figures::Entity {
    fn title(figure: &OpeningFigure) -> &str {
        &figure.indicator
    }
}

impl Behavior for opening_figures::Entity {
    /// Refuses a second live opening figure of an indicator and year. The writes of an office are
    /// serialized, so the check holds at the commit.
    async fn settle(
        figure: &mut OpeningFigure,
        _before: Option<&OpeningFigure>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        if figure.delete_time.is_some() {
            return Ok(());
        }
        let same = Condition::all()
            .add(
                opening_figures::COLUMN
                    .indicator
                    .eq(figure.indicator.as_str()),
            )
            .add(opening_figures::COLUMN.year.eq(figure.year));
        let others = tx.select::<opening_figures::Entity>(same, 2).await?;
        match others.iter().find(|other| other.name != figure.name) {
            None => Ok(()),
            Some(other) => Err(Error::refused(
                "ONE_OPENING_FIGURE_A_YEAR",
                other.name.as_str(),
                format!("{}年的{}已有期初数", figure.year, figure.indicator),
                format!(
                    "{} has an opening figure of {}",
                    figure.indicator, figure.year
                ),
            )),
        }
    }
}

/// The live opening figures of a year and of the year before.
pub(crate) fn of_years(year: i32) -> Condition {
    Condition::all().add(opening_figures::COLUMN.year.is_in([year, year - 1]))
}

serve! {
    OpeningFigureService for Reporting, opening_figures {
        create_opening_figure(CreateOpeningFigureRequest) -> OpeningFigure: create;
        get_opening_figure(GetOpeningFigureRequest) -> OpeningFigure: get;
        list_opening_figures(ListOpeningFiguresRequest) -> ListOpeningFiguresResponse: list;
        update_opening_figure(UpdateOpeningFigureRequest) -> OpeningFigure: update;
        delete_opening_figure(DeleteOpeningFigureRequest) -> OpeningFigure: delete;
        undelete_opening_figure(UndeleteOpeningFigureRequest) -> OpeningFigure: undelete;
    }
}
