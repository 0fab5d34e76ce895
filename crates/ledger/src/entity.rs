//! The macro that declares a kind of record's table.

/// Declares the table of a kind of record: one line a column.
///
/// ```ignore
/// entity! {
///     /// Meetings (会议).
///     #[sea_orm(table_name = "meetings")]
///     pub mod meetings for Meeting {
///         state: MeetingState,
///         held_on: day,
///         title: text,
///         year: number = |m| year(m),
///         source_kind ("source.kind"): SourceKind = |m| m.source.map_or(0, |s| s.kind),
///     }
/// }
/// ```
///
/// A column is `text`, `number`, `bool`, `day`, `instant`, or an enum of the contracts. Its value is
/// the record's field of the same name, or the result of the function after `=`. A path in
/// parentheses is its name in filters and orders, if that differs.
///
/// The module is a sea-orm entity, with `Entity`, `Model`, `Column`, `PrimaryKey` and the typed
/// columns `COLUMN`. In addition to the declared columns every table has `office` and `id`, which are
/// its primary key, `version`, `create_time`, `update_time`, `delete_time`, and `body`: the encoded
/// message. The entity implements [`Table`](crate::Table).
#[macro_export]
macro_rules! entity {
    ($(#[$attribute:meta])* $vis:vis mod $table:ident for $record:ident { $($columns:tt)* }) => {
        $crate::entity! { @column [$(#[$attribute])* $vis mod $table for $record] {} $($columns)* }
    };

    // Each column becomes: name, path, Rust type, attributes, sea-orm's typed column, its
    // constructor, the type for filters, and its value.
    (@column $head:tt {$($done:tt)*} $name:ident $(($path:literal))? : text $(= $read:expr)?, $($rest:tt)*) => {
        $crate::entity! { @column $head { $($done)* {
            $name [$($path)?] [String] [#[sea_orm(column_type = "Text")]] [sea_orm::StringColumn<Entity>] [sea_orm::StringColumn]
            [$crate::column::Type::Text] [text $(= $read)?]
        } } $($rest)* }
    };
    (@column $head:tt {$($done:tt)*} $name:ident $(($path:literal))? : number $(= $read:expr)?, $($rest:tt)*) => {
        $crate::entity! { @column $head { $($done)* {
            $name [$($path)?] [i64] [] [sea_orm::NumericColumn<Entity>] [sea_orm::NumericColumn]
            [$crate::column::Type::Number] [number $(= $read)?]
        } } $($rest)* }
    };
    (@column $head:tt {$($done:tt)*} $name:ident $(($path:literal))? : bool $(= $read:expr)?, $($rest:tt)*) => {
        $crate::entity! { @column $head { $($done)* {
            $name [$($path)?] [bool] [] [sea_orm::BoolColumn<Entity>] [sea_orm::BoolColumn]
            [$crate::column::Type::Bool] [bool $(= $read)?]
        } } $($rest)* }
    };
    (@column $head:tt {$($done:tt)*} $name:ident $(($path:literal))? : day $(= $read:expr)?, $($rest:tt)*) => {
        $crate::entity! { @column $head { $($done)* {
            $name [$($path)?] [Option<sea_orm::prelude::Date>] [] [sea_orm::DateLikeColumn<Entity>]
            [sea_orm::DateLikeColumn] [$crate::column::Type::Day] [day $(= $read)?]
        } } $($rest)* }
    };
    (@column $head:tt {$($done:tt)*} $name:ident $(($path:literal))? : instant $(= $read:expr)?, $($rest:tt)*) => {
        $crate::entity! { @column $head { $($done)* {
            $name [$($path)?] [Option<sea_orm::prelude::DateTimeUtc>] []
            [sea_orm::DateTimeLikeColumn<Entity>] [sea_orm::DateTimeLikeColumn]
            [$crate::column::Type::Instant] [instant $(= $read)?]
        } } $($rest)* }
    };
    (@column $head:tt {$($done:tt)*} $name:ident $(($path:literal))? : $enum:ident $(= $read:expr)?, $($rest:tt)*) => {
        $crate::entity! { @column $head { $($done)* {
            $name [$($path)?] [i64] [] [$crate::column::EnumColumn<Entity, super::$enum>]
            [$crate::column::EnumColumn::new]
            [$crate::column::Type::Enum(stringify!($enum), |name| {
                $enum::from_str_name(name).map(Into::into)
            })] [enumeration $(= $read)?]
        } } $($rest)* }
    };

    (@column [$(#[$attribute:meta])* $vis:vis mod $table:ident for $record:ident] { $({
        $name:ident [$($path:literal)?] [$($rust:tt)*] [$($column:tt)*] [$($typed:tt)*] [$($new:tt)*]
        [$($holds:tt)*] [$($value:tt)*]
    })* }) => {
        #[doc = concat!("The table of [`", stringify!($record), "`], as a sea-orm entity.")]
        $vis mod $table {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
            $(#[$attribute])*
            pub struct Model {
                /// The office.
                #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
                pub office: String,
                /// The last part of the record's name.
                #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
                pub id: String,
                /// How often the record was written, from 1.
                pub version: i64,
                /// When it was created.
                pub create_time: sea_orm::prelude::DateTimeUtc,
                /// When it was last changed.
                pub update_time: sea_orm::prelude::DateTimeUtc,
                /// When it was deleted, if it is.
                pub delete_time: Option<sea_orm::prelude::DateTimeUtc>,
                /// The record: its encoded message.
                #[sea_orm(column_type = "Blob")]
                pub body: Vec<u8>,
                $(
                    #[doc = concat!("The record's `", $crate::entity!(@path $name $($path)?), "`.")]
                    $($column)*
                    pub $name: $($rust)*,
                )*
            }

            /// Records refer to each other by their names only.
            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}

            /// The columns, each with its type.
            #[derive(Debug)]
            pub struct Columns {
                /// The office.
                pub office: sea_orm::StringColumn<Entity>,
                /// The last part of the record's name.
                pub id: sea_orm::StringColumn<Entity>,
                /// When it was deleted, if it is.
                pub delete_time: sea_orm::DateTimeLikeColumn<Entity>,
                $(
                    #[doc = concat!("The record's `", $crate::entity!(@path $name $($path)?), "`.")]
                    pub $name: $($typed)*,
                )*
            }

            $crate::pastey::paste! {
                /// The columns, each with its type.
                pub const COLUMN: Columns = Columns {
                    office: sea_orm::StringColumn(Column::Office),
                    id: sea_orm::StringColumn(Column::Id),
                    delete_time: sea_orm::DateTimeLikeColumn(Column::DeleteTime),
                    $($name: $($new)*(Column::[<$name:camel>]),)*
                };
            }
        }

        impl $crate::Table for $table::Entity {
            type Message = $record;

            const COLUMNS: &'static [&'static str] = &[
                "office", "id", "version", "create_time", "update_time", "delete_time", "body",
                $(stringify!($name)),*
            ];

            const FIELDS: &'static [$crate::column::Field] = &[
                $($crate::column::Field {
                    path: $crate::entity!(@path $name $($path)?),
                    column: stringify!($name),
                    holds: $($holds)*,
                }),*
            ];

            #[allow(clippy::useless_conversion)]
            fn values(record: &$record) -> Vec<sea_orm::Value> {
                vec![$($crate::entity!(@value record $record $name $($value)*)),*]
            }
        }
    };

    (@path $name:ident) => { stringify!($name) };
    (@path $name:ident $path:literal) => { $path };

    (@value $self:ident $record:ident $name:ident text) => { $self.$name.as_str().into() };
    (@value $self:ident $record:ident $name:ident text = $read:expr) => {{
        let read: fn(&$record) -> &str = $read;
        read($self).into()
    }};
    (@value $self:ident $record:ident $name:ident number) => { i64::from($self.$name).into() };
    (@value $self:ident $record:ident $name:ident number = $read:expr) => {{
        let read: fn(&$record) -> i64 = $read;
        read($self).into()
    }};
    (@value $self:ident $record:ident $name:ident enumeration) => { i64::from($self.$name).into() };
    (@value $self:ident $record:ident $name:ident enumeration = $read:expr) => {{
        let read: fn(&$record) -> i32 = $read;
        i64::from(read($self)).into()
    }};
    (@value $self:ident $record:ident $name:ident bool) => { $self.$name.into() };
    (@value $self:ident $record:ident $name:ident bool = $read:expr) => {{
        let read: fn(&$record) -> bool = $read;
        read($self).into()
    }};
    (@value $self:ident $record:ident $name:ident day) => { $crate::column::day($self.$name) };
    (@value $self:ident $record:ident $name:ident day = $read:expr) => {{
        let read: fn(&$record) -> Option<taizhang_contracts::common::Date> = $read;
        $crate::column::day(read($self))
    }};
    (@value $self:ident $record:ident $name:ident instant) => { $crate::column::time($self.$name) };
}
