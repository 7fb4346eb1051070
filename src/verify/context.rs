//! What checks look at: the file, and what follows from it, computed once.

use super::git::Checkout;
use super::outcome::{Findings, Outcome};
use super::rebuild::Rebuilt;
use super::replay::Replayed;
use super::report::Options;
use crate::build_info::Build;
use crate::result::{
    Basis, CaseRecord, Derived, Measurement, Payload, Peaks, PlannedCase, ResultFile, derive,
};

/// A result under scrutiny.
pub(super) struct Context<'a> {
    pub(super) file: &'a ResultFile,
    pub(super) payload: &'a Payload,
    /// What this program was made from, if it is known.
    pub(super) own: Option<&'a Build>,
    pub(super) checkout: Option<&'a Checkout>,
    pub(super) allow_unpinned: bool,
    /// What a rebuild gave, if one was asked for.
    pub(super) rebuilt: Option<&'a Result<Rebuilt, String>>,
    /// What replays gave, one of each model; empty if none was asked for.
    pub(super) replayed: &'a [Replayed],
    /// Why none was made although one was asked for.
    pub(super) not_replayed: Option<&'a str>,
    /// Peaks recomputed from the samples.
    pub(super) peaks: Peaks,
    /// Derived figures of each case, recomputed from the samples.
    pub(super) derived: Vec<Option<Derived>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        file: &'a ResultFile,
        own: Option<&'a Build>,
        checkout: Option<&'a Checkout>,
        options: &'a Options,
    ) -> Self {
        let payload = &file.payload;
        let peaks = Peaks::of(&payload.cases);
        let derived = payload.cases.iter().map(|case| {
            let basis = Basis::of(case, case.measurement.as_ref()?);
            derive(&basis, &peaks, &payload.target)
        });
        Self {
            derived: derived.collect(),
            file,
            payload,
            own,
            checkout,
            allow_unpinned: options.allow_unpinned,
            rebuilt: options.rebuilt.as_ref(),
            replayed: &options.replayed,
            not_replayed: options.not_replayed.as_deref(),
            peaks,
        }
    }

    /// This program's build, if it is of the commit that the result names, and both are of that alone.
    pub(super) fn same_build(&self) -> Option<&'a Build> {
        let (own, stated) = (self.own?, &self.payload.build.provenance);
        let clean = own.provenance.dirty == Some(false) && stated.dirty.value() == Some(&false);
        let same = own.provenance.commit.as_ref() == Some(stated.commit.value()?);
        (clean && same).then_some(own)
    }

    /// The cases that were run, each beside the one planned for its place.
    pub(super) fn planned(&self) -> impl Iterator<Item = (&'a PlannedCase, &'a CaseRecord)> {
        let planned = self.payload.plan.cases.iter();
        planned.zip(&self.payload.cases)
    }

    /// The cases that have a measurement.
    pub(super) fn measured(&self) -> impl Iterator<Item = (&'a CaseRecord, &'a Measurement)> {
        let cases = self.payload.cases.iter();
        cases.filter_map(|case| Some((case, case.measurement.as_ref()?)))
    }

    /// Asks `check` of every measured case.
    pub(super) fn each_measured(
        &self,
        mut check: impl FnMut(&mut Findings, &'a CaseRecord, &'a Measurement),
    ) -> Outcome {
        let mut findings = Findings::default();
        for (case, measurement) in self.measured() {
            check(&mut findings, case, measurement);
        }
        findings.outcome()
    }
}
