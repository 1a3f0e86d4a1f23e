//! Goes through an expression: which columns it names, and the same with others in their place.
//!
//! Must never leave a part of an expression out.

use super::{Expr, Function, Node};
use std::collections::BTreeSet;

impl Expr {
    /// Returns the names of the columns it reads, as they are spelt.
    pub fn columns(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.collect(&mut names);
        names
    }

    fn collect(&self, names: &mut BTreeSet<String>) {
        if let Node::Column(name) = &self.0 {
            names.insert(name.clone());
        }
        for part in self.parts() {
            part.collect(names);
        }
    }

    /// Returns the expression with other expressions in the place of columns; `None` leaves a column as it is.
    #[must_use]
    pub fn with_columns(mut self, replacement: &dyn Fn(&str) -> Option<Self>) -> Self {
        if let Node::Column(name) = &self.0 {
            return replacement(name).unwrap_or(self);
        }
        for part in self.parts_mut() {
            let old = std::mem::replace(part, Self(Node::Null));
            *part = old.with_columns(replacement);
        }
        self
    }

    /// Returns whether a function is called other than directly as an argument of one of the others.
    pub fn calls_outside(&self, function: Function, within: &[Function]) -> bool {
        self.calls(&[function]) || self.calls_below(function, within)
    }

    fn calls(&self, functions: &[Function]) -> bool {
        matches!(&self.0, Node::Call(called, _) if functions.contains(called))
    }

    fn calls_below(&self, function: Function, within: &[Function]) -> bool {
        let shelters = self.calls(within);
        self.parts()
            .into_iter()
            .any(|part| !shelters && part.calls(&[function]) || part.calls_below(function, within))
    }

    fn parts(&self) -> Vec<&Self> {
        match &self.0 {
            Node::Column(_)
            | Node::Text(_)
            | Node::Bytes(_)
            | Node::InCharset(..)
            | Node::Integer(_)
            | Node::Decimal(_)
            | Node::Double(..)
            | Node::Null
            | Node::Star
            | Node::Moment(..)
            | Node::NoMatch { .. } => Vec::new(),
            Node::Call(_, parts) | Node::All(parts) | Node::Any(parts) => parts.iter().collect(),
            Node::Binary(one, _, other)
            | Node::LikeEscape(one, other, _)
            | Node::Moved(one, other, ..)
            | Node::Distance(_, one, other) => vec![one, other],
            Node::Between(one, two, three) => vec![one, two, three],
            Node::In(one, others) => std::iter::once(&**one).chain(others).collect(),
            Node::Case(value, alternatives, otherwise) => {
                let pairs = alternatives.iter().flat_map(|(when, then)| [when, then]);
                value
                    .as_deref()
                    .into_iter()
                    .chain(pairs)
                    .chain(otherwise.as_deref())
                    .collect()
            }
            Node::Not(inner)
            | Node::IsNull(inner)
            | Node::Cast(inner, _)
            | Node::Convert(inner, _)
            | Node::AsDouble(inner)
            | Node::Negative(inner) => vec![inner],
        }
    }

    fn parts_mut(&mut self) -> Vec<&mut Self> {
        match &mut self.0 {
            Node::Column(_)
            | Node::Text(_)
            | Node::Bytes(_)
            | Node::InCharset(..)
            | Node::Integer(_)
            | Node::Decimal(_)
            | Node::Double(..)
            | Node::Null
            | Node::Star
            | Node::Moment(..)
            | Node::NoMatch { .. } => Vec::new(),
            Node::Call(_, parts) | Node::All(parts) | Node::Any(parts) => {
                parts.iter_mut().collect()
            }
            Node::Binary(one, _, other)
            | Node::LikeEscape(one, other, _)
            | Node::Moved(one, other, ..)
            | Node::Distance(_, one, other) => vec![one, other],
            Node::Between(one, two, three) => vec![one, two, three],
            Node::In(one, others) => std::iter::once(&mut **one).chain(others).collect(),
            Node::Case(value, alternatives, otherwise) => {
                let pairs = alternatives
                    .iter_mut()
                    .flat_map(|(when, then)| [when, then]);
                value
                    .as_deref_mut()
                    .into_iter()
                    .chain(pairs)
                    .chain(otherwise.as_deref_mut())
                    .collect()
            }
            Node::Not(inner)
            | Node::IsNull(inner)
            | Node::Cast(inner, _)
            | Node::Convert(inner, _)
            | Node::AsDouble(inner)
            | Node::Negative(inner) => vec![inner],
        }
    }
}
