//! The list of the cases beside this file; each is one test per vendor, and a file that is not listed fails.

use crate::sandbox::{Vendor, cases};

macro_rules! cases {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        mod mysql {
            $(#[test] fn $name() { super::cases::run(stringify!($name), super::Vendor::MySql); })*
        }

        mod mariadb {
            $(#[test] fn $name() { super::cases::run(stringify!($name), super::Vendor::MariaDb); })*
        }
    };
}

cases! {
    automatic_columns
    checks_and_generated
    column_types
    columns_added_changed_dropped
    data_only
    events
    full_diff_needs_approval
    hostile_names
    incremental_left
    incremental_new_rows
    incremental_rounds
    incremental_times
    indexes
    key_types
    mariadb_features
    mysql_features
    not_null_after_rows
    nothing_to_do
    objects_names_in_another_case
    risk_keep_local
    risk_many_rows
    risk_mended
    risk_orphans
    risk_schema_only
    routines
    rows_cascade_trap
    rows_cycle
    rows_family
    rows_hostile_names
    rows_keep_local
    rows_key_moves
    rows_keyless
    rows_keys
    rows_new_database
    rows_own_approval
    rows_parent_replaced
    rows_payload
    rows_renamed_databases
    rows_self_deletes
    rows_swap_unique
    rows_text
    rows_types
    rows_unit_waits
    schema_by_number
    schema_charset
    schema_checks
    schema_column_renamed
    schema_columns
    schema_computed_kept
    schema_computed_late
    schema_computed_leniently
    schema_converted
    schema_database_charset
    schema_decimal_to_unsigned
    schema_decimal_with_fraction_to_unsigned
    schema_default_computed
    schema_defaults
    schema_engine
    schema_foreign_keys
    schema_functional_leniently
    schema_generated
    schema_indexes
    schema_key_joins_narrowed
    schema_key_narrowed
    schema_key_renamed
    schema_keys_go_and_come
    schema_keys_replaced
    schema_names_move
    schema_new_unique
    schema_no_common_column
    schema_not_null_added
    schema_objects
    schema_only
    schema_options
    schema_partitioned_parent
    schema_partitions
    schema_primary_key
    schema_refused_key
    schema_reserved_names
    schema_server_defaults
    schema_sets_and_keys
    schema_sign
    schema_sign_large
    schema_srid
    schema_tables
    schema_types
    schema_unconverted
    schema_view_and_table
    several_databases
    table_globs
    trigger_order
    triggers
    triggers_out_of_order
    views
}

#[test]
fn every_file_is_listed() {
    let mut found: Vec<String> = std::fs::read_dir(cases::folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    found.sort();
    assert_eq!(found, NAMES);
}
