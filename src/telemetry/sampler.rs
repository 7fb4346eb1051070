//! Readings at 10 Hz beside the work, from a thread that yields to everything else.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::clock::SessionClock;
use super::nvml::Gpu;
use super::probe::{Probe, probes};
use super::quantity::{Quantity, SLOWDOWNS};
use crate::result::{Reading, Series, TelemetryRecord};

/// Nominal time between readings.
pub const INTERVAL_NS: u64 = 100_000_000;

/// The running thread and what it has read.
#[derive(Debug)]
pub struct Sampler {
    readings: Arc<Mutex<Readings>>,
    gpu: Reading<Gpu>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Sampler {
    /// Takes the first reading and starts the thread. Times count from `clock`. Without a GPU, its series carry the reason
    /// in `gpu`.
    pub fn start(clock: SessionClock, gpu: Reading<Gpu>) -> Self {
        let probes = probes(&gpu);
        Self::start_with(clock, gpu, probes, Duration::from_nanos(INTERVAL_NS))
    }

    fn start_with(
        clock: SessionClock,
        gpu: Reading<Gpu>,
        mut probes: Vec<Probe>,
        interval: Duration,
    ) -> Self {
        let readings = Readings::first(clock.now_ns(), &mut probes);
        let readings = Arc::new(Mutex::new(readings));
        let (stop, stopped) = channel();
        let shared = Arc::clone(&readings);
        let thread = std::thread::Builder::new()
            .name("telemetry".into())
            .spawn(move || sample(clock, &mut probes, &shared, &stopped, interval));
        let thread = match thread {
            Ok(thread) => Some((stop, thread)),
            Err(error) => {
                lock(&readings).give_up(&format!("the sampling thread cannot start: {error}"));
                None
            }
        };
        Self {
            readings,
            gpu,
            thread,
        }
    }

    /// The quantity of the GPU now, asked on the calling thread.
    pub fn read_now(&self, quantity: Quantity) -> Reading<u64> {
        match self.gpu.value() {
            Some(gpu) => gpu.read(quantity),
            None => self.gpu.clone().map(|_| 0),
        }
    }

    /// Lowest and highest SM clock in MHz between two times of the session; `None` where it does not answer. A span
    /// without a reading of its own takes those on either side.
    pub fn sm_clock_range(&self, from_ns: u64, to_ns: u64) -> Option<(u64, u64)> {
        let readings = lock(&self.readings);
        let clocks = || readings.between(Quantity::SmClock, from_ns, to_ns);
        Some((clocks().min()?, clocks().max()?))
    }

    /// Whether the driver reported heat or a power brake between two times of the session; `None` where it does not tell.
    pub fn throttled_between(&self, from_ns: u64, to_ns: u64) -> Option<bool> {
        let readings = lock(&self.readings);
        readings
            .between(Quantity::EventReasons, from_ns, to_ns)
            .map(|reasons| reasons & SLOWDOWNS != 0)
            .reduce(|a, b| a || b)
    }

    /// Ends the thread; all readings so far.
    pub fn stop(mut self) -> TelemetryRecord {
        self.join();
        std::mem::take(&mut *lock(&self.readings)).into_record()
    }

    fn join(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            // A panic of the thread has ended the readings; what was read before it stands.
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.join();
    }
}

/// The thread: reads at every interval until the other end of `stopped` is gone.
fn sample(
    clock: SessionClock,
    probes: &mut [Probe],
    readings: &Mutex<Readings>,
    stopped: &Receiver<()>,
    interval: Duration,
) {
    // On Linux a priority belongs to a thread. The lowest one leaves the processors to the work that is timed; where it is
    // refused, readings go on as they are.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
    let mut next = Instant::now() + interval;
    loop {
        let wait = next.saturating_duration_since(Instant::now());
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let time_ns = clock.now_ns();
        let answering = lock(readings).answering();
        // The lock is free while drivers are asked: they may take milliseconds.
        let row: Vec<Option<u64>> = probes
            .iter_mut()
            .zip(answering)
            .map(|(probe, answers)| answers.then(|| (probe.read)().ok().flatten()).flatten())
            .collect();
        lock(readings).push(time_ns, &row);
        // A reading that came late moves those after it; it is not made up for.
        next = (next + interval).max(Instant::now());
    }
}

fn lock(readings: &Mutex<Readings>) -> MutexGuard<'_, Readings> {
    readings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Readings by time and quantity.
#[derive(Debug, Default)]
struct Readings {
    times_ns: Vec<u64>,
    columns: Vec<Column>,
}

/// One quantity: a value or a gap per time, or why it does not answer.
#[derive(Debug)]
struct Column {
    quantity: String,
    unit: &'static str,
    source: String,
    values: Result<Vec<Option<u64>>, String>,
}

impl Readings {
    /// The first reading decides which quantities answer at all.
    fn first(time_ns: u64, probes: &mut [Probe]) -> Self {
        let columns = probes.iter_mut().map(|probe| Column {
            quantity: probe.quantity.clone(),
            unit: probe.unit,
            source: probe.source.clone(),
            values: (probe.read)().map(|value| vec![value]),
        });
        Self {
            times_ns: vec![time_ns],
            columns: columns.collect(),
        }
    }

    fn answering(&self) -> Vec<bool> {
        let columns = self.columns.iter();
        columns.map(|column| column.values.is_ok()).collect()
    }

    fn push(&mut self, time_ns: u64, row: &[Option<u64>]) {
        self.times_ns.push(time_ns);
        for (column, value) in self.columns.iter_mut().zip(row) {
            if let Ok(values) = &mut column.values {
                values.push(*value);
            }
        }
    }

