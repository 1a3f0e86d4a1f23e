//! `review --edit`: the decisions of a plan as YAML in an editor.