    fn give_up(&mut self, reason: &str) {
        for column in &mut self.columns {
            column.values = Err(reason.to_owned());
        }
    }

    /// The values of `quantity` read from `from_ns` to `to_ns`, or else the last before and the first after.
    fn between(&self, quantity: Quantity, from_ns: u64, to_ns: u64) -> impl Iterator<Item = u64> {
        let mut first = self.times_ns.partition_point(|time| *time < from_ns);
        let mut end = self.times_ns.partition_point(|time| *time <= to_ns);
        if first >= end {
            first = first.saturating_sub(1);
            end = (end + 1).min(self.times_ns.len());
        }
        let mut columns = self.columns.iter();
        let column = columns.find(|column| column.quantity == quantity.name());
        let values = column.and_then(|column| column.values.as_ref().ok()?.get(first..end));
        values.unwrap_or_default().iter().flatten().copied()
    }

    fn into_record(self) -> TelemetryRecord {
        let series = self.columns.into_iter().map(|column| Series {
            quantity: column.quantity,
            unit: column.unit.to_owned(),
            source: column.source,
            samples: Reading::from_result(column.values),
        });
        TelemetryRecord {
            interval_ns: INTERVAL_NS,
            times_ns: self.times_ns,
            series: series.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(quantity: Quantity, rows: &[(u64, Option<u64>)]) -> Readings {
        Readings {
            times_ns: rows.iter().map(|row| row.0).collect(),
            columns: vec![Column {
                quantity: quantity.name().into(),
                unit: quantity.unit(),
                source: "test".into(),
                values: Ok(rows.iter().map(|row| row.1).collect()),
            }],
        }
    }

    fn sampler(readings: Readings) -> Sampler {
        Sampler {
            readings: Arc::new(Mutex::new(readings)),
            gpu: Reading::missing("no GPU"),
            thread: None,
        }
    }

    #[test]
    fn a_span_takes_its_own_readings_or_those_on_either_side() {
        let rows = [
            (100, Some(1980)),
            (200, Some(1500)),
            (300, None),
            (400, Some(1900)),
        ];
        let sampler = sampler(readings(Quantity::SmClock, &rows));
        assert_eq!(sampler.sm_clock_range(100, 250), Some((1500, 1980)));
        assert_eq!(sampler.sm_clock_range(110, 120), Some((1500, 1980)));
        assert_eq!(sampler.sm_clock_range(210, 220), Some((1500, 1500)));
        assert_eq!(sampler.sm_clock_range(500, 600), Some((1900, 1900)));
        assert_eq!(sampler.sm_clock_range(0, 50), Some((1980, 1980)));
        assert_eq!(sampler.sm_clock_range(300, 300), None);
        assert_eq!(sampler.throttled_between(0, 500), None);
    }

    #[test]
    fn heat_and_power_brakes_throttle_and_a_power_cap_does_not() {
        let rows = [
            (100, Some(0x4)),
            (200, Some(0x44)),
            (300, Some(0)),
            (400, None),
        ];
        let sampler = sampler(readings(Quantity::EventReasons, &rows));
        assert_eq!(sampler.throttled_between(0, 150), Some(false));
        assert_eq!(sampler.throttled_between(0, 250), Some(true));
        assert_eq!(sampler.throttled_between(290, 310), Some(false));
        assert_eq!(sampler.throttled_between(390, 410), None);
    }

    #[test]
    fn a_quantity_that_refuses_at_first_is_a_reason_and_a_later_refusal_a_gap() {
        let mut calls = 0;
        let failing_later = move || {
            calls += 1;
            if calls == 2 {
                Err("busy".into())
            } else {
                Ok(Some(calls))
            }
        };
        let probes = vec![
            Probe::new("counter", "1", "test", failing_later),
            Probe::new("absent", "1", "test", || Err("not supported".into())),
            Probe::new("late", "1", "test", || Ok(None)),
        ];
        let sampler = Sampler::start_with(
            SessionClock::start(),
            Reading::missing("no GPU"),
            probes,
            Duration::from_millis(1),
        );
        while lock(&sampler.readings).times_ns.len() < 4 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let record = sampler.stop();
        assert!(record.times_ns.is_sorted());
        let [counter, absent, late] = record.series.as_slice() else {
            panic!("{record:?}");
        };
        let values = counter.samples.value().unwrap();
        assert_eq!(values.len(), record.times_ns.len());
        assert_eq!(values[..4], [Some(1), None, Some(3), Some(4)]);
        assert_eq!(absent.samples.reason(), Some("not supported"));
        assert!(late.samples.value().unwrap().iter().all(Option::is_none));
    }

    #[test]
    fn without_a_gpu_the_host_is_sampled_all_the_same() {
        let sampler = Sampler::start(SessionClock::start(), Reading::missing("no driver"));
        assert_eq!(
            sampler.read_now(Quantity::SmClock).reason(),
            Some("no driver")
        );
        let record = sampler.stop();
        let series = |name: &str| record.series.iter().find(|series| series.quantity == name);
        assert_eq!(series("power").unwrap().samples.reason(), Some("no driver"));
        let memory = series("memory_available").unwrap().samples.value().unwrap();
        assert!(memory[0].is_some());
        assert_eq!(record.interval_ns, INTERVAL_NS);
    }

    #[test]
    fn a_sampler_that_is_dropped_ends_its_thread() {
        let sampler = Sampler::start(SessionClock::start(), Reading::missing("no driver"));
        let readings = Arc::downgrade(&sampler.readings);
        drop(sampler);
        assert!(readings.upgrade().is_none());
    }
}
